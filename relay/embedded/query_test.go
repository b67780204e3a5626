package embedded

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/embedded/server"
)

var (
	someIDs   = []string{strings.Repeat("0a", 32), strings.Repeat("0b", 32), strings.Repeat("0c", 32)}
	someText  = []string{"", "x", "30617:" + strings.Repeat("0a", 32) + ":d", "30617:" + strings.Repeat("0a", 32) + ":" + strings.Repeat("long", 80)}
	someKinds = []int{1, 7, 1111, 1621, 30617}
)

// unsigned makes an event whose id and key are free to choose: the store checks neither.
func unsigned(t *rapid.T, n int) *event.Event {
	var id, pk [32]byte
	id[0], id[1] = byte(rapid.IntRange(0, 255).Draw(t, "id")), byte(n)
	pk[0] = byte(rapid.IntRange(1, 3).Draw(t, "author"))
	e := nostr.Event{
		ID: event.ID(id).String(), PubKey: event.PubKey(pk).String(), Sig: strings.Repeat("0", 128),
		Kind: rapid.SampledFrom(someKinds).Draw(t, "kind"), CreatedAt: nostr.Timestamp(rapid.IntRange(0, 6).Draw(t, "at")),
	}
	for range rapid.IntRange(0, 4).Draw(t, "tags") {
		tag := nostr.Tag{rapid.SampledFrom([]string{"e", "E", "a", "d", "k", "name"}).Draw(t, "tag")}
		if rapid.IntRange(0, 9).Draw(t, "with value") > 0 {
			tag = append(tag, rapid.SampledFrom(slices.Concat(someIDs, someText)).Draw(t, "value"))
		}
		e.Tags = append(e.Tags, tag)
	}
	if e.Kind == 30617 {
		e.Tags = append(nostr.Tags{{"d", fmt.Sprint(n)}}, e.Tags...) // one of each coordinate: replacing is not the store's
	}
	out, err := event.Wrap(e)
	require.NoError(t, err)
	return out
}

