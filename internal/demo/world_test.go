package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

func TestMain(m *testing.M) {
	// khatru starts it with every relay and has no way to end it.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/fiatjaf/khatru.(*expirationManager).start"))
}

var baseTime = time.Unix(1_790_000_000, 0)

func startWorld(t *testing.T) *World {
	t.Helper()
	w, err := Start(t.Context(), Options{Seed: 1, Now: baseTime, Events: 150})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, w.Close(ctx))
	})
	return w
}

// wholeWorld is the one that a demo shows. It is only read.
var wholeWorld = sync.OnceValues(func() (*World, error) { return build(Options{Seed: 1, Now: baseTime}) })

// buildWorld fills one that does not listen.
func buildWorld(t *testing.T, seed uint64, events int) *World {
	t.Helper()
	w, err := build(Options{Seed: seed, Now: baseTime, Events: events})
	require.NoError(t, err)
	return w
}

func TestCorpusIsReal(t *testing.T) {
	events, err := realEvents()
	require.NoError(t, err)
	require.Len(t, events, 296)
	for _, e := range events {
		require.True(t, e.Verify(), e.Event.ID)
	}
}

func TestWorldIsTheSameAgain(t *testing.T) {
	a, b, other := buildWorld(t, 1, 100), buildWorld(t, 1, 100), buildWorld(t, 2, 100)
	for i := range a.relays {
		require.Equal(t, hexIDs(a.relays[i]), hexIDs(b.relays[i]))
		require.NotEqual(t, hexIDs(a.relays[i]), hexIDs(other.relays[i]))
	}
}

func hexIDs(r *Relay) []string {
	var out []string
	for _, e := range r.store.All() {
		out = append(out, e.Event.ID)
	}
	return out
}

func TestWorldLooksLikeTheNetwork(t *testing.T) {
	w, err := wholeWorld()
	require.NoError(t, err)
	real := corpusIDs(t)
	kinds := map[int]int{}
	seen := map[event.ID]bool{}
	for _, r := range w.relays {
		require.Greater(t, r.Len(), 100, r.Name)
		for _, e := range r.store.All() {
			if seen[e.ID] {
				continue
			}
			seen[e.ID] = true
			kinds[e.Kind]++
			if real[e.Event.ID] == nil {
				require.False(t, e.CreatedAt.Time().After(baseTime), "generated in the future")
			}
		}
	}
	require.Greater(t, len(seen), 2000)
	require.Less(t, len(seen), 4000)
	for _, kind := range []int{event.KindPatch, event.KindPullRequest, event.KindPRUpdate, event.KindIssue, event.KindStatusOpen,
		event.KindStatusMerged, event.KindStatusClosed, event.KindStatusDraft, kindComment, kindReaction, kindLabel} {
		require.Greater(t, kinds[kind], 10, "kind %d", kind)
	}
	require.Greater(t, kinds[event.KindComment], kinds[event.KindIssue], "people talk more than they open")
	require.Greater(t, kinds[event.KindAnnouncement], 25)
}

func corpusIDs(t *testing.T) map[string]*event.Event {
	t.Helper()
	events, err := realEvents()
	require.NoError(t, err)
	out := map[string]*event.Event{}
	for _, e := range events {
		out[e.Event.ID] = e
	}
	return out
}

func TestGeneratedEventsVerify(t *testing.T) {
	for _, r := range buildWorld(t, 5, 100).relays {
		for _, e := range r.store.All() {
			require.True(t, e.CheckID(), e.Event.ID)
			require.True(t, e.Verify(), e.Event.ID)
		}
	}
}

func TestRewriteNeverLeavesTheMachine(t *testing.T) {
	w := startWorld(t)
	for _, r := range w.Relays() {
		addr, err := w.Rewrite(r.Name)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(addr, "ws://127.0.0.1:"), addr)
	}
	for _, name := range []relayurl.URL{"wss://relay.primal.net", "wss://gitnostr.com", "ws://127.0.0.1:1", ""} {
		_, err := w.Rewrite(name)
		var unknown *UnknownRelayError
		require.ErrorAs(t, err, &unknown)
	}
	for _, name := range w.Bootstrap() {
		_, ok := w.Relay(name)
		require.True(t, ok)
	}
}

type peer struct {
	t    *testing.T
	conn *websocket.Conn
}

