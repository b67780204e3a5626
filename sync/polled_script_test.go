package sync

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// settleSeeing answers everything like settleAll and gives the since of a value, -1 when it was not asked for.
func settleSeeing(s *script, id event.ID, not ...relay.BatchID) int64 {
	since := int64(-1)
	for range 1000 {
		open := slices.DeleteFunc(s.pending(one), func(b relay.Batch) bool { return slices.Contains(not, b.ID) })
		if len(open) == 0 {
			return since
		}
		if at, ok := tagValues(open[:1], "e")[id.String()]; ok {
			since = at
		}
		s.settle(open[0])
	}
	s.t.Fatal("asked for ever")
	return 0
}

// overflowing is a relay with more warm roots than are live; it gives one that is not.
func overflowing(t *testing.T) (*script, event.ID) {
	return warmRoots(t, -1), id("2999")
}

// warmRoots is a relay with more warm roots than are live, each a little older or younger than the one before.
func warmRoots(t *testing.T, sign time.Duration) *script {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	var roots []selfsub.Root
	for i := range 3000 {
		x := root(strconv.Itoa(i), a.Ref)
		x.CreatedAt = t0.Add(-10*24*time.Hour + sign*time.Duration(i)*time.Second).Unix()
		roots = append(roots, x)
	}
	s.picture(anns(a), roots...)
	s.up(one)
	return s
}
