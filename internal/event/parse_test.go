package event

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
)

const secret = "0000000000000000000000000000000000000000000000000000000000000001"

func sign(t testing.TB, n nostr.Event) nostr.Event {
	t.Helper()
	require.NoError(t, n.Sign(secret))
	return n
}

func text(t testing.TB, n nostr.Event) []byte {
	t.Helper()
	raw, err := n.MarshalJSON()
	require.NoError(t, err)
	return raw
}

// fields is an event as a mutable object.
func fields(t testing.TB) map[string]any {
	t.Helper()
	n := sign(t, nostr.Event{Kind: 1, CreatedAt: 1700000000, Tags: nostr.Tags{{"t", "x"}}, Content: "hello"})
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(string(text(t, n))))
	d.UseNumber()
	require.NoError(t, d.Decode(&m))
	return m
}

func object(t testing.TB, m map[string]any) []byte {
	t.Helper()
	raw, err := json.Marshal(m)
	require.NoError(t, err)
	return raw
}

func requireReason(t *testing.T, reason string, raw []byte, lim Limits) {
	t.Helper()
	e, err := Parse(raw, lim)
	require.Nil(t, e)
	var pe *ParseError
	require.ErrorAs(t, err, &pe, "%.200s", raw)
	require.Equal(t, reason, pe.Reason, "%v", err)
	require.Less(t, len(err.Error()), 200, "errors do not carry the input")
}

func TestParseFields(t *testing.T) {
	require.NotNil(t, fields(t))
	upper := func(s string) func(map[string]any) {
		return func(m map[string]any) { m[s] = strings.ToUpper(m[s].(string)) }
	}
	set := func(s string, v any) func(map[string]any) { return func(m map[string]any) { m[s] = v } }
	without := func(s string) func(map[string]any) { return func(m map[string]any) { delete(m, s) } }
	for _, tc := range []struct {
		name   string
		reason string // empty: accepted
		edit   func(map[string]any)
	}{
		{"as signed", "", func(map[string]any) {}},
		{"unknown field", "", set("seen_on", []any{"wss://a.example", map[string]any{"deep": []any{}}})},
		{"no id", ReasonShape, without("id")},
		{"no pubkey", ReasonShape, without("pubkey")},
		{"no created_at", ReasonShape, without("created_at")},
		{"no kind", ReasonShape, without("kind")},
		{"no tags", ReasonShape, without("tags")},
		{"no content", ReasonShape, without("content")},
		{"no sig", ReasonShape, without("sig")},
		{"null tags", ReasonJSON, set("tags", nil)},
		{"null content", ReasonJSON, set("content", nil)},
		{"null tag", ReasonJSON, set("tags", []any{nil})},
		{"null element", ReasonJSON, set("tags", []any{[]any{"t", nil}})},
		{"number element", ReasonJSON, set("tags", []any{[]any{"t", 1}})},
		{"nested element", ReasonJSON, set("tags", []any{[]any{"t", []any{"x"}}})},
		{"string tag", ReasonJSON, set("tags", []any{"t"})},
		{"object tags", ReasonJSON, set("tags", map[string]any{})},
		{"empty tag", ReasonShape, set("tags", []any{[]any{}})},
		{"upper-case id", ReasonShape, upper("id")},
		{"upper-case pubkey", ReasonShape, upper("pubkey")},
		{"upper-case sig", ReasonShape, upper("sig")},
		{"short id", ReasonShape, set("id", "abc")},
		{"short pubkey", ReasonShape, set("pubkey", "abc")},
		{"long sig", ReasonShape, set("sig", strings.Repeat("a", 130))},
		{"empty sig", ReasonShape, set("sig", "")},
		{"number id", ReasonJSON, set("id", 7)},
		{"kind below", ReasonShape, set("kind", -1)},
		{"kind above", ReasonShape, set("kind", 65536)},
		{"fractional kind", ReasonJSON, set("kind", 1.5)},
		{"kind in quotes", ReasonJSON, set("kind", "1")},
		{"time below", ReasonShape, set("created_at", -1)},
		{"time above", ReasonShape, set("created_at", int64(maxCreatedAt)+1)},
		{"time beyond int64", ReasonJSON, set("created_at", json.Number("9223372036854775808"))},
		{"time of long digits", ReasonJSON, set("created_at", json.Number(strings.Repeat("9", 5000)))},
		{"other content", ReasonID, set("content", "hello!")},
		{"other time", ReasonID, set("created_at", 1700000001)},
		{"other kind", ReasonID, set("kind", 65535)},
		{"other tags", ReasonID, set("tags", []any{})},
		{"other id", ReasonID, set("id", strings.Repeat("0", 64))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := fields(t)
			tc.edit(m)
			if tc.reason != "" {
				requireReason(t, tc.reason, object(t, m), DefaultLimits())
				return
			}
			e, err := Parse(object(t, m), DefaultLimits())
			require.NoError(t, err)
			require.True(t, e.Verify())
		})
	}
}

