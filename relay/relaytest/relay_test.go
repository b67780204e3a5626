package relaytest_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// client is a socket to a relay, inside a bubble.
type client struct {
	t *testing.T
	s *relay.Socket
}

func dial(t *testing.T, r *relaytest.Relay) *client {
	t.Helper()
	s, f := relay.NewDialer(relay.DialerOptions{DialContext: r.DialContext}).Dial(t.Context(), "ws://r", relay.Stranger)
	require.Nil(t, f)
	t.Cleanup(s.Close)
	return &client{t, s}
}

func (c *client) send(parts ...any) {
	c.t.Helper()
	msg, err := json.Marshal(parts)
	require.NoError(c.t, err)
	require.NoError(c.t, c.s.Send(msg))
}

// said is everything the relay has to say now, in short.
func (c *client) said() []string {
	c.t.Helper()
	synctest.Wait()
	var out []string
	for {
		select {
		case f, ok := <-c.s.Frames():
			if !ok {
				return append(out, "end")
			}
			text := f.Kind.String() + " " + f.Sub
			switch f.Kind {
			case relay.FrameEvent:
				var e nostr.Event
				require.NoError(c.t, e.UnmarshalJSON(f.Event))
				text += " " + e.Content
			case relay.FrameOK:
				text = "OK false " + f.Text
				if f.OK {
					text = "OK true " + f.Text
				}
			case relay.FrameClosed, relay.FrameNotice, relay.FrameAuth:
				text += " " + f.Text
			default:
			}
			out = append(out, text)
			synctest.Wait()
		default:
			return out
		}
	}
}

func TestHonestRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{Events: relaytest.Notes(4, 1, 100), PageCap: 3})
		c := dial(t, r)
		kind1 := nostr.Filter{Kinds: []int{1}}
		c.send("REQ", "a", kind1)
		require.Equal(t, []string{"EVENT a note 0", "EVENT a note 1", "EVENT a note 2", "EOSE a"}, c.said())
		c.send("REQ", "b", nostr.Filter{Kinds: []int{1}, Limit: 1}, nostr.Filter{Kinds: []int{7}})
		require.Equal(t, []string{"EVENT b note 0", "EOSE b"}, c.said())
		c.send("REQ", "c", nostr.Filter{Kinds: []int{1}, LimitZero: true})
		require.Equal(t, []string{"EOSE c"}, c.said())

		c.send("CLOSE", "a")
		c.send("EVENT", relaytest.Event(2, 1, 200, "new"))
		require.ElementsMatch(t, []string{"OK true ", "EVENT b new", "EVENT c new"}, c.said())
		c.send("EVENT", relaytest.Event(2, 1, 200, "new"))
		require.Equal(t, []string{"OK true duplicate: have this event"}, c.said())
		c.send("PING", "x")
		require.Len(t, c.said(), 1)

		require.Equal(t, []string{"b", "c"}, r.OpenSubs())
		require.Equal(t, 3, r.HighWater())
		require.Len(t, r.Requests(), 3)
		require.Equal(t, []string{"a"}, r.Closes())
		require.Len(t, r.Received(), 2)
		require.Len(t, r.BadMessages(), 1)
		require.Len(t, r.Events(), 5)
		require.Equal(t, 1, r.OpenConnections())
	})
}

func TestReplaceableEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{})
		c := dial(t, r)
		version := func(at int64, d string) nostr.Event { return relaytest.Event(1, 30617, at, "", nostr.Tag{"d", d}) }
		c.send("EVENT", version(100, "x"))
		c.send("EVENT", version(50, "y"))
		c.send("EVENT", version(200, "x"))
		c.send("EVENT", version(150, "x"))
		require.Equal(t, []string{"OK true ", "OK true ", "OK true ", "OK false replaced: have newer event"}, c.said())
		require.Len(t, r.Events(), 2)
		r.Remove(version(200, "x").ID, "unknown")
		require.False(t, r.Has(version(200, "x").ID))
		c.send("EVENT", version(150, "x"))
		require.Equal(t, []string{"OK true "}, c.said())
	})
}

func TestOwnRelayScripts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verdicts := map[string]*relaytest.Verdict{
			"hide":  {OK: true, Hide: true, Reason: "purgatory: later"},
			"mute":  {NoAnswer: true},
			"short": {OK: true, Short: true},
			"late":  {OK: true, After: time.Minute},
			"no":    {Reason: "blocked: no"},
			"drop":  {Drop: true},
		}
		r := relaytest.Start(t, relaytest.Options{
			Verify: true,
			Policy: func(e *nostr.Event) *relaytest.Verdict { return verdicts[e.Content] },
		})
		c := dial(t, r)
		for _, text := range []string{"late", "hide", "mute", "short", "no", "fine"} {
			c.send("EVENT", relaytest.Event(1, 1, 1, text))
		}
		bad := relaytest.Event(1, 1, 1, "x")
		bad.Content = "y"
		c.send("EVENT", bad)
		unsigned := relaytest.Event(1, 1, 1, "x")
		unsigned.Sig = relaytest.Event(1, 1, 2, "x").Sig
		c.send("EVENT", unsigned)
		require.Equal(t, []string{
			"OK true purgatory: later", "OK true ", "OK false blocked: no", "OK true ",
			"OK false invalid: bad event id", "OK false invalid: bad signature",
		}, c.said())
		time.Sleep(time.Minute)
		require.Equal(t, []string{"OK true "}, c.said())
		var stored []string
		for _, e := range r.Events() {
			stored = append(stored, e.Content)
		}
		require.ElementsMatch(t, []string{"late", "short", "fine"}, stored)
		c.send("EVENT", relaytest.Event(1, 1, 1, "drop"))
		require.Equal(t, []string{"end"}, c.said())
		synctest.Wait()
		require.Zero(t, r.OpenConnections())
	})
}

