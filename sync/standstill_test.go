package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay"
)

// The relay closes one live subscription each time it is opened, and takes two minutes for a batch.
func TestAPassEndsDespiteARefusedSubscription(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	live, asked := 0, map[relay.BatchID]time.Time{}
	for range 3 * 24 * 120 {
		s.elapse(30 * time.Second)
		if n := len(s.live[s.conn(one)]); n > live {
			live = n
			s.report(relay.Closed{ID: s.conn(one), At: s.now, Sub: "l0", Reason: "blocked: no"})
		}
		for _, b := range s.pending(one) {
			if at, ok := asked[b.ID]; !ok {
				asked[b.ID] = s.now
			} else if s.now.Sub(at) >= 2*time.Minute {
				s.settle(b)
			}
		}
	}
	require.True(t, s.e.relays[one].lastFull.After(t0.Add(time.Hour)), "a daily pass has ended in three days")
}
