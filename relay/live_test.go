package relay

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestUpStatesLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{
			Document: `{"name":"Some relay","limitation":{"max_subscriptions":20,"max_limit":300}}`,
		}, nil)
		ups := reported[Up](g)
		require.Len(t, ups, 1)
		want := AssumedLimits()
		want.Subscriptions, want.PageLimit = 20, 300
		require.Equal(t, Up{ID: 7, At: ups[0].At, Limits: want, Name: "Some relay"}, ups[0])
	})
}

func TestUpWithoutDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := newRig(t, relaytest.Options{DocumentSilent: true}, nil)
		require.Empty(t, g.said())
		time.Sleep(6 * time.Second)
		ups := reported[Up](g)
		require.Len(t, ups, 1)
		require.Equal(t, AssumedLimits(), ups[0].Limits)
		require.Equal(t, 5*time.Second, ups[0].At.Sub(start))
	})
}

func TestFailedDialIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{HandshakeStatus: 503, DocumentSilent: true}, nil)
		said := g.said()
		require.Len(t, said, 1)
		require.Equal(t, health.CauseHTTP, said[0].(Down).Failure.Cause)
		require.Error(t, <-g.ended)
	})
}

func TestLiveEventsAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := relaytest.Event(1, 1, 100, "old")
		g := newRig(t, relaytest.Options{Events: []nostr.Event{old}}, nil)
		g.tell(liveOf("l0", kinds(1)), liveOf("l1", kinds(7)))
		a, b := relaytest.Event(1, 1, 200, "a"), relaytest.Event(1, 7, 50, "b")
		g.relay.Publish(a, relaytest.Event(1, 9, 300, "of no interest"), b)
		synctest.Wait()
		sameIDs(t, []string{a.ID, b.ID}, g.sink.ids(0))
		for _, d := range g.sink.delivered {
			require.Equal(t, Live, d.Mode)
			require.Equal(t, testURL, d.Source)
			require.Equal(t, ConnID(7), d.Conn)
			require.Equal(t, time.Now(), d.At.In(time.Now().Location()))
		}
		require.Empty(t, g.relay.Closes())
	})
}

func TestLiveSetChangesByDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.tell(liveOf("l0", kinds(1)), liveOf("l1", kinds(2)))
		g.tell(SetLive{Open: liveOf("l0", kinds(1), kinds(3)).Open, Close: []string{"l1", "l9"}})
		require.Equal(t, []string{"l0"}, g.relay.OpenSubs())
		require.Equal(t, []string{"l1"}, g.relay.Closes())
		require.Len(t, g.relay.Requests(), 3)

		g.relay.Publish(relaytest.Event(1, 3, 1, "new filter"))
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 1)
		require.Empty(t, reported[Closed](g))
	})
}

func TestLiveMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := newRig(t, relaytest.Options{}, nil)
		time.Sleep(45 * time.Second)
		require.Empty(t, g.sink.marks, "nothing is wanted yet")

		g.tell(liveOf("l0", kinds(1)))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		marks := g.sink.marksOf(0)
		require.Len(t, marks, 5)
		for i, m := range marks { // the first does not wait
			at := time.Duration(45+30*i) * time.Second
			require.Equal(t, at, g.sink.at[i].Sub(start))
			// The pong of a ping at this very moment may come before or behind the mark.
			require.LessOrEqual(t, at-m.Stamp.Sub(start), 30*time.Second)
			require.Zero(t, m.Batch)
		}

		time.Sleep(5 * time.Second)
		g.relay.Publish(relaytest.Event(1, 1, 1, "x"))
		time.Sleep(5 * time.Second)
		cut := time.Since(start)
		g.relay.Drop()
		synctest.Wait()
		marks = g.sink.marksOf(0)
		require.Len(t, marks, 6)
		require.Equal(t, cut-5*time.Second, marks[5].Stamp.Sub(start), "of the last frame, not of the end")
		require.True(t, g.sink.gone)
		said := g.said()
		require.Equal(t, health.CauseLost, said[len(said)-1].(Down).Failure.Cause)
	})
}

