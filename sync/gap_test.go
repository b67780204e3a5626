package sync

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay"
)

// What a first sync brings is no gap; what a pass over confirmed wants brings newly is one.
func TestWhatACatchUpFindsIsCounted(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	gaps := s.e.metrics.gaps.WithLabelValues(string(one))
	s.up(one)
	settle := func(found int) {
		for range 100 {
			open := s.pending(one)
			if len(open) == 0 {
				return
			}
			b := open[0]
			ends := make([]relay.FilterEnd, len(b.Filters))
			for i := range ends {
				ends[i].Done = true
			}
			q := s.asked[b.ID]
			delete(s.asked, b.ID)
			s.report(relay.Settled{ID: q.conn, Batch: b.ID, At: s.now, Final: true, Filters: ends, New: found})
			found = 0
		}
	}
	settle(7)
	s.elapse(time.Minute)
	require.Zero(t, testutil.ToFloat64(gaps))
	s.mark(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	settle(3)
	require.InDelta(t, 3, testutil.ToFloat64(gaps), 0)
}
