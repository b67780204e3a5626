package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestADeletedRepoIsNotWantedUntilItIsAnnouncedAgain(t *testing.T) {
	a := announce("alice", "tool", t0, nil, one)
	until := t0.Add(time.Hour).Unix()
	for name, d := range map[string]relay.Deletion{
		"by coordinate": {Refs: []event.Ref{a.Ref}, Until: until},
		"by id":         {IDs: []event.ID{a.ID}},
		"vanished":      {All: true, Until: until},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			other := announce("bob", "other", t0, nil, one)
			s.picture(anns(a, other), root("issue", a.Ref))
			s.sync(one)
			d.ID, d.Author = id("deletion"), a.Ref.PubKey
			s.report(relay.Deleted{Deletion: relay.Deletion{ID: id("mallory's"), Author: key("mallory"), IDs: d.IDs, Refs: d.Refs, All: true, Until: until}})
			if name == "by id" {
				require.Contains(t, s.e.repos, a.Ref)
			}
			s.report(relay.Deleted{Deletion: d})
			require.NotContains(t, s.e.repos, a.Ref)
			require.Contains(t, s.e.repos, other.Ref)
			s.facts(selfsub.Facts{Announcements: anns(a), Picture: 1}) // was on its way
			require.NotContains(t, s.e.repos, a.Ref)
			again := announce("alice", "tool", t0.Add(2*time.Hour), nil, one)
			s.facts(selfsub.Facts{Announcements: anns(again), Picture: 1})
			require.Contains(t, s.e.repos, a.Ref)
			require.Empty(t, s.e.repos[a.Ref].roots)
		})
	}
}

func TestADeletedRootIsNotAskedAbout(t *testing.T) {
	s := newScript(t)
	a, b := announce("alice", "tool", t0, nil, one), announce("bob", "other", t0, nil, one)
	s.picture(anns(a, b), root("first", a.Ref), root("gone", a.Ref, b.Ref), root("last", a.Ref))
	s.sync(one)
	asked := func(what string) {
		t.Helper()
		open := tagValues(s.pending(one), "e")
		require.Contains(t, open, id("last").String(), what)
		require.NotContains(t, open, id("gone").String(), what)
	}
	require.True(t, s.hears(id("gone")))
	s.report(relay.Deleted{Deletion: relay.Deletion{Author: key("carol"), IDs: []event.ID{id("gone"), id("unknown")}}})
	require.False(t, s.hears(id("gone")))
	require.True(t, s.hears(id("last")))
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("gone", a.Ref), root("unknown", a.Ref)}, Picture: 1})
	require.Len(t, s.e.repos[a.Ref].roots, 3, "nothing undoes it")
	reply := selfsub.Root{ID: id("follows"), CreatedAt: t0.Unix(), Refs: event.References{IDs: []event.ID{id("gone")}}}
	s.facts(selfsub.Facts{Roots: []selfsub.Root{reply}, Picture: 1})
	require.Len(t, s.e.repos[a.Ref].roots, 3, "nor does anything hang on it")

	s.restart()
	s.recalled = nil
	s.picture(anns(a, b), root("first", a.Ref), root("last", a.Ref), root("gone", a.Ref))
	require.Len(t, s.e.repos[a.Ref].roots, 3)
	s.now = s.now.Add(time.Hour) // longer than a quick reconnect: everything is asked
	s.up(one)
	asked("in a full sync")
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.False(t, s.hears(id("gone")), "live")
	require.NotEmpty(t, s.recalled)
	for _, q := range s.recalled {
		require.NotContains(t, q.Roots, id("gone"))
	}
	s.report(relay.Accepted{Events: []relay.AcceptedEvent{{ID: id("x"), Kind: 1111, CreatedAt: s.now.Unix(), Refs: event.References{IDs: []event.ID{id("gone")}}}}})
	s.elapse(25 * time.Hour)
	asked("in a daily pass")
	s.settleAll(one)
}

func TestWithdrawnIsBounded(t *testing.T) {
	w := newWithdrawn()
	for n := range withdrawnKept + 1 {
		w.note(relay.Deletion{IDs: []event.ID{{byte(n), byte(n >> 8), byte(n >> 16)}}})
	}
	require.Len(t, w.ids, 1)
	require.False(t, w.covers(&nip34.Announcement{}))
}

// hears reports whether a root is live at relay one.
func (s *script) hears(root event.ID) bool {
	for _, f := range s.e.relays[one].live.All() {
		for _, x := range f.Filters {
			for _, v := range x.Tags["e"] {
				if v == root.String() {
					return true
				}
			}
		}
	}
	return false
}
