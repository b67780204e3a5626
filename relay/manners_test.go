package relay

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// askBackground asks a batch whose filters make so many REQs.
func (g *rig) askBackground(id BatchID, reqs int) {
	b := Batch{ID: id, Background: true}
	for i := range reqs {
		b.Filters = append(b.Filters, kinds(1000+i))
	}
	g.tell(AskBatch{b})
}

func onePerREQ(perMinute int) func(*ConnOptions) {
	return func(o *ConnOptions) { o.REQsPerMinute, o.Limits.FiltersPerREQ = perMinute, 1 }
}

func TestBackgroundWorkTakesATenthOfThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, onePerREQ(600))
		g.prove()
		start, before := time.Now(), len(g.relay.Requests())
		g.askBackground(1, 70)
		require.Len(t, g.relay.Requests(), before+backgroundBurst, "the first ones at once")
		time.Sleep(10500 * time.Millisecond)
		require.InDelta(t, before+backgroundBurst+10, len(g.relay.Requests()), 1)

		// Another batch has all of the rest.
		asked := len(g.relay.Requests())
		var fs []nostr.Filter
		for i := range 50 {
			fs = append(fs, kinds(2000+i))
		}
		g.ask(2, fs...)
		require.NotNil(t, g.sink.final(2), "it is not held up")
		require.InDelta(t, asked+50, len(g.relay.Requests()), 1)
		allDone(t, g.wait(1))
		require.InDelta(t, 60, time.Since(start).Seconds(), 2)
	})
}

func TestBackgroundPaceFollowsRateSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, onePerREQ(600))
		g.askBackground(1, 200)
		g.relay.Broadcast(`["NOTICE","slow down"]`)
		synctest.Wait()
		require.Equal(t, 300, reported[Limited](g)[0].REQsPerMinute)
		before := len(g.relay.Requests())
		time.Sleep(66 * time.Second) // the pause, in which no more than a burst gathers
		g.relay.Broadcast(`["NOTICE","slow down"]`)
		synctest.Wait()
		require.LessOrEqual(t, len(g.relay.Requests())-before, backgroundBurst)
	})
}

func TestBackgroundPagesLeaveASubscriptionFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{NoEOSE: true, Document: `{"limitation":{"max_subscriptions":4,"max_filters":1}}`}, nil)
		g.askBackground(1, 8)
		require.Len(t, g.relay.OpenSubs(), 3)
		g.relay.Set(func(o *relaytest.Options) { o.NoEOSE = false })
		g.ask(2, kinds(1))
		require.Len(t, g.relay.OpenSubs(), 4)

		// Where there is one only, it is used.
		g = newRig(t, relaytest.Options{Document: `{"limitation":{"max_subscriptions":1,"max_filters":1}}`}, nil)
		g.askBackground(1, 3)
		allDone(t, g.wait(1))
	})
}

func TestPaceBeginsWhereItWasLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, func(o *ConnOptions) {
			onePerREQ(1200)(o)
			o.Learned.REQsPerMinute = Cap{N: 12, Until: time.Now().Add(time.Hour)}
		})
		require.Zero(t, reported[Up](g)[0].Limits.REQsPerMinute, "what was learned is not what is stated")
		g.prove()
		before := len(g.relay.Requests())
		var fs []nostr.Filter
		for i := range 24 {
			fs = append(fs, kinds(2000+i))
		}
		start := time.Now()
		g.ask(1, fs...)
		require.Len(t, g.relay.Requests(), 12)
		require.Equal(t, 2, before)
		g.wait(1)
		require.InDelta(t, 70, time.Since(start).Seconds(), 5)
	})
}

// The pace recovers while nothing is asked, and the next signal halves what it has come to.
func TestHalvingCountsFromThePaceOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, onePerREQ(1200))
		paces := func() (out []int) {
			for _, l := range reported[Limited](g) {
				out = append(out, l.REQsPerMinute)
			}
			return out
		}
		for range 3 {
			g.relay.Broadcast(`["NOTICE","slow down"]`)
			time.Sleep(6 * time.Second)
		}
		require.Equal(t, 600, paces()[0])
		require.InDelta(t, 303, paces()[1], 1)
		time.Sleep(3 * time.Hour)
		g.relay.Broadcast(`["NOTICE","slow down"]`)
		synctest.Wait()
		require.Equal(t, 600, paces()[3])
	})
}

// The own relay is the operator's: it is asked as fast as it answers, until it says that it is too much.
func TestUnpacedRelayIsPacedFromItsFirstSignalOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, func(o *ConnOptions) {
			onePerREQ(60)(o)
			o.Unpaced = true
		})
		var fs []nostr.Filter
		for i := range 300 {
			fs = append(fs, kinds(2000+i))
		}
		g.prove()
		began := time.Now()
		g.ask(1, fs...)
		require.Empty(t, g.wait(1).Err)
		require.Zero(t, time.Since(began))
		g.relay.Broadcast(`["NOTICE","slow down"]`)
		synctest.Wait()
		g.ask(2, fs...)
		require.Empty(t, g.wait(2).Err)
		require.Greater(t, time.Since(began), 5*time.Minute)
	})
}

