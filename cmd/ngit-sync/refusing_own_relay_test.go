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
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// explain reads what the ledger has of an event.
func (w *world) explain(e nostr.Event) store.Explanation {
	w.t.Helper()
	id, err := event.ParseID(e.ID)
	require.NoError(w.t, err)
	x, _, err := w.store.Explain(w.t.Context(), id)
	require.NoError(w.t, err)
	return x
}

// policy has the own relay judge events by a function from now on.
func (w *world) policy(judge func(e *nostr.Event) *relaytest.Verdict) {
	w.own.Set(func(o *relaytest.Options) { o.Policy = judge })
}

// threadWorld has one remote relay with a thread of an announcement, a state, five issues and their comments.
func threadWorld(t *testing.T) (*world, *relaytest.Relay, author, []nostr.Event) {
	const u = "ws://one.example.com"
	w := newWorld(t)
	alice := newAuthor(1)
	few := thread(alice, "few", time.Now().Add(-240*time.Hour), 5, u)
	w.cfg.Sync.Bootstrap = []relayurl.URL{u}
	one := w.remote("one.example.com", relaytest.Options{Events: few})
	return w, one, alice, few
}

// What the own relay refuses and takes two days later is on it in the end: the daily pass brings it again when its time has come,
// whether the remote relay reconciles or is paged.
func TestARejectedEventThatIsTakenTwoDaysLater(t *testing.T) {
	for name, dialect := range map[string]relaytest.Negentropy{"reconciled": {Speak: true}, "paged": {}} {
		if raced && name == "paged" {
			continue // days that cost much
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, one, alice, few := threadWorld(t)
				one.Set(func(o *relaytest.Options) { o.Negentropy = dialect })
				unloved := alice.issue("few", time.Now().Add(-time.Hour), "unloved")
				one.Publish(unloved)
				offers := 0
				w.policy(func(e *nostr.Event) *relaytest.Verdict {
					if e.ID != unloved.ID {
						return nil
					}
					offers++
					return &relaytest.Verdict{Reason: "blocked: not today"}
				})
				w.start()
				defer w.close(one)
				w.arrive(time.Minute, few...)
				sleep(20 * time.Hour)
				require.Equal(t, 1, offers)
				x := w.explain(unloved)
				require.Equal(t, relay.Rejected, x.Disposition)
				require.WithinDuration(t, time.Now().Add(4*time.Hour), x.Offer.Due, 10*time.Minute)
				sleep(28 * time.Hour)
				require.Equal(t, 2, offers)
				require.Equal(t, 1, w.explain(unloved).Offer.Count)

				w.policy(nil)
				sleep(5 * 24 * time.Hour)
				require.NotEmpty(t, w.missing(unloved))
				w.stop()
				w.start()
				w.arrive(4*24*time.Hour, unloved)
				sleep(time.Minute)
				require.Equal(t, relay.Stored, w.explain(unloved).Disposition)
			})
		})
	}
}

// By request it is fetched with the next pass.
func TestRejectedEventsAreOfferedOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, one, _, few := threadWorld(t)
		w.policy(func(e *nostr.Event) *relaytest.Verdict {
			if e.ID == few[2].ID {
				return &relaytest.Verdict{Reason: "restricted: too many issues"}
			}
			return nil
		})
		w.start()
		defer w.close(one)
		w.within(time.Minute, "refused", func() bool { return w.explain(few[2]).Disposition == relay.OwnLimit })
		w.policy(nil)
		sleep(3 * 24 * time.Hour)
		require.NotEmpty(t, w.missing(few[2]))
		n, ok := w.ring.publisher.OfferRefused()
		require.True(t, ok)
		require.Equal(t, 1, n)
		w.arrive(26*time.Hour, few[2])
	})
}

