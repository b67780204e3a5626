package sync

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestWhatIsConfirmedLateIsPolledFromWhereItWasAsked(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	var roots []selfsub.Root
	for i := range 3000 {
		x := root(strconv.Itoa(i), a.Ref)
		x.CreatedAt = t0.Add(-time.Hour).Unix()
		roots = append(roots, x)
	}
	s.picture(anns(a), roots...)
	s.up(one)
	s.settleAll(one)
	s.elapse(12 * time.Minute)
	s.settleAll(one)
	late := root("late", a.Ref) // hot, but less than those that are live
	late.CreatedAt = t0.Add(-2 * time.Hour).Unix()
	s.facts(selfsub.Facts{Roots: []selfsub.Root{late}, Picture: 1})
	asked := s.now
	slow := s.pending(one)[0]
	require.Contains(t, tagValues([]relay.Batch{slow}, "e"), late.ID.String())
	for range 30 {
		s.elapse(2 * time.Minute)
		settleSeeing(s, late.ID, slow.ID)
	}
	s.settle(slow) // it has paged for an hour
	for range 10 {
		s.elapse(time.Minute)
		if at := settleSeeing(s, late.ID); at >= 0 {
			require.LessOrEqual(t, at, asked.Unix(), "nobody has asked since")
			return
		}
	}
	t.Fatal("never polled")
}
