package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// limiter is a token bucket of a relay, as khatru's: n events per d, up to burst.
type limiter struct {
	rate, burst, tokens float64
	at                  time.Time
}

func (l *limiter) take(now time.Time) bool {
	l.tokens = min(l.burst, l.tokens+l.rate*now.Sub(l.at).Seconds())
	l.at = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

func TestPaceFindsTheLimitAndStaysNearIt(t *testing.T) {
	tests := []struct {
		name  string
		rate  float64
		burst float64
		hours int
	}{
		{"ngit-relay", 2.0 / 180, 10, 240},
		{"relay-builder", 1, 60, 2},
		{"fast", 500, 500, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := benchStart
			p, l := newPace(0), &limiter{rate: tt.rate, burst: tt.burst, tokens: tt.burst, at: now}
			end := now.Add(time.Duration(tt.hours) * time.Hour)
			var order uint64
			passed, refused := 0, 0
			for now.Before(end) {
				if at := p.next(now); at.After(now) {
					now = at
					continue
				}
				require.True(t, p.take(now))
				order++
				if l.take(now) {
					passed++
					p.accepted(now, order)
				} else {
					refused++
					p.limited(now, order, order)
				}
				now = now.Add(100 * time.Microsecond)
			}
			could := tt.rate*end.Sub(benchStart).Seconds() + tt.burst
			require.Greater(t, float64(passed), 0.6*could, "of %.0f events that the relay would have taken", could)
			require.Less(t, float64(refused), 0.2*float64(passed)+20)
		})
	}
}

func TestPaceIsFreeAgainWhenTheLimitHasGone(t *testing.T) {
	p := newPace(0)
	now := benchStart
	p.limited(now, 1, 1)
	order := uint64(1)
	for n := 0; p.rate > 0; n++ {
		require.Less(t, n, 1000)
		now = now.Add(time.Second)
		order++
		p.accepted(now, order)
	}
	require.Equal(t, now, p.next(now))
	require.True(t, p.take(now))
}

func TestPaceKeepsToTheConfiguredRate(t *testing.T) {
	p := newPace(10)
	now := benchStart
	n := 0
	for now.Before(benchStart.Add(10 * time.Second)) {
		if at := p.next(now); at.After(now) {
			now = at
			continue
		}
		require.True(t, p.take(now))
		n++
		p.accepted(now, uint64(n))
	}
	require.InDelta(t, 101, n, 2)
	p.limited(now, uint64(n), uint64(n))
	require.InDelta(t, 5, p.rate, 1e-9)
	for range 20 {
		now = now.Add(time.Second)
		n++
		p.accepted(now, uint64(n))
	}
	require.InDelta(t, 10, p.rate, 1e-9)
}
