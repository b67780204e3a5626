package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

func recall(t *testing.T, s *store.Store, q sync.RecallQuery) sync.Recalled {
	t.Helper()
	got, err := s.Recall(deadline(t), q)
	require.NoError(t, err)
	return got
}

func sortedKeys(keys ...event.PubKey) []event.PubKey {
	slices.SortFunc(keys, func(a, b event.PubKey) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(keys)
}

func testRecall(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	require.Equal(t, sync.Recalled{}, recall(t, s, sync.RecallQuery{}))

	coord, other := event.RepoRef(key(1), "repo"), event.RepoRef(key(2), "other:repo")
	author := 10
	made := map[event.ID]event.PubKey{}
	give := func(kind, at int, d relay.Disposition, tags ...nostr.Tag) event.ID {
		t.Helper()
		author++
		e := signed(t, nostr.Event{Kind: kind, PubKey: key(author).String(), CreatedAt: nostr.Timestamp(at), Tags: tags, Content: fmt.Sprint(author)})
		s.Record(recorded(e, d, "", alpha, t0))
		made[e.ID] = e.PubKey
		return e.ID
	}
	root := give(event.KindIssue, 100, relay.Stored, nostr.Tag{"a", coord.String()})
	gone := give(event.KindIssue, 101, relay.Tombstone) // tags nothing
	silent := give(event.KindIssue, 102, relay.Stored)  // tags nothing that is asked for
	var want []event.ID
	at := 1000
	for _, kind := range []int{1, 1111, 1622, 1630, 1631, 1632, 1633} {
		for _, name := range []string{"e", "E", "q"} {
			at++
			want = append(want, give(kind, at, relay.Stored, nostr.Tag{name, hexID(root)}))
		}
		for _, name := range []string{"a", "A", "q"} {
			at++
			want = append(want, give(kind, at, relay.Held, nostr.Tag{name, coord.String()}, nostr.Tag{name, coord.String()}, nostr.Tag{"e", hexID(root)}))
		}
	}
	authorsOnly := []event.ID{
		give(7, 2000, relay.Stored, nostr.Tag{"e", hexID(root)}),
		give(1617, 2001, relay.Stored, nostr.Tag{"a", coord.String()}),
		give(30617, 2002, relay.Stored, nostr.Tag{"A", coord.String()}),
		give(1985, 2003, relay.Held, nostr.Tag{"q", hexID(root)}),
	}
	for _, d := range []relay.Disposition{
		relay.Superseded, relay.Tombstone, relay.Rejected, relay.OwnLimit, relay.Irrelevant,
	} {
		give(1111, 3000, d, nostr.Tag{"e", hexID(root)})
	}
	s.Park(parked(note(t, 1, nostr.Tag{"e", hexID(root)}), relay.CauseParent))
	for _, tag := range []nostr.Tag{
		{"e", hexID(key2id(1))},   // another root
		{"a", other.String()},     // another repo
		{"p", hexID(root)},        // no reference
		{"d", coord.String()},     // an identifier
		{"A", hexID(root)},        // a root is no coordinate
		{"e", coord.String()},     // and the other way round
		{"q", hexID(root) + "00"}, // longer
		{"K", "1621"},
	} {
		give(1111, 3000, relay.Stored, tag)
	}
	slices.Reverse(want) // the newest first
	authors := []event.PubKey{coord.PubKey, made[root], made[gone], made[silent]}
	for _, id := range append(slices.Clone(want), authorsOnly...) {
		authors = append(authors, made[id])
	}
	q := sync.RecallQuery{Coords: []event.Ref{coord}, Roots: []event.ID{root, gone, silent, key2id(99), root}, Max: 1000}
	full := sync.Recalled{Replies: want, Authors: sortedKeys(authors...)}
	require.Equal(t, full, recall(t, s, q), "without waiting for what is queued")
	require.Equal(t, full, recall(t, s, q))

	since := q
	since.Since = time.Unix(1040, 0)
	require.Equal(t, sync.Recalled{Replies: want[:3], Authors: full.Authors}, recall(t, s, since), "authors whenever they wrote")
	since.Since = time.Unix(1039, 1)
	require.Len(t, recall(t, s, since).Replies, 3)
	since.Since = time.Unix(1039, 0)
	require.Len(t, recall(t, s, since).Replies, 4)

	few := q
	few.Max = 5
	require.Equal(t, sync.Recalled{Replies: want[:5], Authors: full.Authors}, recall(t, s, few))
	few.Max = 0
	require.Equal(t, sync.Recalled{Authors: full.Authors}, recall(t, s, few))

	replies := q
	replies.Roots = append(slices.Clone(want[:2]), root)
	require.Equal(t, want[2:], recall(t, s, replies).Replies, "a root is no reply")

	require.Equal(t, sync.Recalled{Authors: []event.PubKey{key(7)}}, recall(t, s, sync.RecallQuery{Coords: []event.Ref{event.RepoRef(key(7), "new")}, Max: 9}),
		"a maintainer is an author before he wrote anything")
	require.Equal(t, sync.Recalled{Authors: []event.PubKey{made[silent]}}, recall(t, s, sync.RecallQuery{Roots: []event.ID{silent}, Max: 9}))

	s.Forget([]event.ID{want[0]})
	require.Equal(t, want[1:], recall(t, s, q).Replies)
	s = reopen(t, db, s)
	require.Equal(t, want[1:], recall(t, s, q).Replies)
}

// A query of more keys than a statement takes has one answer, whose rows come once.
func testRecallManyRoots(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	q := sync.RecallQuery{Coords: []event.Ref{event.RepoRef(key(1), "repo")}, Max: 500}
	for i := range 10_000 {
		q.Roots = append(q.Roots, key2id(i))
	}
	type made struct {
		at int64
		id event.ID
	}
	var all []made
	authors := map[event.PubKey]bool{key(1): true}
	for i := range 3000 {
		e := signed(t, nostr.Event{
			Kind: event.KindComment, PubKey: key(i % 20).String(), CreatedAt: nostr.Timestamp(i % 700), Content: fmt.Sprint(i),
			Tags: nostr.Tags{{"E", hexID(key2id(i * 3))}, {"e", hexID(key2id(9999 - i))}, {"A", q.Coords[0].String()}},
		})
		s.Record(recorded(e, relay.Stored, "", alpha, t0))
		all, authors[e.PubKey] = append(all, made{int64(e.CreatedAt), e.ID}), true
	}
	slices.SortFunc(all, func(a, b made) int { return cmp.Or(cmp.Compare(b.at, a.at), bytes.Compare(a.id[:], b.id[:])) })
	var want []event.ID
	for _, m := range all[:500] {
		want = append(want, m.id)
	}
	require.Equal(t, sync.Recalled{Replies: want, Authors: sortedKeys(slices.Collect(maps.Keys(authors))...)}, recall(t, s, q))
}

// Recall waits for the database no longer than it is told to.
func testRecallBlocked(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	release := db.Block(t)
	root := note(t, 1)
	s.Record(recorded(root, relay.Stored, "", alpha, t0))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	q := sync.RecallQuery{Roots: ids(root), Max: 1}
	_, err := s.Recall(ctx, q)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	release()
	require.Equal(t, []event.PubKey{root.PubKey}, recall(t, s, q).Authors)
}
