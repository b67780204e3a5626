package relay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

const noMore = "error: too many concurrent subscriptions"

// A page that is one subscription too many shows how many are allowed, and is asked within that.
func TestAPageTooManyIsAskedAgainWithinFewer(t *testing.T) {
	for _, reason := range []string{noMore, "rate-limited: too many subscriptions", "blocked: maximum concurrent subscription count reached"} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, events := chunks("a", 40, 2)
				g := newRig(t, relaytest.Options{
					Events: events, MaxSubs: 4, SubsReason: reason, Delay: 100 * time.Millisecond,
					Document: `{"limitation":{"max_limit":100}}`,
				}, func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 })
				g.tell(liveOf("l", kinds(30617)))
				g.ask(1, fs...)
				allDone(t, g.wait(1))
				sameIDs(t, wireIDs(events), g.sink.ids(1))
				time.Sleep(2 * time.Second)
				require.Equal(t, []Evidence{{Reason: reason, Subscriptions: 4}}, lessEvidence(reported[Evidence](g)))
				require.Empty(t, reported[Limited](g))
				require.Empty(t, reported[Closed](g))
				require.Zero(t, g.sink.held)
				high := len(g.relay.Requests())
				g.ask(2, fs...)
				allDone(t, g.wait(2))
				require.Equal(t, high-1-4, len(g.relay.Requests())-high, "four were one too many, and none is now")
			})
		})
	}
}

// A relay that says so of a single one is not asked for ever.
func TestARelayWithoutRoomForOneSubscription(t *testing.T) {
	for _, live := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fs, _ := chunks("a", 4, 2)
			g := newRig(t, relaytest.Options{
				RefuseREQ: func(_ string, fs []nostr.Filter) string {
					if fs[0].LimitZero {
						return ""
					}
					return noMore
				},
			}, func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 })
			if live {
				g.tell(liveOf("l", kinds(30617)))
			}
			g.ask(1, fs...)
			require.Contains(t, g.wait(1).Err, noMore)
			require.LessOrEqual(t, len(g.relay.Requests()), 25)
			require.Zero(t, g.sink.held)
		})
	}
}

// A live subscription too many is closed for what it is, and not for its limit of 0.
func TestALiveSubscriptionTooManyShowsTheNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{MaxSubs: 3, SubsReason: noMore}, nil)
		var open SetLive
		for i := range 5 {
			open.Open = append(open.Open, liveOf(fmt.Sprint("l", i), kinds(30617+i)).Open...)
		}
		g.tell(open)
		time.Sleep(2 * time.Second)
		require.Equal(t, 3, reported[Evidence](g)[0].Subscriptions)
		require.Len(t, g.relay.OpenSubs(), 2, "one stays for history")
		require.Len(t, reported[Closed](g), 3)
		require.Len(t, g.relay.Requests(), 5)
	})
}

// However it is driven, no more subscriptions are open than are allowed, every batch has an end, and no credit is lost.
func TestNoMoreSubscriptionsThanAllowed(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { subscriptionsFrom(t, seed) })
	}
}

func subscriptionsFrom(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 2))
		one := func(n int) bool { return r.IntN(n) == 0 }
		fs, events := chunks("a", 20, 5)
		most := 2 + r.IntN(6)
		refused := 0
		o := relaytest.Options{
			Events: events, PageCap: 2 + r.IntN(20), Delay: time.Duration(r.IntN(3)) * 40 * time.Millisecond, KeepReplaced: one(2),
			DoubleEOSE: one(3), Document: fmt.Sprintf(`{"limitation":{"max_subscriptions":%d}}`, most),
			RefuseREQ: func(string, []nostr.Filter) string {
				if refused++; refused%3 == 0 && seed%3 == 0 {
					return []string{badReq, "error: x", wantsAuthor, "rate-limited: x"}[refused/3%4]
				}
				return ""
			},
		}
		g := newRig(t, o, func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 + r.IntN(4) })
		asked := BatchID(0)
		for range 60 {
			switch r.IntN(7) {
			case 0, 1:
				asked++
				n := 1 + r.IntN(len(fs))
				g.tell(AskBatch{Batch{ID: asked, Filters: slices.Clone(fs[:n]), Background: one(3)}})
			case 2:
				g.tell(CancelBatch{1 + BatchID(r.IntN(int(asked)+1))})
			case 3:
				g.tell(SetLive{Close: []string{fmt.Sprint("l", r.IntN(9))}})
			case 4, 5:
				g.tell(liveOf(fmt.Sprint("l", r.IntN(9)), kinds(30000+r.IntN(100))))
			case 6:
				g.tell(SetLimits{Limits{Subscriptions: 2 + r.IntN(most-1), FiltersPerREQ: 1 + r.IntN(8), StateKinds: one(4)}})
			}
			time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
		}
		for id := BatchID(1); id <= asked; id++ {
			g.wait(id)
		}
		require.LessOrEqual(t, g.relay.HighWater(), most)
		require.Zero(t, g.sink.held)
		require.Empty(t, reported[Offended](g))
		for _, id := range g.relay.OpenSubs() {
			require.Equal(t, byte('l'), id[0], "no page stays open")
		}
	})
}

// What was learned of subscriptions is told before a connection ends: the next one would do the same again.
func TestTooManyIsToldBeforeTheConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		for i := range 5 {
			g.tell(liveOf(fmt.Sprint("l", i), kinds(30617+i)))
		}
		g.relay.Broadcast(`["NOTICE","ERROR: too many concurrent REQs"]`)
		synctest.Wait()
		g.relay.Drop()
		synctest.Wait()
		require.Len(t, reported[Down](g), 1)
		require.Equal(t, 4, reported[Evidence](g)[0].Subscriptions)
	})
}

// A flood, however steady, does not keep a page waiting for ever.
func TestDeadlinesHoldUnderAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, func(o *ConnOptions) { o.LivePerSecond = 1 })
		g.tell(liveOf("l", kinds(1621)))
		g.relay.Set(func(o *relaytest.Options) { o.NoEOSE = true })
		g.ask(1, kinds(7))
		for i := range 2000 {
			g.relay.Publish(relaytest.Event(1, 1621, int64(i), "flood"))
			if i < 20 {
				continue
			}
			if time.Sleep(900 * time.Millisecond); g.sink.final(1) != nil {
				break
			}
		}
		require.NotNil(t, g.sink.final(1))
		require.Equal(t, "no end in 10m0s", g.sink.final(1).Err)
	})
}

// Events behind an early EOSE come at the pace of live ones.
func TestLateEventsAreHeldToThePaceOfLiveOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(200, 1621, 1000)
		g := newRig(t, relaytest.Options{Events: notes}, func(o *ConnOptions) { o.LivePerSecond = 10 })
		g.prove()
		g.relay.Set(func(o *relaytest.Options) { o.EarlyEOSE = true })
		start := time.Now()
		g.ask(1, kinds(1621))
		for len(g.sink.ids(0))+len(g.sink.ids(1)) < len(notes) && time.Since(start) < time.Hour {
			time.Sleep(100 * time.Millisecond)
		}
		require.Greater(t, time.Since(start), 8*time.Second)
		require.Less(t, time.Since(start), 20*time.Second)
	})
}