// The own relay takes an announcement and a state, and serves each when its git data has come.
func TestPurgatory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, one, _, few := threadWorld(t)
		lacks := map[int]bool{event.KindAnnouncement: true, event.KindState: true}
		offers := map[int]int{}
		w.policy(func(e *nostr.Event) *relaytest.Verdict {
			if offers[e.Kind]++; lacks[e.Kind] {
				return &relaytest.Verdict{OK: true, Reason: "purgatory: won't be served until git data arrives", Hide: true}
			}
			return nil
		})
		w.start()
		defer w.close(one)
		held := func(e nostr.Event) bool { return w.explain(e).Disposition == relay.Held }
		w.within(time.Minute, "held", func() bool { return held(few[0]) })
		require.Equal(t, relay.CauseHeld, w.explain(few[0]).Waiting.Cause)
		sleep(2 * 24 * time.Hour)
		w.stop()
		w.start()
		sleep(2 * 24 * time.Hour)
		require.True(t, held(few[0]))
		require.Equal(t, 6, offers[event.KindAnnouncement], "at once, after 1 h and 4 h, and daily")

		lacks[event.KindAnnouncement] = false
		w.own.Publish(few[0]) // as its own doing
		sleep(10 * time.Second)
		require.Equal(t, relay.Stored, w.explain(few[0]).Disposition)
		require.Nil(t, w.explain(few[0]).Waiting)
		w.arrive(time.Minute, few[2:]...)
		w.within(time.Minute, "held", func() bool { return held(few[1]) })
		sleep(24 * time.Hour)
		require.True(t, held(few[1]))

		lacks[event.KindState] = false // nothing shows us states
		w.arrive(25*time.Hour, few[1])
		sleep(time.Minute)
		require.Equal(t, relay.Stored, w.explain(few[1]).Disposition)
	})
}

// The own relay refuses everything for a day. Nothing is rejected for it, the operator is told, and it all arrives in the end.
func TestTheOwnRelayRefusesEverythingForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, one, alice, few := threadWorld(t)
		w.start()
		defer w.close(one)
		w.arrive(time.Minute, few...)

		sent := 0
		w.policy(func(e *nostr.Event) *relaytest.Verdict {
			sent++
			return &relaytest.Verdict{Reason: "blocked: pubkey " + e.PubKey + " is not on the list"}
		})
		for i := range 96 {
			e := alice.issue("few", time.Now(), fmt.Sprint("late ", i))
			few = append(few, e, newAuthor(50+i).comment(e, time.Now()))
			one.Publish(few[len(few)-2:]...)
			sleep(15 * time.Minute)
		}
		own := w.ring.publisher.Own()
		require.False(t, own.Ready())
		require.Contains(t, own.Halted, "it refuses everything: blocked: pubkey")
		require.InDelta(t, 1, w.gauge("own_relay_halted", ""), 0)
		require.Less(t, sent, 200, "probes")
		for _, e := range few {
			require.NotEqual(t, relay.Rejected, w.explain(e).Disposition)
		}

		w.policy(nil)
		w.arrive(2*time.Hour, few...)
		require.Empty(t, w.ring.publisher.Own().Halted)
		sleep(time.Minute)
		for _, e := range few {
			require.Equal(t, relay.Stored, w.explain(e).Disposition)
		}
	})
}

// A relay floods us with reactions that the own relay does not take. Those are rejected, and the rest goes on.
func TestAFloodThatTheOwnRelayRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, one, alice, few := threadWorld(t)
		var flood []nostr.Event
		for i := range 120 {
			flood = append(flood, newAuthor(100+i).sign(7, time.Now(), nostr.Tag{"e", few[2].ID}, nostr.Tag{"k", "1621"}))
		}
		two := w.remote("two.example.com", relaytest.Options{})
		w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, "ws://two.example.com")
		w.policy(func(e *nostr.Event) *relaytest.Verdict {
			if e.Kind == 7 {
				return &relaytest.Verdict{Reason: "blocked: reactions are not taken"}
			}
			return nil
		})
		w.start()
		defer w.close(one, two)
		w.arrive(time.Minute, few...)
		w.own.Drop() // what the text means is not known any more
		w.connected("ws://one.example.com")
		sleep(time.Minute)
		one.Publish(flood...)
		for i := range 20 {
			e := alice.issue("few", time.Now(), fmt.Sprint("late ", i))
			one.Publish(e)
			w.arrive(2*time.Minute, e)
		}
		w.within(3*time.Hour, "the flood is rejected", func() bool {
			for _, e := range flood {
				if w.explain(e).Disposition != relay.Rejected {
					return false
				}
			}
			return true
		})
		require.True(t, w.ring.publisher.Own().Ready())
	})
}
