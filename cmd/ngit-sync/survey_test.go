package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// An empty database beside an own relay that holds most of a repo: it is sent what it lacks, and nothing else.
func TestRingPublishesOnlyWhatItsOwnRelayLacks(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			alice := newAuthor(1)
			all := thread(alice, "tool", time.Now().Add(-240*time.Hour), 260, "ws://one.example.com")
			held, lacking := all[:502:502], all[502:]
			loose := alice.sign(event.KindComment, time.Now().Add(-time.Hour), nostr.Tag{"E", held[2].ID}, nostr.Tag{"e", held[3].ID})
			held = append(held, loose)
			slip(w.own, held...)
			w.own.Set(func(o *relaytest.Options) { o.PageCap, o.Negentropy.Speak = 100, speaks })
			one := w.remote("one.example.com", relaytest.Options{Events: all, PageCap: 50})
			w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
			w.start()
			defer w.close(one)

			w.connected("ws://one.example.com")
			w.arrive(time.Minute, all...)
			var want, got []string
			for _, e := range lacking {
				want = append(want, e.ID)
			}
			for _, e := range w.own.Received() {
				got = append(got, e.ID)
			}
			require.ElementsMatch(t, want, got)

			known := map[event.ID]relay.Disposition{}
			require.NoError(t, w.store.Flush(t.Context()))
			require.NoError(t, w.store.LoadKnown(t.Context(), func(id event.ID, d relay.Disposition) { known[id] = d }))
			for _, e := range append(held, all...) {
				id, err := event.ParseID(e.ID)
				require.NoError(t, err)
				require.Equal(t, relay.Stored, known[id], "kind %d", e.Kind)
			}
			require.Equal(t, len(lacking), w.ring.publisher.Own().Stored)
			require.Less(t, w.own.Sent(), 3*len(held), "roots for the picture and for the survey, replies by e and by E")
		})
	}
}

// The own relay goes away in the middle of the survey, and the daemon is started again: everything arrives all the same.
func TestRingSurveysAgainAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := thread(newAuthor(1), "tool", time.Now().Add(-240*time.Hour), 60, "ws://one.example.com")
		slip(w.own, all[:100]...)
		w.own.Set(func(o *relaytest.Options) { o.PageCap, o.Delay = 20, 2*time.Second })
		one := w.remote("one.example.com", relaytest.Options{Events: all})
		w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
		w.start()
		w.within(5*time.Minute, "the survey is on its way", func() bool {
			for _, r := range w.own.Requests() {
				for _, f := range r.Filters {
					if len(f.Tags["A"]) > 0 {
						return true
					}
				}
			}
			return false
		})
		w.own.Down(true)
		sleep(10 * time.Minute)
		require.Empty(t, w.own.Received())
		w.stop()
		w.own.Down(false)
		w.start()
		defer w.close(one)
		w.connected("ws://one.example.com")
		require.Empty(t, w.missing(all...))
		require.Len(t, w.own.Received(), len(all)-100)
	})
}

// An own relay that shows nothing by coordinate is filled all the same: a survey only saves work.
func TestRingFillsAnOwnRelayThatCannotBeSurveyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		all := thread(newAuthor(1), "tool", time.Now().Add(-240*time.Hour), 20, "ws://one.example.com")
		slip(w.own, all[:30]...)
		w.own.Set(func(o *relaytest.Options) {
			o.RefuseREQ = func(_ string, filters []nostr.Filter) string {
				for _, f := range filters {
					if len(f.Tags) > 0 && len(f.Tags["k"]) == 0 {
						return "error: no"
					}
				}
				return ""
			}
		})
		one := w.remote("one.example.com", relaytest.Options{Events: all})
		w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
		w.start()
		defer w.close(one)
		w.connected("ws://one.example.com")
		require.Empty(t, w.missing(all...))
	})
}

// A repo that gains a maintainer is surveyed again. An own relay that speaks NIP-77 shows only what the ledger does not have.
func TestRingIsNotShownAgainWhatItsLedgerHas(t *testing.T) {
	for _, speaks := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			alice, bob := newAuthor(1), newAuthor(2)
			at := time.Now().Add(-240 * time.Hour)
			all := thread(alice, "tool", at, 200, "ws://one.example.com")
			slip(w.own, all[:350]...)
			w.own.Set(func(o *relaytest.Options) { o.Negentropy.Speak = speaks })
			one := w.remote("one.example.com", relaytest.Options{Events: all})
			w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
			w.start()
			defer w.close(one)
			w.connected("ws://one.example.com")
			w.arrive(time.Minute, all...)
			sleep(time.Minute)

			issue := bob.sign(event.KindIssue, at, nostr.Tag{"a", bob.coordinate("tool")})
			comment := alice.comment(issue, at.Add(time.Hour))
			slip(w.own, issue, comment)
			sent, received := w.own.Sent(), len(w.own.Received())
			wider := alice.announce("tool", at.Add(time.Hour), "ws://one.example.com")
			wider.Tags = append(wider.Tags, nostr.Tag{"maintainers", bob.public()})
			require.NoError(t, wider.Sign(alice.secret))
			w.own.Publish(bob.announce("tool", at, "ws://one.example.com"), wider)
			sleep(time.Minute)

			require.NoError(t, w.store.Flush(t.Context()))
			for _, e := range []nostr.Event{issue, comment} {
				id, err := event.ParseID(e.ID)
				require.NoError(t, err)
				x, found, err := w.store.Explain(t.Context(), id)
				require.NoError(t, err)
				require.True(t, found, "kind %d", e.Kind)
				require.Equal(t, relay.Stored, x.Disposition)
			}
			require.Equal(t, 201, w.ring.snapshot.Load().Roots, "a root is told to the engine")
			require.Len(t, w.own.Received(), received)
			if shown := w.own.Sent() - sent; speaks {
				require.LessOrEqual(t, shown, 20)
				require.NotEmpty(t, w.own.Reconciliations())
			} else {
				require.Greater(t, shown, len(all))
			}
		})
	}
}
