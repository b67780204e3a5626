package sync

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestAncestorsGivenUpMakeRoom(t *testing.T) {
	s := newScript(t)
	a, b := announce("alice", "tool", t0, nil, one), announce("bob", "other", t0, nil, one)
	s.picture(anns(a, b))
	x, y := s.e.repos[a.Ref], s.e.repos[b.Ref]
	x.lacks = map[event.ID]time.Time{}
	for i := range lacksKept - 1 {
		old := id("old" + strconv.Itoa(i))
		s.e.lacking[old], x.lacks[old] = []*repo{x}, t0
	}
	require.True(t, s.e.lack(y, id("last"), t0))
	require.False(t, s.e.lack(y, id("more"), t0))
	require.Len(t, s.e.lacking, lacksKept)
	require.True(t, s.e.lack(y, id("new"), t0.Add(lackAge+24*time.Hour)), "the others are given up by then")
	require.Len(t, s.e.lacking, 1)
}

func TestOrphansMakeRoom(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	var roots []selfsub.Root
	for i := range orphansKept + 10 {
		x := root(fmt.Sprint("junk", i))
		x.Refs.IDs = []event.ID{id(fmt.Sprint("nobody", i))}
		roots = append(roots, x)
	}
	s.facts(selfsub.Facts{Roots: roots, Picture: 1})
	child := root("child")
	child.Refs.IDs = []event.ID{id("parent")}
	s.facts(selfsub.Facts{Roots: []selfsub.Root{child, root("parent", a.Ref)}, Picture: 1})
	require.Len(t, s.e.repos[a.Ref].roots, 2)

	s.facts(selfsub.Facts{Roots: roots, Picture: 1})
	kept := 0
	for _, waiting := range s.e.orphans {
		kept += len(waiting)
	}
	require.Equal(t, orphansKept, kept)
	require.Equal(t, orphansKept, s.e.orphaned)
}

func TestWhatComesAndGoesLeavesNothingAtADeadRelay(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("bob", "other", t0, nil, one)))
	for i := range 1000 {
		at := t0.Add(time.Duration(i) * time.Minute)
		s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", at, nil, one)), Picture: 1})
		s.facts(selfsub.Facts{Announcements: anns(announcement("elsewhere.example.com", "alice", "tool", at.Add(time.Second), nil)), Picture: 1})
	}
	r := s.e.relays[one]
	require.Less(t, len(r.todo), 500)
	require.Less(t, len(r.bare), 500)
}