func genFilter(t *rapid.T, all []*event.Event) nostr.Filter {
	var f nostr.Filter
	if rapid.IntRange(0, 4).Draw(t, "by id") == 0 {
		f.IDs = []string{someIDs[0]}
		for _, e := range all {
			if rapid.Bool().Draw(t, "this id") {
				f.IDs = append(f.IDs, e.Event.ID)
			}
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "by kind") == 0 {
		f.Kinds = rapid.SliceOfN(rapid.SampledFrom(someKinds), 0, 3).Draw(t, "kinds")
	}
	if rapid.IntRange(0, 2).Draw(t, "by author") == 0 {
		f.Authors = []string{}
		for i := range rapid.IntRange(0, 2).Draw(t, "authors") {
			f.Authors = append(f.Authors, event.PubKey{byte(i + 1)}.String())
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "by tags") {
		if f.Tags == nil {
			f.Tags = nostr.TagMap{}
		}
		f.Tags[rapid.SampledFrom([]string{"e", "E", "a", "d", "k"}).Draw(t, "tag")] =
			rapid.SliceOfN(rapid.SampledFrom(slices.Concat(someIDs, someText)), 0, 3).Draw(t, "values")
	}
	stamp := func(name string) *nostr.Timestamp {
		if rapid.IntRange(0, 2).Draw(t, name) > 0 {
			return nil
		}
		at := nostr.Timestamp(rapid.IntRange(-1, 7).Draw(t, name))
		return &at
	}
	f.Since, f.Until = stamp("since"), stamp("until")
	return f
}

// The store answers every filter as a look at each event would, before and after some are removed.
func TestQueriesAgreeWithMatching(t *testing.T) {
	s, err := openStore(t.Context(), t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	_, err = s.write.Exec("PRAGMA synchronous = OFF") // for speed
	require.NoError(t, err)
	k := &keeper{store: s}
	rapid.Check(t, func(t *rapid.T) {
		_, err := s.write.Exec("DELETE FROM event; DELETE FROM tag")
		require.NoError(t, err)
		tx, err := s.begin(t.Context())
		require.NoError(t, err)
		var all []*event.Event
		for n := range rapid.IntRange(0, 25).Draw(t, "events") {
			e := unsigned(t, n)
			all = append(all, e)
			require.NoError(t, tx.insert(e))
		}
		require.NoError(t, tx.commit())
		check := func() {
			slices.SortFunc(all, func(a, b *event.Event) int {
				return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
			})
			for range 5 {
				f := genFilter(t, all)
				limit := rapid.IntRange(1, 30).Draw(t, "limit")
				var want []event.ID
				for _, e := range all {
					if len(want) < limit && f.Matches(e.Event) {
						want = append(want, e.ID)
					}
				}
				got, err := k.Find(t.Context(), f, limit)
				require.NoError(t, err)
				require.Len(t, got, len(want), "%s", f)
				require.True(t, slices.Equal(want, got), "%s", f)
			}
		}
		check()
		tx, err = s.begin(t.Context())
		require.NoError(t, err)
		all = slices.DeleteFunc(all, func(e *event.Event) bool {
			gone := rapid.Bool().Draw(t, "remove")
			if gone {
				require.NoError(t, tx.remove(e.ID))
			}
			return gone
		})
		require.NoError(t, tx.commit())
		check()
		var rows int
		require.NoError(t, s.read.QueryRow(`SELECT count(*) FROM tag WHERE id NOT IN (SELECT id FROM event)`).Scan(&rows))
		require.Zero(t, rows, "tags without their event")
	})
}

func TestFetchKeepsOrderAndLeavesOutWhatIsGone(t *testing.T) {
	relay := run(t, rules())
	p := dial(t, relay.URL())
	p.accepted(announce(t, owner, "a", 1), announce(t, owner, "b", 2))
	ids, err := relay.keeper.Find(t.Context(), nostr.Filter{}, 10)
	require.NoError(t, err)
	var got []string
	require.NoError(t, relay.keeper.Fetch(t.Context(), []event.ID{ids[1], {}, ids[0]}, func(raw []byte) {
		e, err := event.Parse(raw, event.DefaultLimits())
		require.NoError(t, err)
		got = append(got, e.D())
	}))
	require.Equal(t, []string{"a", "b"}, got)
}

func TestItemsKnowNoPageLimit(t *testing.T) {
	relay := run(t, rules())
	p := dial(t, relay.URL())
	p.accepted(announce(t, owner, "repo", 1))
	const n = 1500 // more than max_limit
	for i := 0; i < n; i += 100 {
		for j := range 100 {
			p.write(`["EVENT",%s]`, sign(t, stranger, 1621, int64(i+j), "", nostr.Tag{"a", coordinate(t, owner, "repo")}).Event)
		}
		for range 100 {
			require.Equal(t, true, p.read()[2])
		}
	}
	require.Len(t, p.ids(`{"kinds":[1621],"limit":5000}`), 1000)
	count := 0
	require.NoError(t, relay.keeper.Items(t.Context(), nostr.Filter{Kinds: []int{1621}}, n, func(int64, event.ID) { count++ }))
	require.Equal(t, n, count)
	require.ErrorIs(t, relay.keeper.Items(t.Context(), nostr.Filter{Kinds: []int{1621}}, n-1, nil), server.ErrTooMany)
}

// Every driver is led by an index: nothing that a client may ask looks at the whole store.
func TestPlansUseIndexes(t *testing.T) {
	relay := run(t, rules())
	id, at := someIDs[0], nostr.Timestamp(5)
	for _, f := range []nostr.Filter{
		{},
		{Since: &at, Until: &at},
		{IDs: []string{id}},
		{Kinds: []int{1, 2}},
		{Authors: []string{id}},
		{Authors: []string{id}, Kinds: []int{5, 62}},
		{Kinds: []int{30618}, Tags: nostr.TagMap{"d": {"x", "y"}}},
		{Tags: nostr.TagMap{"e": {id}}, Kinds: []int{1111}, Until: &at},
		{Tags: nostr.TagMap{"k": {"1621"}}, Kinds: []int{5}},
		{Tags: nostr.TagMap{"k": {"1621"}}, Authors: []string{id}},
	} {
		p, ok := planFilter(f)
		require.True(t, ok)
		for _, driver := range p.drivers {
			func() {
				rows, err := relay.store.read.Query("EXPLAIN QUERY PLAN "+p.text, slices.Concat(driver, p.rest, []any{10})...)
				require.NoError(t, err)
				defer func() { require.NoError(t, rows.Close()) }()
				for rows.Next() {
					var a, b, c int
					var detail string
					require.NoError(t, rows.Scan(&a, &b, &c, &detail))
					require.NotContains(t, detail, "TEMP B-TREE", "%s: %s", f, p.text)
					if strings.HasPrefix(detail, "SCAN") {
						require.Contains(t, detail, "event_time", "%s", f)
					}
				}
				require.NoError(t, rows.Err())
			}()
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	relay := run(b, rules())
	p := dial(b, relay.URL())
	p.accepted(announce(b, owner, "repo", 1))
	events := make([]*event.Event, b.N)
	for i := range events {
		events[i] = sign(b, stranger, 1621, int64(i), strings.Repeat("x", 300), nostr.Tag{"a", coordinate(b, owner, "repo")}, nostr.Tag{"p", someIDs[0]})
	}
	b.ResetTimer()
	go func() {
		for _, e := range events {
			p.write(`["EVENT",%s]`, e.Event)
		}
	}()
	for range events {
		if p.read()[2] != true {
			b.Fatal("refused")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
