package event

import (
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
)

func nostrEvent(name, value, content string, at int64, kind int) nostr.Event {
	n := nostr.Event{
		PubKey: hexOf(5), CreatedAt: nostr.Timestamp(at), Kind: kind, Content: content,
		Tags: nostr.Tags{{name, value}}, Sig: strings.Repeat("0", 128),
	}
	n.ID = n.GetID()
	return n
}

func BenchmarkParse(b *testing.B) {
	typical := nostr.Event{Kind: 1621, CreatedAt: 1700000000, Content: strings.Repeat("an issue, in words ", 16), Tags: nostr.Tags{
		{"a", "30617:" + hexOf(1) + ":ngit"}, {"p", hexOf(1)}, {"subject", "it does not work"}, {"t", "bug"},
		{"e", hexOf(2), "wss://relay.example", "root"},
	}}
	hostile := nostr.Event{Kind: 1}
	for range 2000 {
		hostile.Tags = append(hostile.Tags, nostr.Tag{"e", hexOf(len(hostile.Tags))})
	}
	for name, n := range map[string]nostr.Event{
		"1kB":     typical,
		"escapes": {Kind: 1617, Content: strings.Repeat("+\t\"line\"\n", 2000)},
		"tags":    hostile,
	} {
		raw := text(b, sign(b, n))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(raw, DefaultLimits()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	e, err := Wrap(sign(b, nostr.Event{Kind: 1, Content: strings.Repeat("x", 300)}))
	require.NoError(b, err)
	for b.Loop() {
		if !e.Verify() {
			b.Fatal("signature")
		}
	}
}

func BenchmarkReferences(b *testing.B) {
	for name, count := range map[string]int{"3": 3, "2000": 2000} {
		var tags nostr.Tags
		for i := range count {
			tags = append(tags, nostr.Tag{"e", hexOf(i)})
		}
		e := &Event{Event: &nostr.Event{Tags: tags}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.Len(b, e.References().IDs, count)
			}
		})
	}
}
