package sync

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// What a first sync brings is no gap; what a pass over confirmed wants brings newly is one.
func TestWhatACatchUpFindsIsCounted(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	gaps := s.e.metrics.gaps.WithLabelValues(string(one))
	s.up(one)
	settle := func(found ...event.ID) {
		s.settle(s.pending(one)[0], found...)
		s.settleAll(one)
	}
	settle(id("a"), id("b"))
	s.elapse(time.Minute)
	require.Zero(t, testutil.ToFloat64(gaps))
	s.mark(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	settle(id("c"), id("d"), id("e"))
	require.InDelta(t, 3, testutil.ToFloat64(gaps), 0)
}
