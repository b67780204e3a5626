package filters_test

import (
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/filters"
)

func TestPackKeepsGroupsTogether(t *testing.T) {
	group := func(names ...string) []nostr.Filter {
		var fs []nostr.Filter
		for _, n := range names {
			fs = append(fs, nostr.Filter{Tags: nostr.TagMap{"d": {n}}})
		}
		return fs
	}
	for _, tc := range []struct {
		name   string
		groups [][]nostr.Filter
		perREQ int
		want   string
	}{
		{"nothing", nil, 10, ""},
		{"empty group", [][]nostr.Filter{{}}, 10, ""},
		{"all in one", [][]nostr.Filter{group("a", "b"), group("c")}, 3, "abc"},
		{"a group does not straddle", [][]nostr.Filter{group("a"), group("b", "c")}, 2, "a bc"},
		{"a large group is split", [][]nostr.Filter{group("a"), group("b", "c", "d"), group("e")}, 2, "a bc de"},
		{"limit below one", [][]nostr.Filter{group("a", "b")}, 0, "a b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, letters(filters.Pack(tc.groups, tc.perREQ, 10_000)))
		})
	}
}

func TestPackCountsBytes(t *testing.T) {
	f := nostr.Filter{Tags: nostr.TagMap{"d": {strings.Repeat("x", 800)}}}
	reqs := filters.Pack([][]nostr.Filter{{f, f, f}}, 10, 2000)
	require.Len(t, reqs, 2)
	require.Len(t, reqs[0], 2)
}

func TestPackHalvesAFilterOverTheLimit(t *testing.T) {
	f := nostr.Filter{Tags: nostr.TagMap{"d": {"a", "b", "c", "d"}, "k": {"1"}}}
	reqs := filters.Pack([][]nostr.Filter{{f}}, 10, 125)
	require.Equal(t, "ab cd", letters(reqs))
	reqs = filters.Pack([][]nostr.Filter{{f}}, 10, 1)
	require.Equal(t, "a b c d", letters(reqs))
	require.Len(t, f.Tags["d"], 4)
}

func letters(reqs [][]nostr.Filter) string {
	var out []string
	for _, req := range reqs {
		s := ""
		for _, f := range req {
			s += strings.Join(f.Tags["d"], "")
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// Whatever goes in comes out once, in order, within the limits.
func TestPackProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SliceOf(rapid.SliceOfN(genFilter(), 0, 5)).Draw(t, "groups")
		perREQ := rapid.IntRange(1, 12).Draw(t, "perREQ")
		maxBytes := rapid.IntRange(100, 3000).Draw(t, "maxBytes")
		reqs := filters.Pack(groups, perREQ, maxBytes)
		for _, req := range reqs {
			require.NotEmpty(t, req)
			require.LessOrEqual(t, len(req), perREQ)
			if filters.MessageBytes(strings.Repeat("x", 32), req) > maxBytes {
				require.Len(t, req, 1)
				_, _, ok := filters.Halve(req[0])
				require.False(t, ok, "a filter over the limit has nothing to halve")
			}
		}
		in, out := map[string]int{}, map[string]int{}
		for _, g := range groups {
			countValues(g, in)
		}
		for _, req := range reqs {
			countValues(req, out)
		}
		for v := range in {
			require.Positive(t, out[v], v)
		}
		require.Len(t, out, len(in))
	})
}

func countValues(fs []nostr.Filter, into map[string]int) {
	for _, f := range fs {
		for _, v := range f.IDs {
			into["id "+v]++
		}
		for _, v := range f.Authors {
			into["author "+v]++
		}
		for name, values := range f.Tags {
			for _, v := range values {
				into["tag "+name+" "+v]++
			}
		}
	}
}

func TestHalve(t *testing.T) {
	f := nostr.Filter{IDs: []string{"1", "2"}, Authors: []string{"3"}, Tags: nostr.TagMap{"e": {"4", "5", "6"}, "p": {"7", "8", "9"}}}
	a, b, ok := filters.Halve(f)
	require.True(t, ok)
	require.Equal(t, nostr.TagMap{"e": {"4"}, "p": {"7", "8", "9"}}, a.Tags)
	require.Equal(t, nostr.TagMap{"e": {"5", "6"}, "p": {"7", "8", "9"}}, b.Tags)
	require.Equal(t, f.IDs, a.IDs)

	a, b, ok = filters.Halve(nostr.Filter{Authors: []string{"1", "2", "3"}, Kinds: []int{1, 2, 3, 4}})
	require.True(t, ok)
	require.Equal(t, []string{"1"}, a.Authors)
	require.Equal(t, []string{"2", "3"}, b.Authors)

	_, _, ok = filters.Halve(nostr.Filter{Kinds: []int{1, 2}, Tags: nostr.TagMap{"e": {"1"}}})
	require.False(t, ok)
}
