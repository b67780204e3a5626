package sync

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestOrphansMakeRoom(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	var roots []selfsub.Root
	for i := range orphansKept {
		x := root(fmt.Sprint("junk", i))
		x.Refs.IDs = []event.ID{id(fmt.Sprint("nobody", i))}
		roots = append(roots, x)
	}
	s.facts(selfsub.Facts{Roots: roots, Picture: 1})
	child := root("child")
	child.Refs.IDs = []event.ID{id("parent")}
	s.facts(selfsub.Facts{Roots: []selfsub.Root{child, root("parent", a.Ref)}, Picture: 1})
	require.Len(t, s.e.repos[a.Ref].roots, 2)
}