func TestParseText(t *testing.T) {
	good := string(object(t, fields(t)))
	for _, tc := range []struct{ name, raw, reason string }{
		{"blanks around", " \n" + good + "\t ", ""},
		{"nothing", "", ReasonJSON},
		{"null", "null", ReasonJSON},
		{"array", "[" + good + "]", ReasonJSON},
		{"string", `"x"`, ReasonJSON},
		{"two", good + good, ReasonJSON},
		{"tail", good + "x", ReasonJSON},
		{"cut", good[:len(good)-1], ReasonJSON},
		{"open string", `{"id":"`, ReasonJSON},
		{"open tags", `{"tags":[["a"`, ReasonJSON},
		{"open escape", `{"content":"\u12`, ReasonJSON},
		{"no value", `{"id":}`, ReasonJSON},
		{"not UTF-8", strings.Replace(good, "hello", "hell\xff", 1), ReasonJSON},
		{"content twice", strings.Replace(good, `{`, `{"content":"hello",`, 1), ReasonShape},
		{"tags twice", strings.Replace(good, `{`, `{"tags":[["t","x"]],`, 1), ReasonShape},
		{"escaped name", strings.Replace(good, `"id"`, `"\u0069d"`, 1), ReasonShape},
		{"deep", `{"x":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + "}", ReasonJSON},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.reason != "" {
				requireReason(t, tc.reason, []byte(tc.raw), DefaultLimits())
				return
			}
			_, err := Parse([]byte(tc.raw), DefaultLimits())
			require.NoError(t, err)
		})
	}
	for i := range good {
		_, err := Parse([]byte(good[:i]), DefaultLimits())
		require.Error(t, err)
	}
}

func TestParseLimits(t *testing.T) {
	build := func(tags nostr.Tags) []byte { return text(t, sign(t, nostr.Event{Kind: 1, Tags: tags})) }
	many := func(n, elements int) nostr.Tags {
		tags := make(nostr.Tags, n)
		for i := range tags {
			tags[i] = make(nostr.Tag, elements)
			tags[i][0] = "t"
		}
		return tags
	}
	for _, tc := range []struct {
		name   string
		raw    []byte
		lim    Limits
		reason string
	}{
		{"tags, at the limit", build(many(3, 2)), Limits{Tags: 3}, ""},
		{"tags, over", build(many(4, 2)), Limits{Tags: 3}, ReasonTags},
		{"default tags, at the limit", build(many(2000, 2)), Limits{}, ""},
		{"default tags, over", build(many(2001, 2)), Limits{}, ReasonTags},
		{"tag bytes, at the limit", build(nostr.Tags{{"t", "12345", "6789"}}), Limits{TagBytes: 10}, ""},
		{"tag bytes, over", build(nostr.Tags{{"t", "12345", "67890"}}), Limits{TagBytes: 10}, ReasonTags},
		{"elements, at the limit", build(many(2, 5)), Limits{Elements: 10}, ""},
		{"elements, over", build(many(2, 6)), Limits{Elements: 10}, ReasonTags},
		{"bytes, over", build(nil), Limits{Bytes: 100}, ReasonSize},
		{"default bytes, over", []byte(strings.Repeat(" ", 1<<20+1)), Limits{}, ReasonSize},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.reason != "" {
				requireReason(t, tc.reason, tc.raw, tc.lim)
				return
			}
			e, err := Parse(tc.raw, tc.lim)
			require.NoError(t, err)
			require.True(t, e.Verify())
		})
	}
	exact := build(nil)
	_, err := Parse(exact, Limits{Bytes: len(exact)})
	require.NoError(t, err)
}

// TestParseBoundsDepth: what is nested in fields that nobody knows, or where a string is to stand.
func TestParseBoundsDepth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	good := string(text(t, sign(t, nostr.Event{Kind: 1, Content: "x", Tags: nostr.Tags{}})))
	e, err := Parse([]byte(`{"deep":`+nested(10_000)+","+good[1:]), DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, "x", e.Content)

	requireReason(t, ReasonJSON, []byte(`{"deep":`+nested(10_001)+","+good[1:]), Limits{})
	for _, field := range []string{`"content":"x"`, `"tags":[]`} {
		name, _, _ := strings.Cut(field, ":")
		require.Contains(t, good, field)
		requireReason(t, ReasonJSON, []byte(strings.Replace(good, field, name+":"+nested(400_000), 1)), Limits{})
	}
}

// TestParseKeepsNothing: buffers of the reader are used again.
func TestParseKeepsNothing(t *testing.T) {
	raw := object(t, fields(t))
	e, err := Parse(raw, DefaultLimits())
	require.NoError(t, err)
	clear(raw)
	require.Equal(t, "hello", e.Content)
	require.Equal(t, nostr.Tags{{"t", "x"}}, e.Tags)
	require.True(t, e.CheckID())
	require.True(t, e.Verify())
}

func TestVerifyRefuses(t *testing.T) {
	n := sign(t, nostr.Event{Kind: 1, Content: "a"})
	other := sign(t, nostr.Event{Kind: 1, Content: "b"})
	for name, edit := range map[string]func(*nostr.Event){
		"another event's signature": func(n *nostr.Event) { n.Sig = other.Sig },
		"a zero signature":          func(n *nostr.Event) { n.Sig = strings.Repeat("0", 128) },
		"a signature out of range":  func(n *nostr.Event) { n.Sig = strings.Repeat("f", 128) },
		"no signature":              func(n *nostr.Event) { n.Sig = "" },
		"a key off the curve":       func(n *nostr.Event) { n.PubKey = strings.Repeat("f", 64) },
	} {
		t.Run(name, func(t *testing.T) {
			bent := n
			edit(&bent)
			bent.ID = bent.GetID()
			e, err := Wrap(bent)
			require.NoError(t, err)
			require.False(t, e.Verify())
		})
	}
}

func TestWrapRefuses(t *testing.T) {
	good := sign(t, nostr.Event{Kind: 1})
	for name, edit := range map[string]func(*nostr.Event){
		"id":         func(n *nostr.Event) { n.ID = "" },
		"pubkey":     func(n *nostr.Event) { n.PubKey = "x" },
		"sig":        func(n *nostr.Event) { n.Sig = "x" },
		"kind":       func(n *nostr.Event) { n.Kind = 70000 },
		"created_at": func(n *nostr.Event) { n.CreatedAt = -5 },
	} {
		t.Run(name, func(t *testing.T) {
			bent := good
			edit(&bent)
			_, err := Wrap(bent)
			var pe *ParseError
			require.ErrorAs(t, err, &pe)
			require.Equal(t, ReasonShape, pe.Reason)
		})
	}
}

func ExampleParse() {
	_, err := Parse([]byte(`{"kind":1}`), DefaultLimits())
	fmt.Println(err)
	// Output: event shape: no id
}
