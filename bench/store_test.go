package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func hexID(n int) string { return fmt.Sprintf("%064x", n) }

// drawEvents makes events whose values meet those of drawFilter, on few seconds, so that there are ties.
func drawEvents(t *rapid.T) []entry {
	n := rapid.IntRange(0, 40).Draw(t, "events")
	var out []entry
	for i := range n {
		e := &nostr.Event{
			ID: hexID(i), PubKey: hexID(rapid.IntRange(0, 3).Draw(t, "author")),
			Kind: rapid.IntRange(1, 4).Draw(t, "kind"), CreatedAt: nostr.Timestamp(rapid.IntRange(10, 16).Draw(t, "at")),
		}
		for range rapid.IntRange(0, 4).Draw(t, "tags") {
			tag := nostr.Tag{rapid.SampledFrom([]string{"a", "e", "E", "q", "subject"}).Draw(t, "name")}
			if rapid.IntRange(0, 9).Draw(t, "bare") > 0 {
				tag = append(tag, rapid.SampledFrom([]string{"x", "y", "z", ""}).Draw(t, "value"))
			}
			e.Tags = append(e.Tags, tag)
		}
		out = append(out, entry{event: e})
	}
	return rapid.Permutation(out).Draw(t, "order of arrival")
}

func drawFilter(t *rapid.T) nostr.Filter {
	var f nostr.Filter
	some := func(what string) bool { return rapid.IntRange(0, 2).Draw(t, what) == 0 }
	at := func(what string) *nostr.Timestamp {
		v := nostr.Timestamp(rapid.IntRange(9, 17).Draw(t, what))
		return &v
	}
	if some("by id") {
		f.IDs = []string{}
		for range rapid.IntRange(0, 5).Draw(t, "ids") {
			f.IDs = append(f.IDs, hexID(rapid.IntRange(0, 45).Draw(t, "id")))
		}
	}
	if some("by author") {
		f.Authors = rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 4), hexID), 0, 3).Draw(t, "authors")
	}
	if some("by kind") {
		f.Kinds = rapid.SliceOfN(rapid.IntRange(1, 5), 0, 3).Draw(t, "kinds")
	}
	for _, name := range []string{"a", "e", "E", "q"} {
		if some("by " + name) {
			if f.Tags == nil {
				f.Tags = nostr.TagMap{}
			}
			f.Tags[name] = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z", "", "w"}), 0, 3).Draw(t, "values")
		}
	}
	if some("since") {
		f.Since = at("since")
	}
	if some("until") {
		f.Until = at("until")
	}
	f.Limit = rapid.SampledFrom([]int{0, 0, 1, 3, 100}).Draw(t, "limit")
	f.LimitZero = rapid.IntRange(0, 9).Draw(t, "limit 0") == 0
	return f
}

// naive is NIP-01 word for word, by the library's idea of a match.
func naive(events []entry, f nostr.Filter, most int) []string {
	if f.LimitZero {
		return nil
	}
	if f.Limit > 0 {
		most = min(most, f.Limit)
	}
	newest := slices.Clone(events)
	slices.SortFunc(newest, func(a, b entry) int {
		if a.event.CreatedAt != b.event.CreatedAt {
			return int(b.event.CreatedAt - a.event.CreatedAt)
		}
		return strings.Compare(a.event.ID, b.event.ID)
	})
	var out []string
	for _, e := range newest {
		if len(out) < most && f.Matches(e.event) {
			out = append(out, e.event.ID)
		}
	}
	return out
}

func TestStoreAnswersAsTheLibraryMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		s := newStore()
		for i, e := range events {
			require.True(t, s.add(e))
			if i%7 == 3 { // an answer in between must not spoil what is added later
				s.answer([]nostr.Filter{{Kinds: []int{1}}}, 10)
			}
		}
		for range 4 {
			f := drawFilter(t)
			var got []string
			for _, e := range s.answer([]nostr.Filter{f}, 20) {
				got = append(got, e.event.ID)
			}
			require.Equal(t, naive(events, f, 20), got, f.String())
		}
	})
}

func TestStoreGivesEveryEventOnceAndLimitsEveryFilter(t *testing.T) {
	s := newStore()
	for i := range 30 {
		require.True(t, s.add(entry{event: &nostr.Event{ID: hexID(i), Kind: 1, CreatedAt: nostr.Timestamp(i), Tags: nostr.Tags{{"e", "x"}}}}))
	}
	require.False(t, s.add(entry{event: &nostr.Event{ID: hexID(7)}}))
	require.Equal(t, 30, s.size())
	require.Contains(t, s.ids, hexID(7))
	ids := func(fs ...nostr.Filter) []string {
		var out []string
		for _, e := range s.answer(fs, 5) {
			out = append(out, e.event.ID)
		}
		return out
	}
	until := nostr.Timestamp(10)
	require.Equal(t, []string{hexID(29), hexID(28), hexID(27), hexID(26), hexID(25)}, ids(
		nostr.Filter{Kinds: []int{1}}, nostr.Filter{Tags: nostr.TagMap{"e": {"x"}}, Limit: 500}))
	require.Equal(t, []string{hexID(29), hexID(10), hexID(9)}, ids(
		nostr.Filter{Limit: 1}, nostr.Filter{Until: &until, Limit: 2}))
	require.Empty(t, ids(nostr.Filter{LimitZero: true}))
}
