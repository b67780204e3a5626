package filters_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestPagerVerdicts(t *testing.T) {
	events := history("9 e:x", "8 e:x", "7 e:y", "20 e:x", "8 e:x")
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 2)
	require.Equal(t, filters.OffFilter, p.Event(events[0]), "no page was asked")
	require.Zero(t, p.MaxEvents())
	p.EOSE(filters.HintNone)
	req, ok := p.Next()
	require.True(t, ok)
	require.Equal(t, 2, req[0].Limit)
	require.Equal(t, filters.Wanted, p.Event(events[0]))
	require.Equal(t, filters.Wanted, p.Event(events[1]))
	require.Equal(t, filters.Duplicate, p.Event(events[1]))
	require.Equal(t, filters.OffFilter, p.Event(events[2]))
	p.EOSE(filters.HintNone)
	_, _ = p.Next()
	require.Equal(t, filters.OffFilter, p.Event(events[3]), "newer than until")
	require.Equal(t, filters.Duplicate, p.Event(events[1]), "the boundary")
	require.Equal(t, filters.OffFilter, p.Event(events[0]), "newer than until, though known")
	for range p.MaxEvents() - 3 {
		require.Equal(t, filters.OffFilter, p.Event(events[2]))
	}
	require.Equal(t, filters.TooMany, p.Event(events[4]))
	p.EOSE(filters.HintFinish)
	require.Equal(t, []filters.End{{Failed: true, Fault: filters.FaultAborted, Until: 9}}, p.Ends(), "EOSE does not excuse too many")
}

func TestPagerFailLeavesWhatHasEnded(t *testing.T) {
	relay := newSimRelay(history(repeat(9, 90, "e:x")...))
	relay.clamp = 3
	p := filters.NewPager([]nostr.Filter{tagFilter("q", "x"), tagFilter("e", "x")}, 50)
	relay.run(p, 3, nil)
	p.Fail()
	require.Equal(t, []filters.End{{Failed: true, Fault: filters.FaultAborted}, {Failed: true, Fault: filters.FaultAborted, Until: 85}}, p.Ends())
	_, ok := p.Next()
	require.False(t, ok)
}

// Filters that go on share what those that have ended leave of a page.
func TestPagerSharesAPageAmongThoseThatGoOn(t *testing.T) {
	relay := newSimRelay(history(slices.Concat(repeat(40, 90, "e:x"), repeat(40, 90, "q:x"), repeat(3, 90, "E:x"))...))
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x"), tagFilter("q", "x"), tagFilter("E", "x")}, 15)
	p.Most(24)
	p.Trust(filters.Proven{Page: 24, Filter: 15})
	var limits []int
	for {
		req, ok := p.Next()
		if !ok {
			break
		}
		require.LessOrEqual(t, p.MaxEvents(), 24+32)
		limits = append(limits, req[0].Limit)
		events, hint := relay.answer(req)
		for _, e := range events {
			p.Event(e)
		}
		p.EOSE(hint)
	}
	require.Equal(t, []int{8, 8, 12, 12, 12, 12, 15}, limits)
}

// A page that is asked again, because a socket broke or a relay said "later", counts once.
func TestPagerNextForgetsAnUnfinishedPage(t *testing.T) {
	events := history("9 e:x", "8 e:x", "7 e:x")
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 2)
	first, _ := p.Next()
	require.Equal(t, filters.Wanted, p.Event(events[0]))
	again, _ := p.Next()
	require.Equal(t, first, again)
	require.Equal(t, filters.Wanted, p.Event(events[0]))
	p.EOSE(filters.HintNone)
	require.Equal(t, int64(10), p.Ends()[0].Until)
}

func TestPagerWithheld(t *testing.T) {
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 9)
	for range 2 {
		_, ok := p.Next()
		require.True(t, ok)
		p.EOSE(filters.HintMore)
	}
	require.Equal(t, []filters.End{{Failed: true, Fault: filters.FaultWithheld}}, p.Ends())

	e := history("9 e:x")[0]
	p = filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 9)
	for range 2 {
		_, _ = p.Next()
		p.Event(e)
		p.EOSE(filters.HintMore)
	}
	require.Equal(t, filters.FaultWithheld, p.Ends()[0].Fault)
}

