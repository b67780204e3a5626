package filters_test

import (
	"slices"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
)

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
