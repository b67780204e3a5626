package relay

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

const roundTrip = 100 * time.Millisecond

// distant is a relay so far away whose pages hold so many events.
func distant(away time.Duration, page int, events []nostr.Event) relaytest.Options {
	return relaytest.Options{Events: events, PageCap: page, Delay: away, Concurrent: true}
}

// TestAHistoryFarAwayIsAskedInStretches: two thousand events make 105 pages, each of which repeats one event.
func TestAHistoryFarAwayIsAskedInStretches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(2000, 1, 5000)
		g := newRig(t, distant(roundTrip, 20, events), nil)
		start := time.Now()
		g.ask(1, kinds(1))
		allDone(t, g.wait(1))
		require.Less(t, time.Since(start), 30*roundTrip)
		require.Less(t, len(g.relay.Requests()), 105*4/3)
		require.LessOrEqual(t, g.relay.HighWater(), AssumedLimits().Subscriptions)
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		require.Zero(t, g.sink.held)
	})
}

// TestFiltersFarAwayAreAskedInStretchesTogether: those that share a page go on sharing pages.
func TestFiltersFarAwayAreAskedInStretchesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := append(relaytest.Notes(1000, 1, 5000), relaytest.Notes(1000, 7, 4990)...)
		g := newRig(t, distant(roundTrip, 20, events), nil)
		start := time.Now()
		g.ask(1, kinds(1), kinds(7))
		allDone(t, g.wait(1))
		require.Less(t, time.Since(start), 20*roundTrip)
		require.Less(t, len(g.relay.Requests()), 53*3/2)
		sameIDs(t, wireIDs(events), g.sink.ids(1))
	})
}

func TestAHistoryIsAskedInOneWhere(t *testing.T) {
	for _, tt := range []struct {
		name   string
		away   time.Duration
		opts   func(*ConnOptions)
		before func(*rig)
		batch  Batch
		more   int // pages
	}{
		{name: "the relay is near", away: farAway / 2},
		{name: "nobody waits for it", away: roundTrip, batch: Batch{Background: true}},
		{
			name: "the pace has no room", away: roundTrip,
			opts: func(o *ConnOptions) { o.REQsPerMinute = 1 },
		},
		{
			name: "no subscription is free", away: roundTrip,
			opts:   func(o *ConnOptions) { o.Learned.Subscriptions = Cap{2, time.Now().Add(time.Hour)} },
			before: func(g *rig) { g.tell(liveOf("l0", kinds(7))); time.Sleep(time.Second) },
		},
		{
			name: "the relay has complained", away: roundTrip,
			before: func(g *rig) { g.relay.Broadcast(`["NOTICE","slow down"]`); time.Sleep(2 * time.Minute) },
		},
		{
			name: "the relay has closed a page in the middle", away: roundTrip, more: 1,
			before: func(g *rig) {
				g.relay.Set(func(o *relaytest.Options) { o.Spoil = onceAt(1, closing(5, "error: enough")) })
			},
		},
		{
			name: "the relay sends what was not asked for", away: roundTrip,
			before: func(g *rig) {
				g.relay.Set(func(o *relaytest.Options) { o.Spoil = onceAt(1, add(foreignNotes[:1])) })
			},
		},
		{
			name: "the relay sends EOSE too early", away: roundTrip,
			before: func(g *rig) {
				g.relay.Set(func(o *relaytest.Options) {
					o.Spoil = always(func(a *relaytest.Answer) { hurried(0)(a); a.After = 2 * lateWait })
				})
				g.relay.Publish(relaytest.Event(1, 9, 1000, "behind EOSE"))
				g.ask(2, kinds(9))
				g.wait(2)
				time.Sleep(time.Minute)
				g.relay.Set(func(o *relaytest.Options) { o.Spoil = nil })
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, distant(tt.away, 20, relaytest.Notes(400, 1, 5000)), tt.opts)
				if tt.before != nil {
					tt.before(g)
				}
				synctest.Wait()
				n := len(g.relay.Requests())
				tt.batch.ID, tt.batch.Filters = 1, historicKinds(1)
				g.tell(AskBatch{tt.batch})
				allDone(t, g.wait(1))
				require.Len(t, g.relay.Requests()[n:], 22+tt.more)
				for _, r := range g.relay.Requests()[n:] {
					require.Nil(t, r.Filters[0].Since)
				}
			})
		})
	}
}

