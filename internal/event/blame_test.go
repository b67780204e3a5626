package event

import (
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
)

func TestBlameless(t *testing.T) {
	const secret = "0000000000000000000000000000000000000000000000000000000000000001"
	sign := func(n nostr.Event) string {
		require.NoError(t, n.Sign(secret))
		raw, err := n.MarshalJSON()
		require.NoError(t, err)
		return string(raw)
	}
	honest := sign(nostr.Event{Kind: 1, CreatedAt: 1000, Content: "hello"})
	emptyTag := sign(nostr.Event{Kind: 1, CreatedAt: 1000, Tags: nostr.Tags{{}}, Content: "hello"})
	control := sign(nostr.Event{Kind: 1, CreatedAt: 1000, Content: "a\x01b", Tags: nostr.Tags{{"t", "x\x7f"}}})
	for _, tt := range []struct {
		name, raw string
		want      bool
	}{
		{"as its author signed it", honest, true},
		{"a shape that others take", emptyTag, true},
		{"a kind that others take", sign(nostr.Event{Kind: 1 << 20, CreatedAt: 1000}), true},
		{"an element behind it", honest + `,"x"`, true},
		{"other words", strings.Replace(honest, "hello", "other", 1), false},
		{"other words, a shape that others take", strings.Replace(emptyTag, "hello", "other", 1), false},
		{"words that may have been written otherwise", strings.Replace(control, "a\\u0001b", "ab", 1), true},
		{"not UTF-8", strings.Replace(honest, "hello", "hel\xfflo", 1), true},
		{"a field of another type", strings.Replace(honest, `"kind":1`, `"kind":"1"`, 1), true},
		{"another signature", strings.Replace(honest, `"sig":"`, `"sig":"00`, 1), false},
		{"another key", strings.Replace(honest, `"pubkey":"7`, `"pubkey":"8`, 1), false},
		{"another id", strings.Replace(honest, `"id":"`, `"id":"0`, 1), false},
		{"an empty object", `{}`, false},
		{"no object", `[1]`, false},
		{"no JSON", `{"id":`, false},
		{"nothing", ``, false},
		{"a number for a signature", `{"sig":1}`, false},
	} {
		require.Equal(t, tt.want, Blameless([]byte(tt.raw)), tt.name)
	}
}
