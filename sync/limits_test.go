package sync

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestRootsOfARepoAreBounded(t *testing.T) {
	s := newScript(t, func(c *Config) { c.RootsPerRepo = 3 })
	a, b := announce("alice", "tool", t0, nil, one), announce("bob", "other", t0, nil, one)
	var roots []selfsub.Root
	for i := range 10 {
		roots = append(roots, root(fmt.Sprint("flood", i), a.Ref))
	}
	s.picture(anns(a, b), append(roots, root("calm", b.Ref))...)
	require.Len(t, s.e.repos[a.Ref].roots, 3)
	require.Len(t, s.e.repos[b.Ref].roots, 1, "another repo is not affected")
	require.Len(t, s.e.names.roots.of, 4, "nothing is kept of the others")
	s.sync(one)
	require.True(t, s.hears(id("calm")))
	require.False(t, s.hears(id("flood9")))
}

func TestValuesThatARelayRefusesAreBounded(t *testing.T) {
	s, _ := told(t, 1)
	for i := range asideKept + 10 {
		s.report(relay.Evidence{ID: s.conn(one), At: s.now, Tag: "e", Value: id(fmt.Sprint(i)).String(), Reason: "no"})
	}
	require.Len(t, s.e.relays[one].learned.Aside, asideKept)
	require.LessOrEqual(t, len(s.e.relays[one].aside), asideKept)
}

func TestRootsThatWaitForAPlaceAreBounded(t *testing.T) {
	r := &remote{}
	for i := range offersKept + 10 {
		r.offer(filters.Value(i))
	}
	require.Len(t, r.offers, offersKept)
}

func TestAnnouncementsThatHaveComeBackAreBounded(t *testing.T) {
	s := newScript(t)
	for i := range announcedKept {
		s.e.announced[event.ID{byte(i), byte(i >> 8), byte(i >> 16), 1}] = true
	}
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	require.Len(t, s.e.announced, 1)
	require.True(t, s.e.announced[a.ID])
}

func TestAnnouncementsOutOfScopeAreBounded(t *testing.T) {
	s := newScript(t)
	ours, theirs := announce("alice", "tool", t0, nil, one), announcement("elsewhere.example.com", "bob", "x", t0, nil)
	all := anns(ours)
	for i := range foreignKept + 10 {
		a := *theirs
		a.Ref.D = fmt.Sprint(i)
		all = append(all, &a)
	}
	s.picture(all)
	require.Equal(t, foreignKept+1, s.e.index.Len())
	require.Len(t, s.e.seen, foreignKept+1)
	require.NotNil(t, s.e.repos[ours.Ref])
}

func TestUnansweredBatchesAreBounded(t *testing.T) {
	s := newScript(t, func(c *Config) { c.TagsPerFilter, c.BatchChunks, c.OpenBatches = 1, 1, 6 })
	a := announce("alice", "tool", t0, nil, one)
	var roots []selfsub.Root
	for i := range 50 {
		roots = append(roots, root(fmt.Sprint(i), a.Ref))
	}
	s.picture(anns(a), roots...)
	s.up(one)
	most := 0
	for range 1000 {
		open := s.pending(one)
		if most = max(most, len(open)); len(open) == 0 {
			break
		}
		s.settle(open[0])
	}
	require.Equal(t, 6, most)
	require.Equal(t, Connected, s.phase(one))
}
