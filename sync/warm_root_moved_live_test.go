package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestAWarmRootThatBecomesLiveIsPolledOnce(t *testing.T) {
	s, _ := overflowing(t)
	s.settleAll(one)
	for range 70 {
		s.elapse(time.Minute)
		s.mark(one)
		s.settleAll(one)
	}
	x := root("newer", event.Ref{Kind: event.KindAnnouncement, PubKey: key("alice"), D: "tool"})
	x.CreatedAt = t0.Add(-5 * 24 * time.Hour).Unix()
	s.facts(selfsub.Facts{Roots: []selfsub.Root{x}, Picture: 1})
	asked := s.now
	s.settleAll(one)
	v := s.e.names.roots.of[x.ID]
	require.False(t, s.e.relays[one].live.Has(filters.Roots, v))
	polled := int64(-1)
	for range 120 {
		s.elapse(time.Minute)
		s.mark(one)
		if at := settleSeeing(s, x.ID); at >= 0 && (polled < 0 || at < polled) {
			polled = at
		}
	}
	require.True(t, s.e.relays[one].live.Has(filters.Roots, v))
	require.NotEqual(t, int64(-1), polled, "nobody listened from its first ask until it became live")
	require.LessOrEqual(t, polled, asked.Unix())
}
