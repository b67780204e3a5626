package relay

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestBatchIsPagedOverCaps(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script relaytest.Options
	}{
		{"no cap in reach", relaytest.Options{PageCap: 1000}},
		{"cap of 50", relaytest.Options{PageCap: 50}},
		{"cap of 50, stated", relaytest.Options{PageCap: 50, Document: `{"limitation":{"max_limit":50}}`}},
		{"cap of 2", relaytest.Options{PageCap: 2}},
		{"hints", relaytest.Options{PageCap: 1000, Hint: "finish"}},
		{"EOSE twice", relaytest.Options{PageCap: 50, DoubleEOSE: true}},
		{"every message in a goroutine", relaytest.Options{PageCap: 50, Concurrent: true}},
		{"slow", relaytest.Options{PageCap: 50, Delay: 10 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				notes := append(relaytest.Notes(180, 1, 5000), relaytest.Notes(170, 7, 4000)...)
				tt.script.Events = notes
				g := newRig(t, tt.script, nil)
				g.ask(1, kinds(1), kinds(7), kinds(1617))
				end := g.wait(1)

				require.Empty(t, end.Err)
				for i, f := range end.Filters {
					require.True(t, f.Done && !f.Failed && !f.Gap, "filter %d: %+v", i, f)
				}
				got := g.sink.ids(1)
				sameIDs(t, wireIDs(notes), got)
				require.Empty(t, g.relay.OpenSubs())
				require.Empty(t, reported[Offended](g))
				require.Zero(t, g.sink.held)
				for i, m := range g.sink.marksOf(1) {
					require.Equal(t, i == len(g.sink.marksOf(1))-1, m.Final)
					require.Len(t, m.Filters, 3)
				}
				used := map[string]bool{}
				for _, r := range g.relay.Requests() {
					require.False(t, used[r.Sub], "id %s used twice", r.Sub)
					require.LessOrEqual(t, len(r.Sub), 32)
					used[r.Sub] = true
				}
			})
		})
	}
}

func TestMarksCarryResumePoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(100, 1, 5000), PageCap: 40}, nil)
		g.ask(1, kinds(1))
		g.wait(1)
		var untils []int64
		for _, m := range g.sink.marksOf(1) {
			untils = append(untils, m.Filters[0].Until)
		}
		require.Equal(t, []int64{4962, 4923, 4902}, untils[:3])
	})
}

func TestBatchFails(t *testing.T) {
	off := relaytest.Notes(20, 9, 1000)
	tests := []struct {
		name     string
		script   relaytest.Options
		opts     func(*ConnOptions)
		err      string
		after    time.Duration
		offence  string
		events   int
		limited  bool
		finished bool // some filters ended well
	}{
		{name: "never answers", script: relaytest.Options{Delay: time.Hour}, err: "no answer in 15s", after: 15 * time.Second},
		{name: "never ends", script: relaytest.Options{NoEOSE: true}, err: "silent for 30s", after: 30 * time.Second, events: 30},
		{
			name: "never ends, other waits", script: relaytest.Options{NoEOSE: true}, err: "silent for 3s", after: 3 * time.Second, events: 30,
			opts: func(o *ConnOptions) { o.Limits.IdleWait = 3 * time.Second },
		},
		{
			name: "closed", script: relaytest.Options{RefuseREQ: func(string, []nostr.Filter) string { return "ERROR: bad req: x" }},
			err: "closed: ERROR: bad req: x",
		},
		{
			name: "closed in the middle", script: relaytest.Options{CloseAfter: 10, CloseReason: "error: shutting down"},
			err: "closed: error: shutting down", events: 10,
		},
		{
			name: "rate-limited", script: relaytest.Options{RateLimited: true},
			err: "closed: rate-limited: slow down, please", limited: true,
		},
		{name: "ignores until", script: relaytest.Options{IgnoreUntil: true, PageCap: 10}, err: "unpageable", offence: OffenceUnpageable, events: 10},
		{
			name: "sends what was not asked for", script: relaytest.Options{OffFilter: off}, events: 30,
			err: "events that were not asked for", offence: OffenceOffFilter,
		},
		{name: "streams for ever", script: relaytest.Options{Endless: true}, err: "more events than asked for", offence: OffenceEndless, events: 532},
		{name: "relay goes", script: relaytest.Options{DropAfter: 10}, err: "connection lost: lost", events: 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.script.Events = relaytest.Notes(30, 1, 5000)
				g := newRig(t, tt.script, tt.opts)
				start := time.Now()
				g.ask(1, kinds(1))
				end := g.wait(1)
				require.Equal(t, tt.err, end.Err)
				require.True(t, end.Filters[0].Failed)
				require.Equal(t, tt.after, g.sink.at[len(g.sink.at)-1].Sub(start))
				require.Len(t, g.sink.ids(1), tt.events)
				require.Zero(t, g.sink.held, "credit comes back")
				var kinds []string
				for _, o := range reported[Offended](g) {
					kinds = append(kinds, o.Kind)
				}
				if tt.offence == "" {
					require.Empty(t, kinds)
				} else {
					require.Equal(t, []string{tt.offence}, kinds)
				}
				require.Len(t, reported[Limited](g), map[bool]int{true: 1}[tt.limited])
				require.Empty(t, g.relay.OpenSubs())
			})
		})
	}
}

func TestFailedFiltersDoNotSpoilOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(30, 1, 5000)
		g := newRig(t, relaytest.Options{
			Events: notes,
			RefuseREQ: func(_ string, fs []nostr.Filter) string {
				if fs[0].Kinds[0] == 7 {
					return "ERROR: bad req: no kind 7"
				}
				return ""
			},
		}, func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 })
		g.ask(1, kinds(7), kinds(1), kinds(7, 8))
		end := g.wait(1)
		require.Equal(t, "closed: ERROR: bad req: no kind 7", end.Err)
		require.True(t, end.Filters[0].Failed)
		require.True(t, end.Filters[1].Done && !end.Filters[1].Failed)
		require.True(t, end.Filters[2].Failed)
		require.Len(t, g.sink.ids(1), 30)
	})
}

func TestSlowAnswersAreNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One REQ after the other, ten seconds each: the fourth is answered after forty.
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(5, 1, 5000), Delay: 10 * time.Second},
			func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 })
		g.ask(1, kinds(1), kinds(2), kinds(3), kinds(4), kinds(5))
		end := g.wait(1)
		require.Empty(t, end.Err)
	})
}

func TestPagesWaitForCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(90, 1, 5000)
		g := newRig(t, relaytest.Options{Events: notes, Document: `{"limitation":{"max_limit":40,"max_filters":1}}`}, nil)
		g.sink.places = 100
		g.ask(1, kinds(1), kinds(2), kinds(3))
		time.Sleep(time.Hour) // the sink frees nothing: no deadline runs while the relay owes us nothing
		require.Nil(t, g.sink.final(1))
		require.LessOrEqual(t, g.sink.most, 100)
		before := len(g.relay.Requests())
		require.Positive(t, before)
		time.Sleep(time.Hour)
		require.Len(t, g.relay.Requests(), before, "nothing is asked without credit")

		for g.sink.final(1) == nil {
			g.sink.free()
			synctest.Wait()
		}
		end := g.sink.final(1)
		require.Empty(t, end.Err)
		sameIDs(t, wireIDs(notes), g.sink.ids(1))
		require.LessOrEqual(t, g.sink.most, 100)
	})
}

func TestLostConnectionWhileWaitingForCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.sink.places = 1
		g.ask(1, kinds(1))
		g.ask(2, kinds(2))
		g.relay.Drop()
		require.True(t, g.wait(1).Filters[0].Failed)
		require.True(t, g.wait(2).Filters[0].Failed)
		require.True(t, g.sink.gone)
	})
}

func TestCancelledBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(10, 1, 100), NoEOSE: true}, nil)
		g.ask(1, kinds(1))
		require.Len(t, g.relay.OpenSubs(), 1)
		g.tell(CancelBatch{1})
		end := g.sink.final(1)
		require.Equal(t, "cancelled", end.Err)
		require.Empty(t, g.relay.OpenSubs())
		require.Zero(t, g.sink.held)

		g.sink.places = 20 // and while it waits for credit
		g.ask(2, kinds(1))
		g.tell(CancelBatch{2}, CancelBatch{99})
		require.Equal(t, "cancelled", g.sink.final(2).Err)
		g.ask(3, kinds(1))
		g.sink.places = 0
		g.sink.free()
		synctest.Wait()
		require.Len(t, g.sink.ids(3), 10)
	})
}

func TestEmptyBatchesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.ask(1)
		require.NotNil(t, g.sink.final(1))
		g.ask(2, nostr.Filter{Kinds: []int{}})
		require.True(t, g.sink.final(2).Filters[0].Done)
		require.Empty(t, g.relay.Requests(), "no filter with an empty list is sent")
	})
}

func TestLargeFiltersAreAskedInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var values []string
		for i := range 300 {
			values = append(values, strings.Repeat("v", 30)+string(rune('a'+i%26))+string(rune('a'+i/26)))
		}
		notes := []nostr.Event{
			relaytest.Event(1, 1, 100, "first", nostr.Tag{"t", values[0]}),
			relaytest.Event(1, 1, 200, "last", nostr.Tag{"t", values[299]}),
		}
		g := newRig(t, relaytest.Options{Events: notes, Document: `{"limitation":{"max_message_length":5000}}`}, nil)
		g.ask(1, kinds(7), nostr.Filter{Tags: nostr.TagMap{"t": values}}, kinds(8))
		end := g.wait(1)
		require.Empty(t, end.Err)
		require.Len(t, end.Filters, 3)
		for _, f := range end.Filters {
			require.True(t, f.Done)
		}
		sameIDs(t, wireIDs(notes), g.sink.ids(1))
		require.Empty(t, g.relay.BadMessages())
	})
}

func TestEventsThatAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		past := "1000"
		events := []nostr.Event{
			relaytest.Event(1, 1, 100, "good"),
			relaytest.Event(1, 1, 101, "expired", nostr.Tag{"expiration", past}),
			relaytest.Event(1, 1, 102, "protected", nostr.Tag{"-"}),
			relaytest.Event(1, 20001, 103, "ephemeral"),
			relaytest.Event(1, 1059, 104, "wrapped"),
		}
		forged := relaytest.Event(1, 1, 105, "forged")
		forged.Content = "changed"
		many := nostr.Event{Kind: 1, CreatedAt: 106}
		for range 2001 {
			many.Tags = append(many.Tags, nostr.Tag{"t"})
		}
		relaytest.Sign(&many, 1)
		g := newRig(t, relaytest.Options{Events: append(events, forged, many)}, nil)
		g.ask(1, nostr.Filter{})
		require.Empty(t, g.wait(1).Err)
		require.Equal(t, []string{events[0].ID}, g.sink.ids(1))
		offences := reported[Offended](g)
		require.Len(t, offences, 1)
		require.Equal(t, OffenceForged, offences[0].Kind)
	})
}

func TestUnreadableEventsHideNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []nostr.Event
		for i := range 25 {
			e := nostr.Event{Kind: 1, CreatedAt: nostr.Timestamp(2000 + i)}
			for range 2001 {
				e.Tags = append(e.Tags, nostr.Tag{"t"})
			}
			relaytest.Sign(&e, 1)
			events = append(events, e)
		}
		old := relaytest.Event(1, 1, 100, "old")
		g := newRig(t, relaytest.Options{Events: append(events, old), PageCap: 10}, nil)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		require.Equal(t, []string{old.ID}, g.sink.ids(1))
	})
}

func TestEarlyEOSELosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(20, 1, 5000)
		g := newRig(t, relaytest.Options{Events: notes, EarlyEOSE: true}, nil)
		g.ask(1, kinds(1))
		g.wait(1)
		synctest.Wait()
		sameIDs(t, wireIDs(notes), append(g.sink.ids(1), g.sink.ids(0)...))
		require.Empty(t, reported[Offended](g))
	})
}

func TestRateSignalsPauseHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(5, 1, 5000)
		g := newRig(t, relaytest.Options{Events: notes}, nil)
		g.relay.Broadcast(`["NOTICE","Slow down, please"]`)
		g.relay.Broadcast(`["NOTICE","rate limit exceeded"]`)
		synctest.Wait()
		start := time.Now()
		require.Len(t, reported[Limited](g), 1, "a burst is one signal")
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.Empty(t, end.Err)
		require.Equal(t, 65*time.Second, g.relay.Requests()[0].At.Sub(start))
	})
}

func TestPaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(400, 1, 5000), PageCap: 2}, func(o *ConnOptions) { o.REQsPerMinute = 60 })
		start := time.Now()
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		n := len(g.relay.Requests())
		require.Greater(t, n, 200)
		took := g.relay.Requests()[n-1].At.Sub(start)
		require.InDelta(t, float64(n-60), took.Seconds(), 5)
	})
}

func TestOneLargeEventSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := func(n int) []nostr.Event {
			var out []nostr.Event
			for i := range n {
				out = append(out, relaytest.Event(1, 1, int64(2000+i), strings.Repeat("x", 3000)))
			}
			return out
		}
		dialer := func(r *ConnOptions) {
			r.Dialer.opts.MessageBytes = 2000
		}
		old := relaytest.Event(1, 1, 100, "old")
		g := newRig(t, relaytest.Options{Events: append(large(1), old)}, dialer)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		require.Equal(t, []string{old.ID}, g.sink.ids(1))
		require.Empty(t, reported[Offended](g))

		// A page of nothing else need not be the end.
		g = newRig(t, relaytest.Options{Events: append(large(12), old), PageCap: 12}, dialer)
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.Equal(t, "events that cannot be read", end.Err)
		require.True(t, end.Filters[0].Failed)
	})
}