// A relay that invents new events of the same second for every page is narrowed, then stepped past.
func TestPagerBoundsASecond(t *testing.T) {
	values := make([]string, 100)
	for i := range values {
		values[i] = fmt.Sprint(i)
	}
	for _, tc := range []struct {
		name              string
		filter            nostr.Filter
		perPage, maxPages int
	}{
		{"few at a time", tagFilter("e", values...), 2, 1200},
		{"many at once", nostr.Filter{Kinds: []int{1111}, Tags: nostr.TagMap{"e": {"0"}}}, 5000, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := filters.NewPager([]nostr.Filter{tc.filter}, 5000)
			pages := 0
			for n := 0; ; pages++ {
				req, ok := p.Next()
				require.True(t, ok)
				if req[0].Until != nil && *req[0].Until < 9 {
					break
				}
				require.Less(t, pages, tc.maxPages)
				kind := 1111
				if req[0].Kinds != nil {
					kind = req[0].Kinds[0]
				}
				for range tc.perPage {
					e := history(fmt.Sprintf("9/%d e:%s", kind, req[0].Tags["e"][0]))[0]
					e.ID = numberedID(n)
					n++
					if p.Event(e) == filters.TooMany {
						t.Fatal("too many")
					}
				}
				p.EOSE(filters.HintNone)
			}
			require.Equal(t, []filters.End{{Until: 9, Gap: true}}, p.Ends())
		})
	}
}

// A relay that goes on repeating what is known gives up none of it, and is given up.
func TestPagerGivesUpOnRepetition(t *testing.T) {
	var lines, values []string
	for i := range 100 {
		values = append(values, fmt.Sprint(i))
		lines = append(lines, fmt.Sprintf("9 e:%d", i), fmt.Sprintf("9 e:%d", i))
	}
	events := history(lines...)
	p := filters.NewPager([]nostr.Filter{tagFilter("e", values...)}, 500)
	for pages := 0; ; pages++ {
		req, ok := p.Next()
		if !ok {
			break
		}
		require.Less(t, pages, 400)
		sent := 0
		for i := range events {
			e := events[(i+2*pages)%len(events)]
			if req[0].Matches(e.Event) && sent < 2 {
				sent++
				p.Event(e)
			}
		}
		p.EOSE(filters.HintNone)
	}
	require.Equal(t, filters.FaultEndless, p.Ends()[0].Fault)
}

func TestPagerBoundaryThatWasDeleted(t *testing.T) {
	relay := newSimRelay(history(repeat(4, 9, "e:x")...))
	relay.clamp = 2
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 9)
	relay.run(p, 1, nil)
	relay.events = relay.events[2:]
	wanted, _ := relay.run(p, 9, nil)
	require.Len(t, wanted, 2)
	require.Equal(t, []string{"e:x", "e:x <=8", "e:x <=9", "e:x <=8", "e:x <=6"}, relay.asked)
	require.Equal(t, []filters.End{{Done: true, Until: 7}}, p.Ends())
}

func TestPagerAsksAgainAfterEveryEmptyPage(t *testing.T) {
	e := history("9 e:x", "8 e:x", "7 e:x", "5 q:x")
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 9)
	page(t, p, filters.HintNone, e[0])
	page(t, p, filters.HintNone)
	page(t, p, filters.HintNone, e[0], e[1])
	page(t, p, filters.HintNone)
	page(t, p, filters.HintNone, e[1], e[2])
	page(t, p, filters.HintNone, e[2])
	require.Equal(t, []filters.End{{Done: true, Until: 8}}, p.Ends())

	q := e[3]
	p = filters.NewPager([]nostr.Filter{tagFilter("e", "x"), tagFilter("q", "x")}, 9)
	page(t, p, filters.HintNone, e[0], q)
	page(t, p, filters.HintNone, e[0], q)
	page(t, p, filters.HintNone)
	page(t, p, filters.HintNone)
	require.True(t, p.Ends()[0].Done, "empty, and until is known to be inclusive")
	page(t, p, filters.HintNone)
	page(t, p, filters.HintNone, q)
	require.True(t, p.Ends()[1].Done)
}

