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
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { subscriptionsFrom(t, seed) })
		})
	}
}

func subscriptionsFrom(t *testing.T, seed uint64) {
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
}
