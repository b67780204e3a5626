package filters_test

import (
	"math/rand/v2"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// step asks one page of a pager and gives what was wanted.
func (r *simRelay) step(p *filters.Pager, wanted map[event.ID]int) bool {
	req, ok := p.Next()
	if !ok {
		return false
	}
	events, hint := r.answer(req)
	for _, e := range events {
		if p.Event(e) == filters.Wanted {
			wanted[e.ID]++
		}
	}
	p.EOSE(hint)
	return true
}

func TestPagerDividesWhatIsDense(t *testing.T) {
	since := nostr.Timestamp(40)
	bounded := tagFilter("e", "x")
	bounded.Since = &since
	relay := newSimRelay(history(append(repeat(90, 100, "e:x"), "99 q:x", "60 q:x", "20 q:x")...))
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x"), tagFilter("q", "x"), bounded}, 4)
	wanted := map[event.ID]int{}
	require.Empty(t, p.Divide(), "nothing was asked")
	relay.step(p, wanted)
	require.Empty(t, p.Divide(), "nobody knows how dense it is")

	p = filters.NewPager([]nostr.Filter{tagFilter("e", "x"), tagFilter("q", "x")}, 5)
	relay.step(p, wanted)
	relay.step(p, wanted)
	ends := p.Ends()
	require.Equal(t, int64(93), ends[0].Until)
	windows := p.Divide()
	require.Len(t, windows, 1, "of the other one nothing is left to be sparse")
	require.Equal(t, 0, windows[0].Index)
	require.Equal(t, ends[0].Until, windows[0].Until)
	require.Equal(t, "e:x >=76 <=92", short([]nostr.Filter{windows[0].Filter}))
	require.Equal(t, int64(77), p.Ends()[0].Until)
	require.Empty(t, p.Divide(), "once for each page")
	req, ok := p.Next()
	require.True(t, ok)
	require.Empty(t, p.Divide(), "a page is asked")
	require.Equal(t, "e:x <=76", short(req[:1]))
}

// What a page has not filled ends with it, as far as one can know.
func TestPagerDoesNotDivideWhatIsSparse(t *testing.T) {
	relay := newSimRelay(history(repeat(12, 100, "e:x")...))
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 5)
	for range 3 {
		relay.step(p, map[event.ID]int{})
	}
	require.Equal(t, int64(90), p.Ends()[0].Until)
	require.Empty(t, p.Divide())
}

// The relay may be out of breath.
func TestPagerDoesNotDivideBehindAnEmptyPage(t *testing.T) {
	relay := newSimRelay(history(repeat(90, 100, "e:x")...))
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 5)
	for range 2 {
		relay.step(p, map[event.ID]int{})
	}
	_, ok := p.Next()
	require.True(t, ok)
	p.EOSE(filters.HintNone)
	require.Empty(t, p.Divide())
}

func TestPagerDoesNotDivideWhatEndsSoon(t *testing.T) {
	since := nostr.Timestamp(80)
	f := tagFilter("e", "x")
	f.Since = &since
	relay := newSimRelay(history(repeat(90, 100, "e:x")...))
	p := filters.NewPager([]nostr.Filter{f}, 5)
	for relay.step(p, map[event.ID]int{}) {
		require.Empty(t, p.Divide())
	}
}

// Where until does not include its second, that of a window's would be out of reach.
func TestPagerDoesNotDivideWhereUntilIsExclusive(t *testing.T) {
	relay := newSimRelay(history(repeat(90, 200, "e:x")...))
	relay.exclusive, relay.clamp = true, 5
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 5)
	for relay.step(p, map[event.ID]int{}) {
		require.Empty(t, p.Divide())
	}
}

// A relay that does not know since has shown all that was asked for when it shows what is older.
func TestPagerEndsBelowSince(t *testing.T) {
	since := nostr.Timestamp(85)
	f := tagFilter("e", "x")
	f.Since = &since
	relay := newSimRelay(history(repeat(40, 100, "e:x")...))
	relay.ignoreSince = true
	p := filters.NewPager([]nostr.Filter{f}, 6)
	wanted, _ := relay.run(p, 20, nil)
	require.Len(t, wanted, 16)
	require.True(t, p.Ends()[0].Done, "%+v", p.Ends())
}