func TestPagerProbesOnlyOnce(t *testing.T) {
	until := nostr.Timestamp(20)
	q := tagFilter("q", "x")
	q.Until = &until
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x"), q}, 9)
	page(t, p, filters.HintNone, history("9 e:x")[0])
	for _, want := range []string{"e:x <=9", "e:x <=9", "e:x <=10", "q:x <=20"} {
		req, ok := p.Next()
		require.True(t, ok)
		require.Equal(t, want, short(req))
		p.EOSE(filters.HintNone)
	}
}

func TestPagerFarFuture(t *testing.T) {
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 9)
	relay := newSimRelay(history(fmt.Sprintf("%d e:x", int64(math.MaxInt64)), "9 e:x"))
	wanted, _ := relay.run(p, 9, nil)
	require.Len(t, wanted, 2)
	require.True(t, p.Ends()[0].Done)

	relay = newSimRelay(history(fmt.Sprintf("%d e:x", int64(math.MaxInt64))))
	p = filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 9)
	_, pages := relay.run(p, 99, func(map[event.ID]int) { require.Positive(t, p.Ends()[0].Until) })
	require.Less(t, pages, 5)
	require.True(t, p.Ends()[0].Done)
}

// A page that is cut shows how far it has got where its events came newest first.
func TestPagerGoesOnBelowACut(t *testing.T) {
	at := func(events []*event.Event, order ...int) (out []*event.Event) {
		for _, i := range order {
			out = append(out, events[i])
		}
		return out
	}
	e, q := tagFilter("e", "x"), tagFilter("q", "x")
	alone := history("9 e:x", "8 e:x", "8 e:x", "7 e:x")
	two := history("9 e:x", "8 e:x", "7 q:x", "6 e:x q:x", "5 q:x")
	for name, tc := range map[string]struct {
		fs     []nostr.Filter
		events []*event.Event
		next   string // REQ; empty: it has failed
		ends   []filters.End
	}{
		"newest first":                       {[]nostr.Filter{e}, at(alone, 0, 1, 2), "e:x <=8", []filters.End{{Until: 9}}},
		"oldest first":                       {[]nostr.Filter{e}, at(alone, 3, 2, 1), "", nil},
		"nothing":                            {[]nostr.Filter{e}, nil, "", nil},
		"one filter after the other":         {[]nostr.Filter{e, q}, at(two, 0, 1, 3, 2, 4), "e:x <=8 + q:x <=5", []filters.End{{Until: 9}, {Until: 6}}},
		"only the first filter":              {[]nostr.Filter{e, q}, at(two, 0, 1), "e:x <=8", []filters.End{{Until: 9}, {}}},
		"an event of both moves neither":     {[]nostr.Filter{e, q}, at(two, 0, 1, 3), "e:x <=8", []filters.End{{Until: 9}, {}}},
		"one second shows no order":          {[]nostr.Filter{e}, at(alone, 1, 2), "", nil},
		"the other filter's order is broken": {[]nostr.Filter{e, q}, at(two, 0, 1, 4, 2), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := filters.NewPager(tc.fs, 9)
			_, ok := p.Next()
			require.True(t, ok)
			for _, e := range tc.events {
				p.Event(e)
			}
			require.Equal(t, tc.next != "", p.Cut())
			if tc.next == "" {
				require.Equal(t, filters.FaultAborted, p.Ends()[0].Fault)
				return
			}
			require.Equal(t, tc.ends, p.Ends())
			req, ok := p.Next()
			require.True(t, ok)
			require.Equal(t, tc.next, short(req))
			require.False(t, p.Cut(), "nothing new came")
		})
	}
	require.False(t, filters.NewPager([]nostr.Filter{e}, 9).Cut(), "no page was asked")
}

// page feeds one page to a pager.
func page(t *testing.T, p *filters.Pager, hint filters.Hint, events ...*event.Event) {
	t.Helper()
	_, ok := p.Next()
	require.True(t, ok)
	for _, e := range events {
		p.Event(e)
	}
	p.EOSE(hint)
}