func dial(t *testing.T, w *World, name relayurl.URL) *peer {
	t.Helper()
	addr, err := w.Rewrite(name)
	require.NoError(t, err)
	conn, _, err := websocket.Dial(t.Context(), addr, nil)
	require.NoError(t, err)
	conn.SetReadLimit(8 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &peer{t: t, conn: conn}
}

func (p *peer) write(format string, a ...any) {
	p.t.Helper()
	require.NoError(p.t, p.conn.Write(p.t.Context(), websocket.MessageText, fmt.Appendf(nil, format, a...)))
}

func (p *peer) read() []any {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	_, msg, err := p.conn.Read(ctx)
	require.NoError(p.t, err)
	var fields []any
	require.NoError(p.t, json.Unmarshal(msg, &fields), "%s", msg)
	return fields
}

// page gives the number of events before EOSE.
func (p *peer) page(sub, filter string) int {
	p.t.Helper()
	p.write(`["REQ",%q,%s]`, sub, filter)
	for n := 0; ; n++ {
		m := p.read()
		if m[0] == "EOSE" {
			require.Equal(p.t, sub, m[1])
			return n
		}
		require.Equal(p.t, []any{"EVENT", sub}, m[:2])
	}
}

func TestRelaysDiffer(t *testing.T) {
	w := startWorld(t)
	for _, c := range []struct {
		name relayurl.URL
		page int
		neg  bool
	}{
		{ngitDev, 500, true}, {damus, 500, false}, {nosLol, 20, false}, {nostrBand, 250, false}, {treegaze, 500, true}, {danConway, 500, true},
	} {
		t.Run(string(c.name), func(t *testing.T) {
			r, _ := w.Relay(c.name)
			p := dial(t, w, c.name)
			require.Equal(t, min(c.page, r.Len()), p.page("s", `{"limit":5000}`))
			require.Equal(t, 3, p.page("s2", `{"kinds":[1621],"limit":3}`))
			p.write(`["NEG-OPEN","n",{"kinds":[1621]},"6100000200"]`) // an empty list for everything
			m := p.read()
			if !c.neg {
				require.Equal(t, "NOTICE", m[0])
				return
			}
			require.Equal(t, []any{"NEG-MSG", "n"}, m[:2])
			issues := len(r.store.Events(filterKinds(1621), -1))
			require.GreaterOrEqual(t, len(m[2].(string)), 64*issues, "all ids, not a page of them")
		})
	}
}

func TestFourSubscriptions(t *testing.T) {
	w := startWorld(t)
	p := dial(t, w, nostrBand)
	for i := range 4 {
		p.page(fmt.Sprint(i), `{"limit":1}`)
	}
	p.write(`["REQ","4",{"limit":1}]`)
	require.Equal(t, []any{"CLOSED", "4", "rate-limited: too many subscriptions, at most 4 at a time"}, p.read())
	p.page("3", `{"limit":2}`) // an open id may be used again
	p.write(`["CLOSE","0"]`)
	p.page("4", `{"limit":1}`)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(mustRewrite(t, w, nostrBand), "ws", "http", 1), nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "application/nostr+json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	var doc struct {
		Limitation struct {
			Subscriptions int `json:"max_subscriptions"`
		} `json:"limitation"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&doc))
	require.Equal(t, 4, doc.Limitation.Subscriptions)
}

func mustRewrite(t *testing.T, w *World, name relayurl.URL) string {
	t.Helper()
	addr, err := w.Rewrite(name)
	require.NoError(t, err)
	return addr
}

func TestTheSlowOneIsSlow(t *testing.T) {
	w := startWorld(t)
	p := dial(t, w, treegaze)
	start := time.Now()
	p.page("s", `{"limit":1}`)
	require.GreaterOrEqual(t, time.Since(start), slowAnswer)
}

func TestOutage(t *testing.T) {
	w := startWorld(t)
	for _, name := range []relayurl.URL{ngitDev, damus} {
		r, _ := w.Relay(name)
		p := dial(t, w, name)
		before := r.URL()
		require.NoError(t, r.Down(t.Context()))
		require.NoError(t, r.Down(t.Context()), "twice is once")
		_, _, err := p.conn.Read(t.Context())
		require.Error(t, err)
		require.Error(t, r.Publish(w.relays[4].store.All()[0]))
		_, _, err = websocket.Dial(t.Context(), before, nil)
		require.Error(t, err)
		require.NoError(t, r.Up(t.Context()))
		require.NoError(t, r.Up(t.Context()))
		require.Equal(t, before, r.URL())
		require.Positive(t, dial(t, w, name).page("s", `{"limit":5}`))
	}
}
