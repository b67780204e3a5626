package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
	"github.com/ngit-sync/ngit-sync/sync"
)

const testDomain = "git.example.com"

// world is a network in memory and in virtual time: an own relay, remote relays by host, and the ring between them.
type world struct {
	t        *testing.T
	network  relaytest.Network
	own      *relaytest.Relay
	cfg      config.Config
	database string
	ring     *ring
	stop     func()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cfg: config.Default(), database: "sqlite:" + filepath.Join(t.TempDir(), "test.db")}
	w.own = relaytest.New(relaytest.Options{Verify: true})
	w.network.Add("own.example.com:80", w.own)
	w.cfg.OwnRelay.URL = "ws://own.example.com"
	w.cfg.OwnRelay.Domains = []string{testDomain}
	w.cfg.Sync.FullJitter = 0
	return w
}

// remote adds a relay under a name.
func (w *world) remote(host string, o relaytest.Options) *relaytest.Relay {
	r := relaytest.New(o)
	w.network.Add(host+":80", r)
	return r
}

// start runs the ring until the returned function, or the end of the test.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	st, err := store.Open(ctx, w.database, store.Options{Log: zaptest.NewLogger(w.t)})
	require.NoError(w.t, err)
	set := settings{cfg: w.cfg, own: w.cfg.OwnRelay.URL, seed: 1}
	options := set.dialer(nil)
	options.DialContext = w.network.DialContext
	w.ring, err = newRing(ctx, set, relay.NewDialer(options), st, nil, zaptest.NewLogger(w.t))
	require.NoError(w.t, err)
	done := make(chan error, 1)
	go func() { done <- w.ring.run(ctx) }()
	w.stop = func() {
		cancel()
		require.NoError(w.t, <-done)
		require.NoError(w.t, st.Close(context.WithoutCancel(ctx)))
	}
}

func (w *world) close(remotes ...*relaytest.Relay) {
	w.stop()
	w.own.Close()
	for _, r := range remotes {
		r.Close()
	}
}

// phase of a relay in the last snapshot.
func (w *world) phase(u relayurl.URL) sync.Phase {
	for _, v := range w.ring.snapshot.Load().Relays {
		if v.URL == u {
			return v.Phase
		}
	}
	return sync.Removed
}

// missing lists what the own relay does not have.
func (w *world) missing(events ...nostr.Event) []string {
	var out []string
	for _, e := range events {
		if !w.own.Has(e.ID) {
			out = append(out, fmt.Sprintf("%s (kind %d)", e.ID, e.Kind))
		}
	}
	return out
}

// within lets virtual time pass until the condition holds, and fails when it does not hold in time.
func (w *world) within(d time.Duration, what string, cond func() bool) {
	w.t.Helper()
	start := time.Now()
	for end := start.Add(d); ; {
		synctest.Wait()
		if cond() {
			return
		}
		require.True(w.t, time.Now().Before(end), "%s: not within %s", what, d)
		<-time.After(max(time.Second, time.Since(start)/20)) // coarser as it takes longer
	}
}

// author signs events.
type author struct{ secret string }

func newAuthor(n int) author { return author{fmt.Sprintf("%064x", n+1)} }

func (a author) public() string {
	pk, err := nostr.GetPublicKey(a.secret)
	if err != nil {
		panic(err)
	}
	return pk
}

func (a author) sign(kind int, at time.Time, tags ...nostr.Tag) nostr.Event {
	e := nostr.Event{Kind: kind, CreatedAt: nostr.Timestamp(at.Unix()), Tags: tags}
	if err := e.Sign(a.secret); err != nil {
		panic(err)
	}
	return e
}

// announce signs an announcement that lists the test's service and names these relays.
func (a author) announce(d string, at time.Time, relays ...string) nostr.Event {
	npub, err := nip19.EncodePublicKey(a.public())
	if err != nil {
		panic(err)
	}
	return a.sign(event.KindAnnouncement, at, nostr.Tag{"d", d},
		nostr.Tag{"clone", fmt.Sprintf("https://%s/%s/%s.git", testDomain, npub, d)},
		append(nostr.Tag{"relays", "wss://" + testDomain}, relays...))
}

// coordinate of a repo, as `a` tags carry it.
func (a author) coordinate(d string) string {
	return fmt.Sprintf("%d:%s:%s", event.KindAnnouncement, a.public(), d)
}

// thread is an announcement with a state, issues and a comment on each.
func thread(a author, d string, at time.Time, issues int, relays ...string) []nostr.Event {
	out := []nostr.Event{
		a.announce(d, at, relays...),
		a.sign(event.KindState, at, nostr.Tag{"d", d}, nostr.Tag{"refs/heads/main", "0000000000000000000000000000000000000001"}),
	}
	for i := range issues {
		t := at.Add(time.Duration(i) * time.Minute)
		issue := a.sign(event.KindIssue, t, nostr.Tag{"a", a.coordinate(d)}, nostr.Tag{"subject", fmt.Sprint(i)})
		comment := newAuthor(1000+i%7).sign(event.KindComment, t.Add(time.Second), nostr.Tag{"E", issue.ID}, nostr.Tag{"e", issue.ID}, nostr.Tag{"K", "1621"})
		out = append(out, issue, comment)
	}
	return out
}

