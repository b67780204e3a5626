package filters_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Whatever caps an honest relay has, nothing is lost, and what a page settled has been delivered.
func TestPagerLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, fs := genHistory(t)
		relay := newSimRelay(events)
		relay.exclusive = rapid.IntRange(0, 4).Draw(t, "exclusive") == 0
		if relay.exclusive {
			// The second of a filter's own until is out of reach there.
			for i := range fs {
				fs[i].Until = nil
			}
		}
		caps := rapid.OneOf(rapid.Just(0), rapid.IntRange(2, 12))
		relay.clamp, relay.total = caps.Draw(t, "clamp"), caps.Draw(t, "total")
		relay.sequential, relay.twice = rapid.Bool().Draw(t, "sequential"), rapid.Bool().Draw(t, "twice")
		relay.hints = rapid.Bool().Draw(t, "hints")
		if relay.total == 0 {
			// With a cap per REQ an empty page may be the only one in which a filter had its turn.
			relay.emptyOnce = rapid.IntRange(0, 1).Draw(t, "empty")
		}
		if rapid.Bool().Draw(t, "shuffle") {
			relay.shuffle = rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		}
		limit := rapid.IntRange(2, 20).Draw(t, "limit")
		p := filters.NewPager(fs, limit)
		p.Most(rapid.OneOf(rapid.Just(math.MaxInt), rapid.IntRange(0, 3*limit)).Draw(t, "most"))
		if rapid.Bool().Draw(t, "proven?") {
			p.Trust(filters.Proven{Page: cap2(relay.total, limit), Filter: cap2(relay.clamp, relay.total, limit)})
		}
		bound := 100
		for _, f := range fs {
			bound += 60 + 20*len(relay.matching(f))
		}
		wanted, pages := relay.run(p, bound, func(wanted map[event.ID]int) { checkEnds(t, p, fs, events, wanted) })
		require.Less(t, pages, bound)
		for i, end := range p.Ends() {
			require.True(t, end.Done, "filter %d: %+v", i, end)
			require.False(t, end.Failed)
			checkDelivered(t, fs[i], events, wanted, end, cap2(relay.clamp, relay.total, limit))
		}
	})
}

func cap2(caps ...int) int {
	n := 1 << 30
	for _, c := range caps {
		if c > 0 {
			n = min(n, c)
		}
	}
	if n == 1<<30 {
		return 0
	}
	return n
}

func checkEnds(t *rapid.T, p *filters.Pager, fs []nostr.Filter, events []*event.Event, wanted map[event.ID]int) {
	for i, end := range p.Ends() {
		if end.Until == 0 || end.Gap {
			continue
		}
		for _, e := range events {
			if int64(e.CreatedAt) >= end.Until && fs[i].Matches(e.Event) {
				require.Positive(t, wanted[e.ID], "filter %d says %d is settled, event at %d is missing", i, end.Until, e.CreatedAt)
			}
		}
	}
}

// checkDelivered looks for events that are missing. After a gap only seconds that fit a page must be whole.
func checkDelivered(t *rapid.T, f nostr.Filter, events []*event.Event, wanted map[event.ID]int, end filters.End, page int) {
	perSecond := map[nostr.Timestamp]int{}
	for _, e := range events {
		if f.Matches(e.Event) {
			perSecond[e.CreatedAt]++
		}
	}
	for _, e := range events {
		if !f.Matches(e.Event) || e.CreatedAt < 1 {
			continue
		}
		if end.Gap && page > 0 && perSecond[e.CreatedAt] > page {
			continue
		}
		require.Positive(t, wanted[e.ID], "event at %d is missing", e.CreatedAt)
	}
}

// Whatever a relay does, paging ends, and what is said to be settled has been delivered where the relay gave it.
func TestPagerAlwaysEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, fs := genHistory(t)
		relay := newSimRelay(events)
		relay.clamp, relay.total = rapid.IntRange(0, 5).Draw(t, "clamp"), rapid.IntRange(0, 5).Draw(t, "total")
		relay.ignoreUntil, relay.ignoreLimit = rapid.Bool().Draw(t, "ignoreUntil"), rapid.Bool().Draw(t, "ignoreLimit")
		relay.exclusive, relay.hints = rapid.Bool().Draw(t, "exclusive"), rapid.Bool().Draw(t, "hints")
		relay.ignoreParts, relay.shrink = rapid.Bool().Draw(t, "ignoreParts"), rapid.Bool().Draw(t, "shrink")
		relay.emptyOnce = rapid.IntRange(0, 5).Draw(t, "empty")
		rng := rand.New(rand.NewPCG(2, rapid.Uint64().Draw(t, "seed")))
		relay.shuffle = rng
		if noise := rapid.IntRange(0, 3).Draw(t, "noise"); noise > 0 {
			relay.spoil = func(out []*event.Event, hint filters.Hint) ([]*event.Event, filters.Hint) {
				for range noise {
					if len(events) > 0 {
						out = append(out, events[rng.IntN(len(events))])
					}
				}
				return out[:rng.IntN(len(out)+1)], filters.Hint(rng.IntN(3))
			}
		}
		p := filters.NewPager(fs, rapid.IntRange(0, 20).Draw(t, "limit"))
		bound := 2000
		_, pages := relay.run(p, bound, func(map[event.ID]int) {
			for _, end := range p.Ends() {
				require.False(t, end.Done && end.Failed)
				require.Equal(t, end.Failed, end.Fault != filters.FaultNone)
			}
		})
		require.Less(t, pages, bound)
		for _, end := range p.Ends() {
			require.True(t, end.Done || end.Failed)
		}
		_, ok := p.Next()
		require.False(t, ok)
	})
}