// TestOtherQuestionsGoFirst: stretches are for a line that has nothing else to do.
func TestOtherQuestionsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []nostr.Event
		var fs []nostr.Filter
		for i := range 12 {
			events = append(events, relaytest.Notes(100, 1000+i, 5000)...)
			fs = append(fs, kinds(1000+i))
		}
		g := newRig(t, distant(roundTrip, 20, events), func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 })
		g.ask(1, fs...)
		time.Sleep(5 * roundTrip)
		synctest.Wait()
		for _, r := range g.relay.Requests() {
			require.Nil(t, r.Filters[0].Since)
		}
		allDone(t, g.wait(1))
		sameIDs(t, wireIDs(events), g.sink.ids(1))
	})
}

// watchedSink looks at every mark when it comes.
type watchedSink struct {
	*sinkhole
	marked func(Mark)
}

func (s watchedSink) Mark(m Mark) {
	s.marked(m)
	s.sinkhole.Mark(m)
}

// TestWhatIsSettledFarAwayHasCome: a batch that is cut goes on below the highest of its stretches that has not ended.
func TestWhatIsSettledFarAwayHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(600, 1, 5000)
		sink := &sinkhole{}
		var untils []int64
		apart := 0 // marks before which something has come that is below what is settled
		g := newRig(t, distant(roundTrip, 10, events), func(o *ConnOptions) {
			o.Sink = watchedSink{sink, func(m Mark) {
				if m.Batch != 1 || m.Final {
					return
				}
				until := m.Filters[0].Until
				untils = append(untils, until)
				above, got := 0, 0
				for _, d := range sink.delivered {
					if int64(d.Event.CreatedAt) >= until {
						got++
					}
				}
				for _, e := range events {
					if int64(e.CreatedAt) >= until {
						above++
					}
				}
				require.Equal(t, above, got, "at or above %d", until)
				if len(sink.delivered) > got+10 {
					apart++
				}
			}}
		})
		g.sink = sink
		g.ask(1, kinds(1))
		allDone(t, g.wait(1))
		require.Greater(t, apart, 10)
		for i, until := range untils[1:] {
			require.Positive(t, until)
			require.LessOrEqual(t, until, untils[i], "it does not go back")
		}
	})
}

// TestAStretchThatFailsFailsItsFilter: what is below it does not count.
func TestAStretchThatFailsFailsItsFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := distant(roundTrip, 10, relaytest.Notes(400, 1, 5000))
		refused := false
		script.RefuseREQ = func(_ string, fs []nostr.Filter) string {
			if fs[0].Since == nil || refused {
				return ""
			}
			refused = true
			return "error: out of order"
		}
		g := newRig(t, script, nil)
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.Equal(t, "closed: error: out of order", end.Err)
		require.Equal(t, []FilterEnd{{Failed: true, Until: 4983}}, end.Filters)
		require.Empty(t, reported[Offended](g))
	})
}

func TestAStretchThatWasAnsweredIsForgotten(t *testing.T) {
	window := func(f nostr.Filter) *group {
		return &group{asked: []nostr.Filter{f}, index: []int{0}, above: []int64{9}, pager: filters.NewPager([]nostr.Filter{f}, 5)}
	}
	done, failed := window(nostr.Filter{IDs: []string{}}), window(kinds(1))
	rest := window(nostr.Filter{IDs: []string{}})
	rest.above = nil
	failed.pager.Fail()
	b := &batchRun{total: 1, groups: []*group{done, failed, rest}}
	for _, g := range []*group{done, failed, rest} {
		b.forget(g)
	}
	require.Equal(t, []*group{failed, rest}, b.groups)
	require.Equal(t, []FilterEnd{{Failed: true, Until: 9}}, b.mark(1).Filters)
}

// TestARelayFarAwayThatIgnoresSinceIsNotCharged: we have no need of it.
func TestARelayFarAwayThatIgnoresSinceIsNotCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := relaytest.Notes(400, 1, 5000)
		script := distant(roundTrip, 10, all)
		script.Spoil = func(_ int, fs []nostr.Filter, a relaytest.Answer) relaytest.Answer {
			a.Events = nil
			for _, e := range all {
				if len(a.Events) < 10 && (fs[0].Until == nil || e.CreatedAt <= *fs[0].Until) {
					a.Events = append(a.Events, e)
				}
			}
			return a
		}
		g := newRig(t, script, nil)
		start := time.Now()
		g.ask(1, kinds(1))
		allDone(t, g.wait(1))
		require.Less(t, time.Since(start), 25*roundTrip, fmt.Sprint(len(g.relay.Requests()), " questions"))
		sameIDs(t, wireIDs(all), g.sink.ids(1))
		require.Empty(t, reported[Offended](g))
	})
}