// One remote relay gives all three layers, historic and live, and the relay ends connected.
func TestRingFillsTheOwnRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := newAuthor(1)
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 60, "ws://one.example.com")
		one := w.remote("one.example.com", relaytest.Options{Events: old, PageCap: 20})
		w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
		w.start()
		defer w.close(one)

		w.within(time.Minute, "history", func() bool { return len(w.missing(old...)) == 0 })
		w.within(time.Minute, "connected", func() bool { return w.phase("ws://one.example.com") == sync.Connected })

		issue := alice.sign(event.KindIssue, time.Now().Add(-48*time.Hour), nostr.Tag{"a", alice.coordinate("tool")})
		one.Publish(issue)
		synctest.Wait()
		require.Empty(t, w.missing(issue), "a live event is there at once, however old it claims to be")
		w.within(10*time.Second, "the new root is subscribed to", func() bool {
			reply := newAuthor(2).sign(event.KindComment, time.Now(), nostr.Tag{"E", issue.ID}, nostr.Tag{"e", issue.ID})
			one.Publish(reply)
			synctest.Wait()
			return len(w.missing(reply)) == 0
		})
	})
}

// The own relay goes away for two minutes: no remote connection is lost, and nothing that came meanwhile.
func TestRingOutlivesAnOutageOfTheOwnRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := newAuthor(1)
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 10, "ws://one.example.com")
		one := w.remote("one.example.com", relaytest.Options{Events: old})
		w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
		w.start()
		defer w.close(one)
		w.within(time.Minute, "connected", func() bool { return w.phase("ws://one.example.com") == sync.Connected })

		w.own.Down(true)
		var meanwhile []nostr.Event
		for i := range 24 {
			e := alice.sign(event.KindIssue, time.Now(), nostr.Tag{"a", alice.coordinate("tool")}, nostr.Tag{"subject", fmt.Sprint("late ", i)})
			one.Publish(e)
			meanwhile = append(meanwhile, e)
			<-time.After(5 * time.Second)
		}
		require.NotEmpty(t, w.missing(meanwhile...))
		w.own.Down(false)
		w.within(time.Minute, "what came meanwhile", func() bool { return len(w.missing(meanwhile...)) == 0 })
		require.Equal(t, 1, one.Connections(), "the remote connection stood all the time")
	})
}

// A remote relay goes away and comes back: what was published meanwhile arrives, whatever its dates say within the overlap.
func TestRingCatchesUpAfterAnAbsence(t *testing.T) {
	for _, absence := range []time.Duration{2 * time.Minute, 40 * time.Minute} {
		t.Run(absence.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				alice := newAuthor(1)
				old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 10, "ws://one.example.com")
				one := w.remote("one.example.com", relaytest.Options{Events: old})
				w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
				w.start()
				defer w.close(one)
				w.within(time.Minute, "connected", func() bool { return w.phase("ws://one.example.com") == sync.Connected })
				<-time.After(time.Minute) // a live mark settles

				one.Down(true)
				<-time.After(absence)
				missed := thread(alice, "other", time.Now().Add(-absence/2), 5, "ws://one.example.com")
				one.Publish(missed...)
				one.Down(false)
				w.within(2*time.Hour, "what was published meanwhile", func() bool { return len(w.missing(missed...)) == 0 })
			})
		})
	}
}

// A restart goes on from the store: what is confirmed is not fetched again from the beginning.
func TestRingRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := newAuthor(1)
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 200, "ws://one.example.com")
		one := w.remote("one.example.com", relaytest.Options{Events: old})
		w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
		w.start()
		w.within(time.Minute, "connected", func() bool { return w.phase("ws://one.example.com") == sync.Connected })
		<-time.After(time.Minute)
		w.stop()

		missed := thread(alice, "other", time.Now(), 5, "ws://one.example.com")
		one.Publish(missed...)
		<-time.After(time.Minute)
		asked := len(one.Requests())
		w.start()
		defer w.close(one)
		w.within(time.Minute, "what was published meanwhile", func() bool { return len(w.missing(missed...)) == 0 })
		for _, r := range one.Requests()[asked:] {
			for _, f := range r.Filters {
				if len(f.Tags["a"]) > 0 && f.Tags["a"][0] == alice.coordinate("tool") && !f.LimitZero {
					require.NotNil(t, f.Since, "confirmed wants are asked since the cursor")
				}
			}
		}
	})
}

func npubOf(t *testing.T, a author) string {
	t.Helper()
	npub, err := nip19.EncodePublicKey(a.public())
	require.NoError(t, err)
	return npub
}

// Whoever mistyped his domain at the first start is served after the second, at the latest by the daily pass.
func TestRingTakesACorrectedScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		old := thread(newAuthor(1), "tool", time.Now().Add(-240*time.Hour), 3, "ws://one.example.com")
		one := w.remote("one.example.com", relaytest.Options{Events: old})
		w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
		w.cfg.OwnRelay.Domains = []string{"gti.example.com"}
		w.start()
		w.within(time.Minute, "connected", func() bool { return w.phase("ws://one.example.com") == sync.Connected })
		w.stop()
		w.cfg.OwnRelay.Domains = []string{testDomain}
		w.start()
		defer w.close(one)
		w.within(26*time.Hour, "everything", func() bool { return len(w.missing(old...)) == 0 })
	})
}

// A stop does not wait for an own relay that is away.
func TestRingStopsWhileItsOwnRelayIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.own.Down(true)
		w.start()
		<-time.After(20 * time.Second)
		start := time.Now()
		w.close()
		require.Less(t, time.Since(start), 11*time.Second)
	})
}
