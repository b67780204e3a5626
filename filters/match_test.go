package filters_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/corpus"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestMatch(t *testing.T) {
	e := makeEvent(7, 3, 1621, 100, nostr.Tags{{"a", "x"}, {"e"}, {}, {"alt", "long"}, {"e", "y", "z"}, {"p", ""}})
	at := func(n int64) *nostr.Timestamp { ts := nostr.Timestamp(n); return &ts }
	id, pk := e.ID.String(), e.PubKey.String()
	for _, tc := range []struct {
		name string
		f    nostr.Filter
		want bool
	}{
		{"no list", nostr.Filter{}, true},
		{"id", nostr.Filter{IDs: []string{"zz", id}}, true},
		{"other id", nostr.Filter{IDs: []string{event.ID{1}.String()}}, false},
		{"id prefix", nostr.Filter{IDs: []string{id[:10]}}, false},
		{"author", nostr.Filter{Authors: []string{pk}}, true},
		{"kind", nostr.Filter{Kinds: []int{1, 1621}}, true},
		{"other kind", nostr.Filter{Kinds: []int{1}}, false},
		{"tag", nostr.Filter{Tags: nostr.TagMap{"e": {"y"}}}, true},
		{"third element is no value", nostr.Filter{Tags: nostr.TagMap{"e": {"z"}}}, false},
		{"case matters", nostr.Filter{Tags: nostr.TagMap{"E": {"y"}}}, false},
		{"empty value", nostr.Filter{Tags: nostr.TagMap{"p": {""}}}, true},
		{"two tags", nostr.Filter{Tags: nostr.TagMap{"e": {"y"}, "a": {"x"}}}, true},
		{"one of two tags", nostr.Filter{Tags: nostr.TagMap{"e": {"y"}, "a": {"no"}}}, false},
		{"id and kind", nostr.Filter{IDs: []string{id}, Kinds: []int{1}}, false},
		{"id and author", nostr.Filter{IDs: []string{id}, Authors: []string{key(9).String()}}, false},
		{"tag and author", nostr.Filter{Authors: []string{pk}, Tags: nostr.TagMap{"e": {"y"}}}, true},
		{"since is inclusive", nostr.Filter{Since: at(100)}, true},
		{"until is inclusive", nostr.Filter{Until: at(100)}, true},
		{"too new", nostr.Filter{Until: at(99)}, false},
		{"too old", nostr.Filter{Since: at(101)}, false},
		{"empty ids", nostr.Filter{IDs: []string{}}, false},
		{"empty kinds", nostr.Filter{IDs: []string{id}, Kinds: []int{}}, false},
		{"empty tag", nostr.Filter{Tags: nostr.TagMap{"e": {}}}, false},
		{"nil tag", nostr.Filter{Tags: nostr.TagMap{"e": nil}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, tc.f.Matches(e.Event), "the oracle disagrees with the table")
			require.Equal(t, tc.want, len(filters.Compile([]nostr.Filter{tc.f}).Match(e, nil)) == 1)
		})
	}
}

func TestMatchAppendsEachIndexOnce(t *testing.T) {
	set := filters.Compile([]nostr.Filter{
		{Tags: nostr.TagMap{"e": {"1", "2", "2"}}}, {Kinds: []int{9}}, {Kinds: []int{1, 1}}, {},
	})
	e := makeEvent(1, 1, 1, 1, nostr.Tags{{"e", "2"}, {"e", "1"}, {"e", "2"}})
	require.Equal(t, []int{42, 0, 2, 3}, set.Match(e, []int{42}))
}

func TestMatchAgreesWithGoNostr(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SliceOf(genFilter()).Draw(t, "filters")
		set := filters.Compile(fs)
		for _, e := range rapid.SliceOfN(genEvent(), 1, 10).Draw(t, "events") {
			want := []int{}
			for i, f := range fs {
				if f.Matches(e.Event) {
					want = append(want, i)
				}
			}
			require.Equal(t, want, set.Match(e, []int{}))
		}
	})
}

func TestBytesIsWhatIsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SliceOf(genFilter()).Draw(t, "filters")
		id := rapid.StringMatching(`[a-z0-9]{1,32}`).Draw(t, "id")
		msg, err := nostr.ReqEnvelope{SubscriptionID: id, Filters: fs}.MarshalJSON()
		require.NoError(t, err)
		if len(fs) > 0 {
			require.Equal(t, len(msg), filters.MessageBytes(id, fs), string(msg))
		}
	})
}

