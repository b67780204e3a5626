package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTooManyOffencesInAnHourDropARelay(t *testing.T) {
	p := DefaultPolicy()
	tests := []struct {
		name  string
		every time.Duration
		drop  bool
	}{
		{"a hundred at once", time.Second, true},
		{"a hundred in an hour", 36 * time.Second, true},
		{"fewer in an hour", 37 * time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, now, dropped := p.Up(State{}, t0), t0, false
			for range 100 {
				s, dropped = p.Offend(p.Settle(s, now), now, "off_filter")
				now = now.Add(tt.every)
			}
			require.Equal(t, tt.drop, dropped)
			s = p.Down(s, now, &Failure{Cause: CauseLocal})
			if !tt.drop {
				require.False(t, s.NotBefore.After(now))
				return
			}
			require.Equal(t, now.Add(-tt.every).Add(12*time.Hour), s.NotBefore)
			require.Contains(t, s.Reason, "100 offences")
			forgiven := p.Forgive(s, now, now.Add(time.Minute))
			require.Equal(t, s.NotBefore, forgiven.NotBefore, "an outage of ours is no excuse")
		})
	}
}