func TestPagerForeignEventsAreNoAnswer(t *testing.T) {
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 9)
	foreign := history("9 e:y")[0]
	page(t, p, filters.HintFinish, foreign)
	require.Equal(t, filters.End{}, p.Ends()[0])
	page(t, p, filters.HintNone, foreign)
	require.Equal(t, filters.FaultUnpageable, p.Ends()[0].Fault)
}

func TestPagerForgivesWhatIsNotRepeated(t *testing.T) {
	events := history("9 e:x", "8 e:x", "7 e:x", "99 e:x")
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x")}, 9)
	page(t, p, filters.HintNone, events[0])
	page(t, p, filters.HintNone, events[0], events[3])
	page(t, p, filters.HintNone, events[0], events[1], events[3])
	page(t, p, filters.HintNone, events[1], events[3])
	page(t, p, filters.HintNone, events[1], events[2])
	page(t, p, filters.HintNone, events[2])
	require.Equal(t, []filters.End{{Done: true, Until: 8}}, p.Ends())
}

func TestPagerOlderThanSinceWasNotAskedFor(t *testing.T) {
	since := nostr.Timestamp(8)
	f := tagFilter("e", "x")
	f.Since = &since
	p := filters.NewPager([]nostr.Filter{f}, 9)
	_, _ = p.Next()
	require.Equal(t, filters.OffFilter, p.Event(history("7 e:x")[0]))
	require.Equal(t, filters.Wanted, p.Event(history("8 e:x")[0]))
}

// More is not overruled by what the relay has proven.
func TestPagerMoreIsBelieved(t *testing.T) {
	events := history("9 e:x", "7 q:x")
	p := filters.NewPager([]nostr.Filter{tagFilter("e", "x"), tagFilter("q", "x")}, 9)
	p.Trust(filters.Proven{Page: 100, Filter: 100})
	page(t, p, filters.HintMore, events...)
	page(t, p, filters.HintMore, events...)
	req, ok := p.Next()
	require.True(t, ok)
	require.Equal(t, "e:x <=9", short(req))
}

func TestPagerNarrowingAnsweredWithOthersIsAGap(t *testing.T) {
	events := history("9 e:x", "9 e:y", "9 q:z", "9 q:z")
	for name, spoil := range map[string]func(*filters.Pager){
		"foreign events": func(p *filters.Pager) { page(t, p, filters.HintNone, events[0], events[2], events[3]) },
		"says more":      func(p *filters.Pager) { page(t, p, filters.HintMore, events[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			p := filters.NewPager([]nostr.Filter{tagFilter("e", "x", "y")}, 9)
			page(t, p, filters.HintNone, events[:2]...)
			page(t, p, filters.HintNone, events[:2]...)
			spoil(p)
			page(t, p, filters.HintNone, events[1])
			require.Equal(t, []filters.End{{Until: 9, Gap: true}}, p.Ends())
		})
	}
}

func TestParseHint(t *testing.T) {
	for _, tc := range []struct {
		in   []string
		want filters.Hint
	}{
		{nil, filters.HintNone},
		{[]string{"finish"}, filters.HintFinish},
		{[]string{"x", "more"}, filters.HintMore},
		{[]string{"more", "finish"}, filters.HintNone},
		{[]string{"FINISH"}, filters.HintNone},
	} {
		require.Equal(t, tc.want, filters.ParseHint(tc.in), tc.in)
	}
}

func TestFaultsHaveNames(t *testing.T) {
	require.Equal(t, "none", filters.FaultNone.String())
	require.Equal(t, "no progress", filters.FaultEndless.String())
}

// BenchmarkPager is one event of a page of nine filters with 100 values each.
func BenchmarkPager(b *testing.B) {
	var fs []nostr.Filter
	for _, chunk := range filters.AboutRoots(numberedIDs(300), 100) {
		fs = append(fs, chunk...)
	}
	var events []*event.Event
	for i := range 4000 {
		e := history(fmt.Sprintf("%d e:%s E:%s p:%s", 10_000-i, numberedID(i%300), numberedID(i%300), key(1)))[0]
		e.ID = numberedID(i)
		events = append(events, e)
	}
	p := filters.NewPager(fs, 500)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(events) == 0 {
			_, _ = p.Next()
		}
		if p.Event(events[i%len(events)]) == filters.OffFilter {
			b.Fatal("off filter")
		}
	}
}