func TestNoLiveMarkWhileASubscriptionIsNotOpen(t *testing.T) {
	tests := []struct {
		name   string
		script relaytest.Options
		act    func(*rig)
		first  int // marks before it
	}{
		{name: "no EOSE", script: relaytest.Options{NoEOSE: true}},
		{
			name: "refused",
			script: relaytest.Options{RefuseREQ: func(sub string, _ []nostr.Filter) string {
				return map[string]string{"l1": "error: no"}[sub]
			}},
		},
		{name: "closed later", first: 1, act: func(g *rig) { g.relay.Broadcast(`["CLOSED","l1","error: shutting down"]`) }},
		{name: "replaced and not answered", first: 1, act: func(g *rig) {
			g.relay.Set(func(o *relaytest.Options) { o.NoEOSE = true })
			g.tell(liveOf("l0", kinds(3)))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, tt.script, nil)
				g.tell(liveOf("l0", kinds(1)), liveOf("l1", kinds(2)))
				if tt.act != nil {
					tt.act(g)
				}
				time.Sleep(5 * time.Minute)
				g.relay.Drop()
				synctest.Wait()
				require.Len(t, g.sink.marks, tt.first)
			})
		})
	}
}

func TestHangupMarksAndReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{NoPong: false}, nil)
		g.tell(liveOf("l0", kinds(1)))
		g.relay.Set(func(o *relaytest.Options) { o.NoEOSE = true })
		g.ask(1, kinds(1))
		g.ask(2, kinds(2))
		time.Sleep(time.Second)
		g.hangup()
		synctest.Wait()
		require.Error(t, <-g.ended)
		require.Len(t, g.sink.marksOf(0), 2, "of the start and of the end")
		require.True(t, g.sink.final(1).Filters[0].Failed)
		require.True(t, g.sink.final(2).Filters[0].Failed)
		require.True(t, g.sink.gone)
		said := g.said()
		require.IsType(t, Down{}, said[len(said)-1])
		require.Equal(t, health.CauseLocal, said[len(said)-1].(Down).Failure.Cause)
	})
}

func TestClosedLiveSubscriptionIsReportedAndOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.tell(liveOf("l0", kinds(1)))
		g.relay.Broadcast(`["CLOSED","l0","error: shutting down idle subscription"]`)
		g.relay.Broadcast(`["CLOSED","l0"]`)
		g.relay.Broadcast(`["CLOSED","unknown","x"]`)
		synctest.Wait()
		closed := reported[Closed](g)
		require.Len(t, closed, 1)
		require.Equal(t, "l0", closed[0].Sub)
		require.Equal(t, "error: shutting down idle subscription", closed[0].Reason)

		g.tell(liveOf("l0", kinds(1)))
		require.Len(t, g.relay.Requests(), 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NotEmpty(t, g.sink.marksOf(0))
	})
}

func TestOffFilterLiveEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		event := func(sub string, kind int) {
			b, err := relaytest.Event(1, kind, 100, fmt.Sprint(sub, kind, time.Now())).MarshalJSON()
			require.NoError(t, err)
			g.relay.Broadcast(`["EVENT","` + sub + `",` + string(b) + `]`)
			synctest.Wait()
		}
		offences := func() int { return len(reported[Offended](g)) }
		g.tell(liveOf("l0", kinds(1)))
		event("l0", 1)
		require.Len(t, g.sink.ids(0), 1)

		g.tell(liveOf("l0", kinds(2)))
		event("l0", 1)
		require.Len(t, g.sink.ids(0), 2, "of the REQ before")
		g.tell(liveOf("l0", kinds(3)))
		event("l0", 2)
		require.Len(t, g.sink.ids(0), 3)
		require.Zero(t, offences())
		event("l0", 1)
		require.Len(t, g.sink.ids(0), 3, "of the EOSE before last")
		require.Zero(t, offences(), "asked for once, and served for ever by some")

		event("l0", 8)
		require.Equal(t, 1, offences())
		time.Sleep(2 * time.Second)
		event("l0", 9)
		require.Equal(t, 2, offences())
		event("l0", 9)
		require.Equal(t, 2, offences(), "one report a second")

		time.Sleep(2 * time.Second)
		g.tell(SetLive{Close: []string{"l0"}})
		event("l0", 3)
		require.Equal(t, 2, offences(), "still on its way")
		require.Len(t, g.sink.ids(0), 4)
		time.Sleep(31 * time.Second)
		event("l0", 3)
		require.Equal(t, 3, offences())
		time.Sleep(2 * time.Second)
		event("never", 3)
		require.Equal(t, 4, offences())
		require.Len(t, g.sink.ids(0), 4)
	})
}

func TestSubscriptionsStayWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var notes []nostr.Event
		for kind := 101; kind <= 112; kind++ {
			notes = append(notes, relaytest.Notes(30, kind, 5000)...)
		}
		g := newRig(t, relaytest.Options{
			Events: notes, PageCap: 10, MaxSubs: 6, Delay: 100 * time.Millisecond,
			Document: `{"limitation":{"max_subscriptions":6,"max_filters":1}}`,
		}, nil)
		var fs []nostr.Filter
		for kind := 101; kind <= 112; kind++ {
			fs = append(fs, kinds(kind))
		}
		g.tell(liveOf("l0", kinds(101)))
		g.ask(1, fs[:6]...)
		time.Sleep(250 * time.Millisecond)
		// History uses what is free; live ones take their turn as pages end.
		g.tell(liveOf("l1", kinds(102)), liveOf("l2", kinds(103)), liveOf("l3", kinds(104)))
		g.ask(2, fs[6:]...)
		require.Empty(t, g.wait(1).Err)
		require.Empty(t, g.wait(2).Err)
		require.Equal(t, 6, g.relay.HighWater())
		require.Equal(t, []string{"l0", "l1", "l2", "l3"}, g.relay.OpenSubs())
		require.Empty(t, reported[Closed](g))
		require.Empty(t, reported[Evidence](g))
		require.Len(t, g.sink.ids(1), 180)
		require.Len(t, g.sink.ids(2), 180)
	})
}

func TestOneSubscriptionStaysForHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(5, 1, 100)
		g := newRig(t, relaytest.Options{Events: notes, MaxSubs: 3, Document: `{"limitation":{"max_subscriptions":3}}`}, nil)
		g.tell(liveOf("l0", kinds(1)), liveOf("l1", kinds(2)), liveOf("l2", kinds(3)))
		closed := reported[Closed](g)
		require.Len(t, closed, 1)
		require.Equal(t, "l2", closed[0].Sub)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		require.LessOrEqual(t, g.relay.HighWater(), 3)
	})
}

func TestTooManySubscriptionsIsEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// strfry: stored events and EOSE, then a NOTICE without an id, and no live events.
		g := newRig(t, relaytest.Options{
			MaxSubs: 3, SubsNotice: true, Document: `{"limitation":{"max_subscriptions":20}}`,
			Events: relaytest.Notes(20, 1, 100), PageCap: 5,
		}, nil)
		for i := range 6 {
			g.tell(liveOf(fmt.Sprintf("l%d", i), kinds(i)))
		}
		time.Sleep(2 * time.Second)
		limited := reported[Evidence](g)
		require.NotEmpty(t, limited)
		require.Equal(t, 3, limited[len(limited)-1].Subscriptions)
		var closed []string
		for _, c := range reported[Closed](g) {
			closed = append(closed, c.Sub)
		}
		require.ElementsMatch(t, []string{"l2", "l3", "l4", "l5"}, closed)
		require.Equal(t, []string{"l0", "l1"}, g.relay.OpenSubs())

		g.ask(1, kinds(1), kinds(2))
		require.Empty(t, g.wait(1).Err)
		require.Len(t, g.sink.ids(1), 20)
		g.tell(SetLive{Close: []string{"l2", "l3", "l4", "l5"}})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NotEmpty(t, g.sink.marksOf(0), "what is open is marked again")
	})
}

func TestGarbageFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(20, 1, 100)
		g := newRig(t, relaytest.Options{
			Events: notes, PageCap: 3,
			Garbage: append([]string{`["PING"]`, `["NEG-ERROR","n","bad "quote""]`, `["COUNT","x",{"count":1}]`, `["OK","x",true]`}, brokenFrames[:12]...),
		}, nil)
		g.tell(liveOf("l0", kinds(1)))
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		sameIDs(t, wireIDs(notes), g.sink.ids(1))
		require.NotEmpty(t, reported[Offended](g))
		require.Empty(t, reported[Down](g))

		for range maxBroken {
			g.relay.Broadcast(`{}`)
		}
		synctest.Wait()
		downs := reported[Down](g)
		require.Len(t, downs, 1)
		require.Equal(t, health.CauseProtocol, downs[0].Failure.Cause)
	})
}

func TestHalfOpenConnectionIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := newRig(t, relaytest.Options{}, nil)
		g.tell(liveOf("l0", kinds(1)))
		g.ask(1, kinds(1))
		time.Sleep(10 * time.Second)
		g.relay.Set(func(o *relaytest.Options) { o.Silent = true })
		time.Sleep(time.Minute)
		downs := reported[Down](g)
		require.Len(t, downs, 1)
		require.Equal(t, health.CauseTimeout, downs[0].Failure.Cause)
		require.Equal(t, 40*time.Second, downs[0].At.Sub(start))
		marks := g.sink.marksOf(0)
		require.Len(t, marks, 3)
		for _, m := range marks {
			require.Equal(t, time.Duration(0), m.Stamp.Sub(start), "the last frame came at the start")
		}
	})
}

func TestLiveEventsKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.tell(liveOf("l0", kinds(1)))
		for i := range 500 {
			g.relay.Publish(relaytest.Event(1, 1, int64(1000+i), "x"))
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 500)
		seen := g.sink.delivered
		for i := 1; i < len(seen); i++ {
			require.False(t, seen[i].At.Before(seen[i-1].At))
			require.Greater(t, seen[i].Event.CreatedAt, seen[i-1].Event.CreatedAt, "in the order of the wire")
		}
	})
}

func TestALiveSubscriptionWithoutEOSEIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := newRig(t, relaytest.Options{NoEOSE: true}, nil)
		g.tell(liveOf("l0", kinds(1)))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		closed := reported[Closed](g)
		require.Len(t, closed, 1)
		require.Equal(t, "no EOSE in 30s", closed[0].Reason)
		require.Equal(t, 30*time.Second, closed[0].At.Sub(start))
		require.Equal(t, []string{"l0"}, g.relay.Closes())
	})
}

func TestRelaysThatTakeNoLimitOfZero(t *testing.T) {
	tests := []struct {
		name   string
		script relaytest.Options
		limits []int // of the REQs, in order
	}{
		{
			"refused", relaytest.Options{RefuseREQ: func(_ string, fs []nostr.Filter) string {
				if fs[0].LimitZero {
					return "error: limit must be positive"
				}
				return ""
			}}, []int{0, 1, 1},
		},
		{"taken for none", relaytest.Options{ZeroIsNone: true, Events: relaytest.Notes(10, 1, 1000)}, []int{0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, tt.script, nil)
				g.tell(liveOf("l0", kinds(1)))
				g.tell(liveOf("l1", kinds(2)))
				var limits []int
				for _, r := range g.relay.Requests() {
					limits = append(limits, r.Filters[0].Limit)
				}
				require.Equal(t, tt.limits, limits)
				require.Equal(t, []string{"l0", "l1"}, g.relay.OpenSubs())
				require.Empty(t, reported[Closed](g))
				require.Empty(t, reported[Offended](g))
			})
		})
	}
}

func TestCreditThatComesLateFindsNoFreeSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{
			Events: relaytest.Notes(5, 1, 1000), MaxSubs: 3, Document: `{"limitation":{"max_subscriptions":3,"max_filters":1}}`,
		}, nil)
		g.relay.Set(func(o *relaytest.Options) { o.NoEOSE = true })
		g.sink.places = 1000
		g.ask(1, kinds(1), kinds(2)) // one page on the wire, the other waits for credit
		require.Len(t, g.relay.OpenSubs(), 1)
		g.relay.Set(func(o *relaytest.Options) { o.NoEOSE = false })
		g.tell(liveOf("l0", kinds(1)), liveOf("l1", kinds(2))) // takes what is free
		require.Len(t, g.relay.OpenSubs(), 3)
		g.sink.mu.Lock()
		g.sink.places = 0
		g.sink.try()
		g.sink.mu.Unlock()
		end := g.wait(1)
		allDone(t, end)
		require.LessOrEqual(t, g.relay.HighWater(), 3)
		require.Zero(t, g.sink.held)
	})
}
