package server

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/heaptest"
)

// waiting is what the backlog counts.
func (s *Server) waiting() int64 {
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	return s.backlog.total
}

// TestMemoryAtTheLimits has clients that do not read, and others with large filters, until the relay is about to cut one off. The table in
// docs/reference/limits.md is compared with this one.
func TestMemoryAtTheLimits(t *testing.T) {
	tests := []struct {
		name  string
		part  int64
		most  int64
		build func(t *testing.T) any
	}{
		{"embedded relay: all that waits for all clients, and their filters", 16, 24 << 20, func(t *testing.T) any {
			s := start(t, NewMemory(), Limits{OutBytes: math.MaxInt64, TotalBytes: 16 << 20})
			for range 3 {
				deafWithLive(t, s)
			}
			writer, asker := dial(t, s), dial(t, s)
			body := strings.Repeat("x", 20_000)
			for i := 0; s.waiting() < 8<<20; i++ {
				ok, _ := writer.publish(sign(t, 1, 20_001, int64(i), body)) // of a kind that is not stored
				require.True(t, ok)
			}
			for i := 0; s.waiting() < 14<<20; i++ {
				sub := fmt.Sprint("s", i)
				asker.write("%s", large(sub, 5000))
				asker.want("EOSE", sub)
			}
			require.EqualValues(t, 5, s.clients.Load())
			return s
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			heaptest.Under(t, tt.most, func() any { return tt.build(t) })
		})
	}
}
