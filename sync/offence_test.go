package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/relay"
)

func TestARelayThatOffendsIsDroppedForHalfADay(t *testing.T) {
	for name, operators := range map[string]bool{"discovered": false, "bootstrap": true} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, func(c *Config) {
				if operators {
					c.Bootstrap = append(c.Bootstrap, one)
				}
			})
			a := announce("alice", "tool", t0, nil, one)
			s.picture(anns(a))
			s.sync(one)
			for range s.cfg.Health.OffencesMost {
				s.elapse(time.Second)
				s.report(relay.Offended{ID: s.conn(one), At: s.now, Kind: relay.OffenceOffFilter})
			}
			if operators {
				require.Empty(t, s.hung, "the operator's word counts")
				return
			}
			require.Equal(t, []relay.ConnID{s.conn(one)}, s.hung)
			dials := len(s.dials)
			s.report(relay.Down{ID: s.conn(one), At: s.now, Failure: &health.Failure{Cause: health.CauseLocal}})
			s.elapse(12*time.Hour - time.Second)
			require.Len(t, s.dials, dials)
			s.elapse(2 * time.Second)
			require.Len(t, s.dials, dials+1)
		})
	}
}