// FuzzFilter reads a filter and an event and compares Match and Bytes with go-nostr.
func FuzzFilter(f *testing.F) {
	f.Add([]byte(`{"kinds":[1],"#e":["a\u2028\u0000<"],"limit":0}`), "e", "a\u2028\x00<", int64(5), 1)
	f.Add([]byte(`{"ids":[],"since":4,"until":-5}`), "", "", int64(-4), 30617)
	f.Add([]byte(`{"authors":["0300000000000000000000000000000000000000000000000000000000000000"],"#":["x"]}`), "", "x", int64(0), 0)
	for _, raw := range corpus.Events() {
		e, err := event.Parse(raw, event.DefaultLimits())
		require.NoError(f, err)
		for _, tag := range e.Tags[:min(1, len(e.Tags))] {
			value := tag[len(tag)-1]
			quoted, err := json.Marshal(value)
			require.NoError(f, err)
			f.Add(fmt.Appendf(nil, `{"kinds":[%d],"authors":["%s"],"#%s":[%s],"until":%d}`, e.Kind, e.Event.PubKey, tag[0][:1], quoted, e.CreatedAt),
				tag[0], value, int64(e.CreatedAt), e.Kind)
		}
	}
	for _, s := range []string{
		`{"kinds":[30617]}`, `{"kinds":[5],"#k":["1111","1617","1618","1619","1621"],"limit":0}`, `{"#d":["x"],"kinds":[30618],"since":1,"until":1,"limit":500}`, // ours
		``, `null`, `[]`, `{}`, `{"kinds":null,"#e":null}`, `{"kinds":["1"]}`, `{"kinds":[1e2,-1,99999999999]}`, `{"since":"1"}`, `{"until":1.5}`, `{"ids":[""],"ids":[]}`,
		`{"limit":-1}`, `{"#":[]}`, `{"#e":"x"}`, `{"#e":[1,null]}`, `{"#ee":["x"]}`, `{"search":"\ud800"}`, "{\"#t\":[\"\xff\"]}", `{"tags":{"e":["x"]}}`, `{"x":{"y":[}`,
	} {
		f.Add([]byte(s), "e", "x", int64(1), 1)
	}
	f.Fuzz(func(t *testing.T, raw []byte, name, value string, createdAt int64, kind int) {
		var filter nostr.Filter
		if filter.UnmarshalJSON(raw) != nil {
			return
		}
		encoded, err := filter.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, len(encoded), filters.Bytes([]nostr.Filter{filter}), string(encoded))
		e := makeEvent(1, 3, kind, createdAt, nostr.Tags{{name, value}, {name}})
		require.Equal(t, filter.Matches(e.Event), len(filters.Compile([]nostr.Filter{filter}).Match(e, nil)) == 1)
		if a, b, ok := filters.Halve(filter); ok {
			require.Equal(t, filter.Matches(e.Event), a.Matches(e.Event) || b.Matches(e.Event))
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ids := numberedIDs(n)
			set := filters.Compile(slices.Concat(filters.AboutRoots(ids, 100)...))
			e := makeEvent(1, 1, 1111, 1, nostr.Tags{{"E", ids[n/2].String()}, {"p", key(1).String()}, {"e", event.ID{9}.String()}})
			hits := make([]int, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				hits = set.Match(e, hits[:0])
			}
			require.Len(b, hits, 1)
		})
	}
}

func numberedID(n int) event.ID {
	var id event.ID
	binary.BigEndian.PutUint64(id[:], uint64(n)+1)
	return id
}

func numberedIDs(n int) (out []event.ID) {
	for i := range n {
		out = append(out, numberedID(i))
	}
	return out
}

func makeEvent(id, author byte, kind int, createdAt int64, tags nostr.Tags) *event.Event {
	e := &event.Event{ID: event.ID{id}, PubKey: key(author)}
	e.Event = &nostr.Event{
		ID: e.ID.String(), PubKey: e.PubKey.String(), Kind: kind, CreatedAt: nostr.Timestamp(createdAt), Tags: tags,
	}
	return e
}

func genEvent() *rapid.Generator[*event.Event] {
	return rapid.Custom(func(t *rapid.T) *event.Event {
		tag := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "e", "q", "x", "y", ""}), 0, 3)
		var tags nostr.Tags
		for _, tg := range rapid.SliceOfN(tag, 0, 6).Draw(t, "tags") {
			tags = append(tags, tg)
		}
		return makeEvent(rapid.ByteRange(0, 4).Draw(t, "id"), rapid.ByteRange(0, 4).Draw(t, "author"),
			rapid.IntRange(0, 4).Draw(t, "kind"), rapid.Int64Range(-2, 5).Draw(t, "created_at"), tags)
	})
}

func genFilter() *rapid.Generator[nostr.Filter] {
	hex := rapid.OneOf(rapid.Map(rapid.ByteRange(0, 4), func(n byte) string { return key(n).String() }), rapid.Just("bad"))
	text := rapid.OneOf(rapid.SampledFrom([]string{"a", "e", "x", "y", ""}), rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 9), func(b []byte) string { return string(b) }))
	list := func(g *rapid.Generator[string]) *rapid.Generator[[]string] {
		return rapid.OneOf(rapid.Just[[]string](nil), rapid.SliceOfN(g, 1, 9), rapid.SliceOfN(g, 1, 3), rapid.Just([]string{}))
	}
	times := rapid.OneOf(rapid.Just[*nostr.Timestamp](nil), rapid.Ptr(rapid.Map(rapid.Int64Range(-2, 5), func(n int64) nostr.Timestamp {
		return nostr.Timestamp(n)
	}), false))
	return rapid.Custom(func(t *rapid.T) nostr.Filter {
		f := nostr.Filter{
			IDs: list(hex).Draw(t, "ids"), Authors: list(hex).Draw(t, "authors"), Since: times.Draw(t, "since"), Until: times.Draw(t, "until"),
			Limit: rapid.IntRange(0, 5000).Draw(t, "limit"), LimitZero: rapid.Bool().Draw(t, "limitzero"),
			Search: rapid.SampledFrom([]string{"", `"q"`}).Draw(t, "search"),
		}
		if rapid.Bool().Draw(t, "kinds?") {
			f.Kinds = rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "kinds")
		}
		for range rapid.IntRange(0, 3).Draw(t, "tags") {
			if f.Tags == nil {
				f.Tags = nostr.TagMap{}
			}
			f.Tags[rapid.SampledFrom([]string{"a", "e", "q", "d"}).Draw(t, "name")] = list(text).Draw(t, "values")
		}
		return f
	})
}