func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{Challenge: "c1", RequireAuth: true})
		c := dial(t, r)
		c.send("REQ", "a", nostr.Filter{})
		c.send("EVENT", relaytest.Event(1, 1, 1, "x"))
		login := relaytest.Event(1, nostr.KindClientAuthentication, 1, "", nostr.Tag{"challenge", "c2"})
		c.send("AUTH", login)
		require.Equal(t, []string{
			"AUTH  c1", "CLOSED a auth-required: log in first", "OK false auth-required: log in first",
			"OK false error: challenge string mismatch",
		}, c.said())
		c.send("AUTH", relaytest.Event(1, nostr.KindClientAuthentication, 1, "", nostr.Tag{"challenge", "c1"}))
		c.send("REQ", "a", nostr.Filter{})
		require.Equal(t, []string{"OK true successfully authenticated", "EOSE a"}, c.said())
	})
}

func TestMisbehaviour(t *testing.T) {
	off := []nostr.Event{relaytest.Event(1, 9, 1, "off")}
	tests := []struct {
		name   string
		script relaytest.Options
		want   []string
	}{
		{"no EOSE", relaytest.Options{NoEOSE: true}, []string{"EVENT a note 0", "EVENT a note 1"}},
		{"EOSE twice", relaytest.Options{DoubleEOSE: true}, []string{"EVENT a note 0", "EVENT a note 1", "EOSE a", "EOSE a"}},
		{"EOSE early", relaytest.Options{EarlyEOSE: true}, []string{"EOSE a", "EVENT a note 0", "EVENT a note 1"}},
		{"closed", relaytest.Options{CloseAfter: 1, CloseReason: "error: x"}, []string{"EVENT a note 0", "CLOSED a error: x"}},
		{"limited", relaytest.Options{RateLimited: true}, []string{"CLOSED a rate-limited: slow down, please"}},
		{"off filter", relaytest.Options{OffFilter: off}, []string{"EVENT a note 0", "EVENT a note 1", "EVENT a off", "EOSE a"}},
		{"garbage", relaytest.Options{Garbage: []string{"{}"}}, []string{"EVENT a note 0", "EVENT a note 1", "broken ", "EOSE a"}},
		{"drop", relaytest.Options{DropAfter: 1}, []string{"EVENT a note 0", "end"}},
		{"silent", relaytest.Options{Silent: true}, nil},
		{"deaf", relaytest.Options{Deaf: true}, nil},
		{"too many filters", relaytest.Options{MaxFilters: 1}, []string{"CLOSED a ERROR: bad req: arr too big"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.script.Events = relaytest.Notes(2, 1, 100)
				c := dial(t, relaytest.Start(t, tt.script))
				c.send("REQ", "a", nostr.Filter{Kinds: []int{1}}, nostr.Filter{Kinds: []int{2}})
				require.Equal(t, tt.want, c.said())
			})
		})
	}
}

func TestSubscriptionLimits(t *testing.T) {
	for name, want := range map[string][]string{
		"closed": {"EOSE a", "CLOSED b rate-limited: too many REQs"},
		"notice": {"EOSE a", "EOSE b", "NOTICE  ERROR: too many concurrent REQs"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := relaytest.Start(t, relaytest.Options{MaxSubs: 1, SubsNotice: name == "notice"})
				c := dial(t, r)
				c.send("REQ", "a", nostr.Filter{})
				c.send("REQ", "b", nostr.Filter{})
				require.Equal(t, want, c.said())
				require.Equal(t, 2, r.HighWater())
				r.Publish(relaytest.Event(1, 1, 1, "x"))
				require.Equal(t, []string{"EVENT a x"}, c.said())
			})
		})
	}
}

func TestWireIsASocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{})
		a, err := r.DialContext(t.Context(), "tcp", "x")
		require.NoError(t, err)
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Second)))
		start := time.Now()
		_, err = a.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, a.SetDeadline(time.Time{}))
		require.NoError(t, a.Close())
		_, err = a.Read(make([]byte, 1))
		require.Error(t, err)
		_, err = a.Write([]byte("x"))
		require.Error(t, err)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r.Close()
		_, err = r.DialContext(ctx, "tcp", "x")
		require.Error(t, err)
		var network relaytest.Network
		_, err = network.DialContext(t.Context(), "tcp", "nobody:80")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
	})
}

func TestCloseLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.New(relaytest.Options{Endless: true, HandshakeDelay: time.Second, Challenge: "x"})
		for range 3 {
			conn, _, err := websocket.Dial(t.Context(), "ws://r", &websocket.DialOptions{HTTPClient: httpClient(r)})
			require.NoError(t, err)
			require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(`["REQ","a",{"kinds":[1]}]`)))
		}
		r.Close() // the bubble fails if a goroutine stays
	})
}

func httpClient(r *relaytest.Relay) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: r.DialContext, DisableKeepAlives: true}}
}
