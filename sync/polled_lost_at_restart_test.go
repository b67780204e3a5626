package sync

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestPolledSurvivesARestart(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	var roots []selfsub.Root
	for i := range 3000 {
		x := root(strconv.Itoa(i), a.Ref)
		x.CreatedAt = t0.Add(-10*24*time.Hour + time.Duration(i)*time.Second).Unix()
		roots = append(roots, x)
	}
	s.picture(anns(a), roots...)
	s.up(one)
	s.settleAll(one)
	for range 110 {
		s.elapse(time.Minute)
		s.mark(one)
		s.settleAll(one)
	}
	start := s.e.relays[one].warmth.since
	s.restart()
	s.picture(anns(a), roots...)
	l := relay.AssumedLimits()
	l.Subscriptions = 100
	s.report(relay.Up{ID: s.conn(one), At: s.now, Limits: l})
	least := int64(1 << 60)
	for range 130 {
		for range 1000 {
			p := s.pending(one)
			if len(p) == 0 {
				break
			}
			if at, ok := tagValues(p[:1], "e")[roots[0].ID.String()]; ok && at < least {
				least = at
			}
			s.settle(p[0])
		}
		s.elapse(time.Minute)
		s.mark(one)
	}
	require.False(t, s.e.relays[one].overflows())
	require.LessOrEqual(t, least, start.Unix())
}
