package filters_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

func tagFilter(name string, values ...string) nostr.Filter {
	return nostr.Filter{Tags: nostr.TagMap{name: values}}
}

// history makes events from "<created_at> <name>:<value>..." with ids in the order given and kind 1111, or "<created_at>/<kind>".
func history(lines ...string) []*event.Event {
	var out []*event.Event
	for i, line := range lines {
		words := strings.Fields(line)
		at, kind := int64(0), 1111
		if n, _ := fmt.Sscanf(words[0], "%d/%d", &at, &kind); n == 0 {
			panic(line)
		}
		var tags nostr.Tags
		for _, w := range words[1:] {
			name, value, _ := strings.Cut(w, ":")
			tags = append(tags, nostr.Tag{name, value})
		}
		e := makeEvent(0, 1, kind, at, tags)
		e.ID = numberedID(i)
		e.Event.ID = e.ID.String()
		out = append(out, e)
	}
	return out
}

// repeat gives n lines, each with its own second from newest on.
func repeat(n, newest int, rest string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%d %s", newest-i, rest))
	}
	return out
}

// short writes a REQ as "e:x,y <=100 + q:z", with since as >= and kinds as k1,2.
func short(req []nostr.Filter) string {
	var out []string
	for _, f := range req {
		var words []string
		for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
			words = append(words, name+":"+strings.Join(f.Tags[name], ","))
		}
		if f.Kinds != nil {
			words = append(words, "k"+strings.Trim(strings.ReplaceAll(fmt.Sprint(f.Kinds), " ", ","), "[]"))
		}
		if f.Since != nil {
			words = append(words, fmt.Sprintf(">=%d", *f.Since))
		}
		if f.Until != nil {
			words = append(words, fmt.Sprintf("<=%d", *f.Until))
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, " + ")
}

