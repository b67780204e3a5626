package event

import (
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
)

func TestADeletionNamesIdsAndCoordinatesOfItsAuthor(t *testing.T) {
	mine, other := PubKey{1}, PubKey{2}
	id, quoted := ID{3}, ID{4}
	e := &Event{PubKey: mine, Event: &nostr.Event{Kind: KindDeletion, Tags: nostr.Tags{
		{"e", id.String()}, {"e", id.String(), "wss://hint.example"}, {"e"}, {"e", "no id"},
		{"E", quoted.String()}, {"q", quoted.String()}, {"p", other.String()},
		{"a", RepoRef(mine, "a:b").String()}, {"a", RepoRef(other, "a:b").String()}, {"A", RepoRef(mine, "c").String()},
		{"a", Ref{Kind: KindIssue, PubKey: mine}.String()}, {"a", strings.Repeat("x", 9)},
		{"a", Ref{Kind: 10002, PubKey: mine}.String()},
	}}}
	require.Equal(t, References{
		IDs:  []ID{id},
		Refs: []Ref{RepoRef(mine, "a:b"), {Kind: 10002, PubKey: mine}},
	}, e.Deletes())
}