func TestBackgroundBucket(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := newBucket(600, 0, now)
	for range backgroundBurst {
		_, ok := b.backgroundReady(now)
		require.True(t, ok)
		b.take(true)
	}
	at, ok := b.backgroundReady(now)
	require.False(t, ok)
	require.InDelta(t, time.Second, at.Sub(now), float64(5*time.Millisecond))
	_, ok = b.ready(now)
	require.True(t, ok, "the rest is for others")
	b.halve(now)
	at, ok = b.backgroundReady(now)
	require.False(t, ok)
	require.InDelta(t, 2*time.Second, at.Sub(now), float64(5*time.Millisecond))
}

func TestSetLimitsHoldsForWhatIsAskedFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, func(o *ConnOptions) {
			until := time.Now().Add(time.Hour)
			o.Learned.Subscriptions, o.Learned.FiltersPerREQ = Cap{3, until}, Cap{1, until}
		})
		g.tell(liveOf("l0", kinds(1)), liveOf("l1", kinds(2)), liveOf("l2", kinds(3)))
		require.Len(t, reported[Closed](g), 1)
		g.sink.places = 1 // the batch has no credit yet
		var fs []nostr.Filter
		for i := range 40 {
			fs = append(fs, kinds(2000+i))
		}
		g.ask(1, fs...)
		require.Len(t, g.relay.Requests(), 2)

		l := AssumedLimits()
		l.PageLimit = 40
		g.tell(SetLimits{l}, liveOf("l2", kinds(3)))
		require.Equal(t, []string{"l0", "l1", "l2"}, g.relay.OpenSubs())
		g.ask(2, fs...)
		g.sink.mu.Lock()
		g.sink.places = 0
		g.sink.try()
		g.sink.mu.Unlock()
		allDone(t, g.wait(1))
		allDone(t, g.wait(2))
		perREQ, limit := map[int]int{}, map[int]int{}
		for _, r := range g.relay.Requests() {
			if r.Sub[0] == 'h' {
				perREQ[len(r.Filters)]++
				limit[r.Filters[0].Limit]++
			}
		}
		require.Equal(t, 4, perREQ[10])
		require.LessOrEqual(t, limit[500], 1, "but for the page that waited for credit")

		// What has become less is closed.
		l.Subscriptions = 2
		g.tell(SetLimits{l})
		require.Equal(t, []string{"l0"}, g.relay.OpenSubs())
		require.Len(t, reported[Closed](g), 3)
		g.tell(SetLimits{})
		g.ask(3, kinds(1))
		allDone(t, g.wait(3))
	})
}

func TestWantedBatchesSaySoWithEveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(3, 1, 100)
		for _, early := range []bool{false, true} {
			g := newRig(t, relaytest.Options{Events: notes, EarlyEOSE: early}, nil)
			g.tell(AskBatch{Batch{ID: 1, Filters: historicKinds(1), Wanted: true}})
			g.wait(1)
			require.Len(t, g.sink.delivered, 3)
			for _, d := range g.sink.delivered {
				require.True(t, d.Wanted)
			}
			n := len(g.sink.delivered)
			g.ask(2, kinds(1))
			g.wait(2)
			for _, d := range g.sink.delivered[n:] {
				require.False(t, d.Wanted)
			}
		}
	})
}

// A comment tags its root by e and by E.
func TestEventsThatMatchTwoFiltersAreNotSentThreeTimes(t *testing.T) {
	for _, roots := range []int{100, 1000} {
		t.Run(fmt.Sprint(roots, " roots"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ids := numbered("root", roots)
				var fs []nostr.Filter
				for len(ids) > 0 {
					chunk := ids[:100]
					ids = ids[100:]
					fs = append(fs, tagged("e", chunk...), tagged("E", chunk...), tagged("q", chunk...))
				}
				var events []nostr.Event
				for i := range 1500 {
					root := fmt.Sprintf("root%03d", i*7%roots)
					events = append(events, relaytest.Event(1, 1111, int64(100_000-i), fmt.Sprint(i), nostr.Tag{"E", root}, nostr.Tag{"e", root}))
				}
				g := newRig(t, relaytest.Options{Events: events}, nil)
				g.ask(1, fs...)
				allDone(t, g.wait(1))
				sameIDs(t, wireIDs(events), g.sink.ids(1))
				require.Less(t, float64(g.relay.Sent())/float64(len(events)), 2.3)
			})
		})
	}
}
