package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheWarmRotationIsDueThoughConnectionsAreShort(t *testing.T) {
	s, cold := overflowing(t)
	s.settleAll(one)
	polled := false
	for range 6 {
		for range 25 {
			s.elapse(2 * time.Minute)
			s.mark(one)
			polled = settleSeeing(s, cold) >= 0 || polled
		}
		s.down(one)
		s.elapse(time.Minute)
		s.up(one)
		s.settleAll(one) // the pass of the reconnect
	}
	require.True(t, polled, "what is warm is polled within five hours")
}

func TestTheFirstRotationGoesBackToTheFreshStart(t *testing.T) {
	s, cold := overflowing(t)
	s.settleAll(one)
	start := s.now
	s.elapse(50 * time.Minute)
	s.mark(one)
	s.settleAll(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	s.settleAll(one)
	for range 40 {
		s.elapse(2 * time.Minute)
		if at := settleSeeing(s, cold); at >= 0 {
			require.LessOrEqual(t, at, start.Unix(), "nobody has asked since")
			return
		}
	}
	t.Fatal("never polled")
}
