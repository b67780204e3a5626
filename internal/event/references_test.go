package event

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
)

func hexOf(n int) string { return fmt.Sprintf("%064x", n) }

func TestReferences(t *testing.T) {
	id := func(n int) ID { v, err := ParseID(hexOf(n)); require.NoError(t, err); return v }
	ref := func(n int, d string) Ref {
		pk, err := ParsePubKey(hexOf(n))
		require.NoError(t, err)
		return RepoRef(pk, d)
	}
	at := func(n int, d string) string { return "30617:" + hexOf(n) + ":" + d }
	e := &Event{Event: &nostr.Event{Tags: nostr.Tags{
		{"e", hexOf(1), "wss://relay.example", "root"},
		{"E", hexOf(2)},
		{"e", hexOf(1)},
		{"q", hexOf(3)},
		{"q", at(1, "a")},
		{"a", at(1, "b:c:d")},
		{"A", at(1, "a")},
		{"a", at(2, "")},
		{"p", hexOf(9)}, {"d", "x"}, {"e"}, {"a"}, {"ee", hexOf(8)},
		{"e", "nonsense"}, {"e", strings.ToUpper(hexOf(0xabc))}, {"a", "npub1x/repo"}, {"a", "30617:" + hexOf(1) + "/x"},
		{"a", "030617:" + hexOf(1) + ":x"}, {"a", "+30617:" + hexOf(1) + ":x"}, {"a", "99999:" + hexOf(1) + ":x"}, {"q", ""},
	}}}
	require.Equal(t, References{
		IDs:  []ID{id(1), id(2), id(3)},
		Refs: []Ref{ref(1, "a"), ref(1, "b:c:d"), ref(2, "")},
	}, e.References())
}

// TestReferencesMany: order and distinctness hold on both sides of the switch from comparing to a set.
func TestReferencesMany(t *testing.T) {
	for _, n := range []int{fewReferences - 1, fewReferences, fewReferences + 1, 1000} {
		var tags nostr.Tags
		for i := range 2 * n {
			tags = append(tags, nostr.Tag{"e", hexOf(i % n)}, nostr.Tag{"a", "30617:" + hexOf(i%n) + ":d"})
		}
		r := (&Event{Event: &nostr.Event{Tags: tags}}).References()
		require.Len(t, r.IDs, n)
		require.Len(t, r.Refs, n)
		for i := range n {
			require.Equal(t, hexOf(i), r.IDs[i].String())
			require.Equal(t, hexOf(i), r.Refs[i].PubKey.String())
		}
	}
}

func TestRefString(t *testing.T) {
	for _, s := range []string{"30617:" + hexOf(1) + ":my 🚀 repo", "0:" + hexOf(2) + ":", "30618:" + hexOf(3) + ":a:b::c"} {
		r, err := ParseRef(s)
		require.NoError(t, err)
		require.Equal(t, s, r.String())
	}
}

func TestSupersedes(t *testing.T) {
	low, high := ID{1}, ID{2}
	e := &Event{ID: low, Event: &nostr.Event{CreatedAt: 10}}
	require.True(t, e.Supersedes(9, high))
	require.True(t, e.Supersedes(10, high))
	require.False(t, e.Supersedes(10, low))
	require.False(t, e.Supersedes(11, high))
	e.ID = high
	require.False(t, e.Supersedes(10, low))
}

func TestCoordinate(t *testing.T) {
	tags := nostr.Tags{{"d"}, {"d", "x"}, {"d", "y"}}
	for kind, d := range map[int]string{0: "", 10002: "", 30617: "x", 30618: "x"} {
		e := &Event{PubKey: PubKey{7}, Event: &nostr.Event{Kind: kind, Tags: tags}}
		require.Equal(t, Ref{Kind: kind, PubKey: PubKey{7}, D: d}, e.Coordinate())
	}
}
