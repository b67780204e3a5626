package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
	"github.com/ngit-sync/ngit-sync/sync"
)

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

// Whoever mistyped his domain at the first start is served after the second.
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
		w.arrive(5*time.Minute, old...)
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