func TestPagerRules(t *testing.T) {
	e, q := tagFilter("e", "x"), tagFilter("q", "x")
	done := filters.End{Done: true}
	until := func(f nostr.Filter, n int64) nostr.Filter { u := nostr.Timestamp(n); f.Until = &u; return f }
	since := func(f nostr.Filter, n int64) nostr.Filter { s := nostr.Timestamp(n); f.Since = &s; return f }
	end := func(until int64) filters.End { return filters.End{Done: true, Until: until} }
	for _, tc := range []struct {
		name   string
		relay  simRelay
		events []string
		fs     []nostr.Filter
		limit  int // 4 when 0
		trust  filters.Proven
		want   []string // REQs
		ends   []filters.End
		missed int
	}{
		{
			name: "an empty page ends all", fs: []nostr.Filter{e, q},
			want: []string{"e:x + q:x"}, ends: []filters.End{done, done},
		},
		{
			name: "no filters",
		},
		{
			name: "alone, nothing new is the end", fs: []nostr.Filter{e}, events: []string{"9 e:x", "7 e:x"},
			want: []string{"e:x", "e:x <=7"}, ends: []filters.End{end(8)},
		},
		{
			name: "a page below the limit is not the last", fs: []nostr.Filter{e}, events: repeat(5, 9, "e:x"), relay: simRelay{clamp: 2},
			want: []string{"e:x", "e:x <=8", "e:x <=7", "e:x <=6", "e:x <=5"}, ends: []filters.End{end(6)},
		},
		{
			name: "each filter has its own cursor; what never matched is asked once more",
			fs:   []nostr.Filter{e, q, tagFilter("q", "y")}, events: append(repeat(6, 90, "e:x"), "50 q:x", "40 q:x"),
			want: []string{"e:x + q:x + q:y", "e:x <=87 + q:x <=40", "e:x <=85", "q:y", "q:x <=40"},
			ends: []filters.End{end(86), end(41), done},
		},
		{
			name: "less than half of what was proven needs no page alone", trust: filters.Proven{Page: 100, Filter: 100},
			fs: []nostr.Filter{e, q}, events: append(repeat(3, 90, "e:x"), "50 q:x", "40 q:x"),
			want: []string{"e:x + q:x", "e:x <=88 + q:x <=40"}, ends: []filters.End{end(89), end(41)},
		},
		{
			name: "an event of two filters moves neither cursor", trust: filters.Proven{Page: 100, Filter: 100},
			fs:     []nostr.Filter{e, q},
			events: append(repeat(3, 90, "e:x"), append(repeat(3, 60, "q:x"), "10 e:x q:x")...), relay: simRelay{clamp: 3}, limit: 50,
			want: []string{"e:x + q:x", "e:x <=88 + q:x <=58", "e:x <=88", "e:x <=10", "q:x <=58", "q:x <=10"},
			ends: []filters.End{end(11), end(11)},
		},
		{
			name: "finish is believed", relay: simRelay{hints: true}, fs: []nostr.Filter{e, q}, events: []string{"9 e:x", "7 q:x"},
			want: []string{"e:x + q:x"}, ends: []filters.End{done, done},
		},
		{
			name: "finish at our own limit is not believed", relay: simRelay{hints: true}, fs: []nostr.Filter{e}, events: repeat(4, 9, "e:x"),
			want: []string{"e:x", "e:x <=6"}, ends: []filters.End{end(7)},
		},
		{
			name: "since is kept and ends", fs: []nostr.Filter{since(e, 8)}, events: repeat(5, 9, "e:x"),
			want: []string{"e:x >=8", "e:x >=8 <=8"}, ends: []filters.End{end(9)},
		},
		{
			name: "until of the filter is where it starts", fs: []nostr.Filter{until(e, 7)}, events: repeat(5, 9, "e:x"),
			want: []string{"e:x <=7", "e:x <=5"}, ends: []filters.End{end(6)},
		},
		{
			name: "until ends at 1", fs: []nostr.Filter{e}, events: []string{"2 e:x", "0 e:x", "-5 e:x"},
			want: []string{"e:x"}, ends: []filters.End{end(-4)},
		},
		{
			name: "what matches nothing is not asked",
			fs:   []nostr.Filter{{Kinds: []int{}}, tagFilter("e"), until(e, 0), until(since(e, 9), 8)},
			ends: []filters.End{done, done, done, done},
		},
		{
			name: "all ids came", fs: []nostr.Filter{{IDs: []string{numberedID(0).String(), numberedID(1).String()}}},
			events: []string{"9 e:x", "7 e:x"}, want: []string{""}, ends: []filters.End{done},
		},
		{
			name: "a second larger than a page is narrowed by values", relay: simRelay{clamp: 3}, fs: []nostr.Filter{tagFilter("e", "x", "y")},
			events: []string{"9 e:x", "9 e:x", "9 e:x", "9 e:y", "9 e:y", "5 e:x"}, trust: filters.Proven{Page: 3, Filter: 3},
			want: []string{
				"e:x,y", "e:x,y <=9", "e:x >=9 <=9",
				"e:x k5,7,62,1111,1617,1618,1619,1621,1622,1624,1630 >=9 <=9", "e:x k5,7,62,1111,1617 >=9 <=9", "e:x k5,7 >=9 <=9",
				"e:x k62,1111,1617 >=9 <=9", "e:x k62 >=9 <=9", "e:x k1111,1617 >=9 <=9", "e:x k1111 >=9 <=9", "e:x k1617 >=9 <=9",
				"e:x k1618,1619,1621,1622,1624,1630 >=9 <=9", "e:x k1631,1632,1633,1985,7321,9735,9841,9842,30617,30618,1 >=9 <=9",
				"e:y >=9 <=9", "e:x,y <=8", "e:x,y <=5",
			},
			ends: []filters.End{{Done: true, Until: 6, Gap: true}},
		},
		{
			name: "narrowing that misses nothing is no gap", relay: simRelay{clamp: 3},
			fs: []nostr.Filter{{Kinds: []int{1111, 1621}, Tags: nostr.TagMap{"e": {"x", "y"}}}}, trust: filters.Proven{Page: 3, Filter: 3},
			events: []string{"9 e:x", "9 e:x", "9/1621 e:x", "9 e:y", "9 e:y", "5 e:x"},
			want: []string{
				"e:x,y k1111,1621", "e:x,y k1111,1621 <=9", "e:x k1111,1621 >=9 <=9", "e:x k1111 >=9 <=9", "e:x k1621 >=9 <=9",
				"e:y k1111,1621 >=9 <=9", "e:x,y k1111,1621 <=8", "e:x,y k1111,1621 <=5",
			},
			ends: []filters.End{end(6)},
		},
		{
			name: "a relay that does not answer for parts of a second leaves a gap", relay: simRelay{clamp: 2, ignoreParts: true},
			fs:     []nostr.Filter{{Kinds: []int{1111}, Tags: nostr.TagMap{"e": {"x", "y"}}}},
			events: []string{"9 e:x", "9 e:y", "9 e:y", "5 e:x"}, missed: 1,
			want: []string{
				"e:x,y k1111", "e:x,y k1111 <=9", "e:x k1111 >=9 <=9", "e:y k1111 >=9 <=9", "e:x,y k1111 <=8", "e:x,y k1111 <=5",
			},
			ends: []filters.End{{Done: true, Until: 6, Gap: true}},
		},
		{
			name: "a relay that ignores until is unpageable", relay: simRelay{ignoreUntil: true, clamp: 2}, fs: []nostr.Filter{e},
			events: repeat(5, 9, "e:x"), missed: 3, want: []string{"e:x", "e:x <=8", "e:x <=8"},
			ends: []filters.End{{Failed: true, Fault: filters.FaultUnpageable, Until: 9}},
		},
		{
			name: "a relay that ignores limit is cut off", relay: simRelay{ignoreLimit: true}, fs: []nostr.Filter{e, q},
			events: repeat(41, 90, "e:x"), missed: 1, want: []string{"e:x + q:x"},
			ends: []filters.End{{Failed: true, Fault: filters.FaultAborted}, {Failed: true, Fault: filters.FaultAborted}},
		},
		{
			name: "an empty page where the boundary should come is asked again", relay: simRelay{clamp: 2, emptyOnce: 1}, fs: []nostr.Filter{e},
			events: repeat(3, 9, "e:x"), want: []string{"e:x", "e:x <=8", "e:x <=8", "e:x <=7"}, ends: []filters.End{end(8)},
		},
		{
			name: "a relay out of breath", relay: simRelay{clamp: 2, emptyOnce: 9}, fs: []nostr.Filter{e}, missed: 1,
			events: repeat(3, 9, "e:x"), want: []string{"e:x", "e:x <=8", "e:x <=8", "e:x <=9"}, ends: []filters.End{end(9)},
		},
		{
			name: "an exclusive until is seen", relay: simRelay{clamp: 2, exclusive: true}, fs: []nostr.Filter{e},
			events: []string{"9 e:x", "8 e:x", "8 e:x", "7 e:x"},
			want:   []string{"e:x", "e:x <=8", "e:x <=9", "e:x <=9"}, ends: nil,
		},
		{
			name: "an exclusive until is seen where filters overlap", relay: simRelay{clamp: 2, exclusive: true}, fs: []nostr.Filter{e, q},
			events: []string{"20 q:x", "9 e:x", "8 e:x", "8 e:x", "8 e:x q:x", "5 e:x"},
		},
		{
			name: "finish says nothing about an exclusive boundary", relay: simRelay{clamp: 2, exclusive: true, hints: true}, limit: 50,
			fs: []nostr.Filter{e, q}, events: []string{"20 q:x", "9 e:x", "8 e:x", "8 e:x", "8 e:x q:x", "5 e:x"},
		},
		{
			name: "what never matched is asked apart even where much was proven", trust: filters.Proven{Page: 100, Filter: 100},
			fs: []nostr.Filter{e, q, tagFilter("q", "y")}, events: []string{"9 e:x", "5 q:x"},
			want: []string{"e:x + q:x + q:y", "e:x <=9 + q:x <=5", "q:y"}, ends: []filters.End{end(10), end(6), done},
		},
		{
			name: "more means that the second holds more", trust: filters.Proven{Page: 100, Filter: 100}, relay: simRelay{clamp: 2, hints: true},
			fs: []nostr.Filter{{Kinds: []int{7, 1111}, Tags: nostr.TagMap{"e": {"x"}}}}, events: []string{"9 e:x", "9 e:x", "9/7 e:x"},
			want: []string{"e:x k7,1111", "e:x k7,1111 <=9", "e:x k7 >=9 <=9", "e:x k1111 >=9 <=9", "e:x k7,1111 <=8"}, ends: []filters.End{end(9)},
		},
		{
			name: "finish ends narrowing", relay: simRelay{clamp: 3, hints: true}, limit: 50, fs: []nostr.Filter{tagFilter("e", "x", "y")},
			events: []string{"9 e:x", "9 e:x", "9 e:x", "9 e:y"},
			want:   []string{"e:x,y", "e:x,y <=9", "e:x >=9 <=9", "e:y >=9 <=9", "e:x,y <=8"}, ends: []filters.End{end(9)},
		},
		{
			name: "kinds that nobody thought of are a gap", relay: simRelay{clamp: 2}, fs: []nostr.Filter{e},
			events: []string{"9 e:x", "9/29 e:x", "9/29 e:x"}, missed: 1,
			want: []string{
				"e:x", "e:x <=9", "e:x k5,7,62,1111,1617,1618,1619,1621,1622,1624,1630 >=9 <=9",
				"e:x k1631,1632,1633,1985,7321,9735,9841,9842,30617,30618,1 >=9 <=9", "e:x <=8",
			},
			ends: []filters.End{{Done: true, Until: 9, Gap: true}},
		},
		{
			name: "a relay that cut less than it has proven is trusted with that only", trust: filters.Proven{Page: 100, Filter: 100},
			relay: simRelay{clamp: 2}, fs: []nostr.Filter{e, q}, events: append(repeat(5, 90, "e:x"), repeat(3, 50, "q:x")...),
			want: []string{"e:x + q:x", "e:x <=89 + q:x <=49", "e:x <=88 + q:x <=48", "e:x <=87", "e:x <=86", "q:x <=48"},
			ends: []filters.End{end(87), end(49)},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			relay := newSimRelay(history(tc.events...))
			all := relay.events
			*relay = tc.relay
			relay.events = all
			if tc.limit == 0 {
				tc.limit = 4
			}
			p := filters.NewPager(tc.fs, tc.limit)
			p.Trust(tc.trust)
			wanted, _ := relay.run(p, 100, nil)
			if tc.ends != nil {
				require.Equal(t, tc.want, relay.asked)
				require.Equal(t, tc.ends, p.Ends())
			} else if tc.want != nil {
				require.Equal(t, tc.want, relay.asked[:len(tc.want)])
			}
			matching := 0
			for _, e := range all {
				if slices.ContainsFunc(tc.fs, func(f nostr.Filter) bool { return f.Matches(e.Event) }) {
					matching++
				}
			}
			require.Equal(t, tc.missed, matching-len(wanted))
		})
	}
}

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
	for _, chunk := range filters.Roots(ids(0, 300), 100) {
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