// However filters are divided, and in whatever order their parts are asked, nothing is lost, and what is said to be settled has been delivered.
func TestPagerDividedLosesNothing(t *testing.T) {
	divided := 0
	rapid.Check(t, func(t *rapid.T) {
		events, fs := genHistory(t)
		apart := rapid.IntRange(0, 3).Draw(t, "apart")
		for i := range 80 { // many more of the same
			e := makeEvent(0, 1, 1111, int64(60+i*apart/2), nostr.Tags{{"e", "x"}, {"E", []string{"x", "y"}[i%2]}})
			e.ID = numberedID(1000 + i)
			e.Event.ID = e.ID.String()
			events = append(events, e)
		}
		relay := newSimRelay(events)
		relay.exclusive = rapid.IntRange(0, 9).Draw(t, "exclusive") == 0
		if relay.exclusive {
			for i := range fs {
				fs[i].Until = nil
			}
		}
		relay.clamp, relay.twice = rapid.IntRange(2, 5).Draw(t, "clamp"), rapid.Bool().Draw(t, "twice")
		relay.ignoreSince = rapid.IntRange(0, 4).Draw(t, "since") == 0
		relay.hints = !relay.ignoreSince && rapid.Bool().Draw(t, "hints")
		if relay.ignoreSince { // where we state it
			for i := range fs {
				fs[i].Since = nil
			}
		}
		if rapid.Bool().Draw(t, "shuffle") {
			relay.shuffle = rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		}
		limit := rapid.IntRange(2, 6).Draw(t, "limit")
		type part struct {
			*filters.Pager
			index []int
			above []int64
		}
		whole := part{Pager: filters.NewPager(fs, limit), above: make([]int64, len(fs))}
		for i := range fs {
			whole.index = append(whole.index, i)
		}
		parts := []part{whole}
		wanted := map[event.ID]int{}
		joined := func() []filters.End {
			ends := make([]filters.End, len(fs))
			for i := range ends {
				ends[i].Done = true
			}
			for _, p := range parts {
				for k, e := range p.Ends() {
					at := p.index[k]
					require.False(t, e.Failed, "%+v", e)
					if e.Until == 0 {
						e.Until = p.above[k]
					}
					ends[at].Gap = ends[at].Gap || e.Gap
					if !e.Done {
						ends[at].Done = false
						ends[at].Until = max(ends[at].Until, e.Until)
					}
				}
			}
			return ends
		}
		open := []part{whole}
		breathless := false // an empty page came
		for steps := 0; len(open) > 0; steps++ {
			require.Less(t, steps, 5000)
			i := rapid.IntRange(0, len(open)-1).Draw(t, "part")
			p := open[i]
			if !relay.step(p.Pager, wanted) {
				open = append(open[:i], open[i+1:]...)
				continue
			}
			if rapid.IntRange(0, 3).Draw(t, "divide") > 0 {
				w := part{}
				var asked []nostr.Filter
				for _, x := range p.Divide() {
					asked, w.index, w.above = append(asked, x.Filter), append(w.index, p.index[x.Index]), append(w.above, x.Until)
				}
				if len(asked) > 0 {
					divided++
					w.Pager = filters.NewPager(asked, limit)
					w.Continue(p.Pager)
					if !breathless && rapid.Bool().Draw(t, "empty") {
						breathless, relay.emptyOnce = true, 1
					}
					parts, open = append(parts, w), append(open, w)
				}
			}
			for i, end := range joined() {
				if end.Until == 0 || end.Gap || end.Done {
					continue
				}
				for _, e := range events {
					if int64(e.CreatedAt) >= end.Until && fs[i].Matches(e.Event) {
						require.Positive(t, wanted[e.ID], "filter %d says %d is settled, event at %d is missing", i, end.Until, e.CreatedAt)
					}
				}
			}
		}
		for i, end := range joined() {
			require.True(t, end.Done, "filter %d", i)
			checkDelivered(t, fs[i], events, wanted, end, cap2(relay.clamp, limit))
		}
	})
	require.Greater(t, divided, 20)
}
