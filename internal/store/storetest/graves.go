package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
)

func gravesOf(t *testing.T, s *store.Store) map[relay.Grave]bool {
	t.Helper()
	out := map[relay.Grave]bool{}
	require.NoError(t, s.LoadGraves(deadline(t), func(g relay.Grave) { out[g] = true }))
	return out
}

func testGraves(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	require.Empty(t, gravesOf(t, s))
	one := relay.Grave{Author: key(1), Target: key2id(1), Until: 100, By: key2id(50)}
	same := relay.Grave{Author: key(2), Target: key2id(1), Until: 100, By: key2id(51)}
	all := relay.Grave{Author: key(1), Until: -1, By: key2id(52)}
	s.Bury([]relay.Grave{one, same, all})
	require.Equal(t, map[relay.Grave]bool{one: true, same: true, all: true}, gravesOf(t, s))
	later := one
	later.Until, later.By = 200, key2id(53)
	s.Bury([]relay.Grave{later})
	s.Exhume([]relay.Grave{{Author: key(2), Target: key2id(1)}, {Author: key(9), Target: key2id(1)}})
	s = reopen(t, db, s)
	require.Equal(t, map[relay.Grave]bool{later: true, all: true}, gravesOf(t, s))
}

// Amend changes rows that are there, written or not, and no others.
func testAmend(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	a, b, w := note(t, 1), note(t, 2), note(t, 3)
	s.Record(recorded(a, relay.Stored, "", alpha, t0))
	s.Park(parked(w, relay.CauseParent))
	flush(t, s)
	s.Record(recorded(b, relay.Stored, "", beta, t0))
	s.Bury([]relay.Grave{{Author: a.PubKey, Target: a.ID, Until: 1, By: key2id(9)}, {Author: key(5), Target: b.ID, Until: 1, By: key2id(9)}})
	s.Amend([]event.ID{a.ID, b.ID, w.ID, key2id(7)}, relay.Tombstone, "deleted by x", t0.Add(time.Hour))
	s.Unpark(w.ID)
	check := func(when string) {
		t.Helper()
		for e, source := range map[*event.Event]string{a: string(alpha), b: string(beta), w: string(alpha)} {
			x, ok := explain(t, s, e.ID)
			require.True(t, ok, when)
			require.Equal(t, relay.Tombstone, x.Disposition, when)
			require.Equal(t, "deleted by x", x.Reason, when)
			require.Equal(t, e.Kind, x.Kind, when)
			require.Equal(t, e.PubKey, x.PubKey, when)
			require.Equal(t, source, string(x.Source), when)
			require.Equal(t, t0, x.FirstSeen, when)
			require.Equal(t, t0.Add(time.Hour), x.Updated, when)
			require.Nil(t, x.Waiting, when)
		}
		_, ok := explain(t, s, key2id(7))
		require.False(t, ok, when)
		require.Empty(t, waiting(t, s), when)
	}
	check("unwritten")
	flush(t, s)
	check("written")
	s = reopen(t, db, s)
	check("after a restart")
	x, _ := explain(t, s, a.ID)
	require.Equal(t, key2id(9), x.Deletion)
	x, _ = explain(t, s, b.ID)
	require.Zero(t, x.Deletion, "somebody else's")
}

func testAuthors(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	var all []event.ID
	want := map[event.ID]event.PubKey{}
	for i := range 700 {
		e := signed(t, nostr.Event{Kind: 1, PubKey: key(i % 5).String(), CreatedAt: nostr.Timestamp(i)})
		if i%7 != 0 {
			s.Record(recorded(e, relay.Rejected, "", alpha, t0))
			want[e.ID] = e.PubKey
		}
		if i == 400 {
			flush(t, s)
		}
		all = append(all, e.ID)
	}
	got, err := s.Authors(deadline(t), all)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = s.Authors(deadline(t), nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

func testWritten(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	names := map[event.ID]string{}
	made := map[string]event.ID{}
	give := func(name string, kind, author, at int, tags ...nostr.Tag) {
		e := signed(t, nostr.Event{Kind: kind, PubKey: key(author).String(), CreatedAt: nostr.Timestamp(at), Tags: tags, Content: name})
		s.Record(recorded(e, relay.Stored, "", alpha, t0))
		names[e.ID], made[name] = name, e.ID
	}
	half := func() {
		give("note", 1, 1, 10)
		give("late note", 1, 1, 1000)
		give("note of another", 1, 2, 10)
		give("deletion", event.KindDeletion, 1, 10)
		give("vanish", event.KindVanish, 1, 10)
		give("v1", event.KindAnnouncement, 1, 10, nostr.Tag{"d", "x"})
		give("v2", event.KindAnnouncement, 1, 100, nostr.Tag{"d", "x"})
		give("v3", event.KindAnnouncement, 1, 101, nostr.Tag{"d", "x"})
		give("state", event.KindState, 1, 10, nostr.Tag{"d", "x"})
		give("other d", event.KindAnnouncement, 1, 10, nostr.Tag{"d", "y"})
		give("nameless", 30023, 1, 10)
		give("of another", event.KindAnnouncement, 2, 10, nostr.Tag{"d", "x"})
	}
	ids := func(names ...string) (out []event.ID) {
		for _, n := range names {
			out = append(out, made[n])
		}
		return append(out, key2id(99))
	}
	x := event.RepoRef(key(1), "x")
	half()
	check := func(when string) {
		t.Helper()
		for _, tt := range []struct {
			d    relay.Deletion
			want []string
		}{
			{relay.Deletion{Until: 100}, nil},
			{relay.Deletion{IDs: ids("note", "late note", "note of another", "deletion", "vanish"), Until: 100}, []string{"late note", "note"}},
			{relay.Deletion{Refs: []event.Ref{x}, Until: 100}, []string{"v1", "v2"}},
			{relay.Deletion{Refs: []event.Ref{x}, IDs: ids("v3"), Until: 9}, []string{"v3"}},
			{relay.Deletion{Refs: []event.Ref{{Kind: 30023, PubKey: key(1)}, {Kind: 0, PubKey: key(1)}}, Until: 100}, []string{"nameless"}},
			{relay.Deletion{All: true, Until: 100}, []string{"deletion", "nameless", "note", "other d", "state", "v1", "v2"}},
		} {
			tt.d.Author = key(1)
			got, err := s.Written(deadline(t), tt.d)
			require.NoError(t, err)
			require.True(t, slices.IsSortedFunc(got, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) }))
			var is []string
			for _, id := range got {
				is = append(is, names[id])
			}
			slices.Sort(is)
			require.Equal(t, tt.want, is, when)
		}
	}
	check("unwritten")
	flush(t, s)
	check("written")
}
