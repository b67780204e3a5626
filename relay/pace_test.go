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

// steps is khatru's limiter: n places are given back every so often.
type steps struct {
	n, most, count int
	every          time.Duration
	at             time.Time
}

func (l *steps) take(now time.Time) bool {
	for ; !now.Before(l.at.Add(l.every)); l.at = l.at.Add(l.every) {
		l.count = max(0, l.count-l.n)
	}
	if l.count >= l.most {
		return false
	}
	l.count++
	return true
}

func TestPaceFindsTheLimitAndStaysNearIt(t *testing.T) {
	bucket := func(rate, burst float64) *limiter {
		return &limiter{rate: rate, burst: burst, tokens: burst, at: benchStart}
	}
	tests := []struct {
		name    string
		limit   interface{ take(time.Time) bool }
		rate    float64
		burst   float64
		time    time.Duration
		share   float64 // of what the relay would have taken
		refused float64 // per accepted one
	}{
		{"ngit-relay, 3 in 3 minutes", &steps{n: 3, most: 15, every: 3 * time.Minute, at: benchStart}, 3.0 / 180, 15, 48 * time.Hour, .95, .07},
		{"khatru, 2 in 3 minutes", &steps{n: 2, most: 10, every: 3 * time.Minute, at: benchStart}, 2.0 / 180, 10, 240 * time.Hour, .95, .07},
		{"one a minute", bucket(1.0/60, 1), 1.0 / 60, 1, 48 * time.Hour, .8, .03},
		{"one a minute, 15 at first", bucket(1.0/60, 15), 1.0 / 60, 15, 48 * time.Hour, .95, .05},
		{"relay-builder", bucket(1, 60), 1, 60, 2 * time.Hour, .95, .05},
		{"fast", bucket(500, 500), 500, 500, 10 * time.Minute, .9, .01},
		{"one in ten minutes", bucket(1.0/600, 1), 1.0 / 600, 1, 240 * time.Hour, .8, .05},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, now, end := newPace(0), benchStart, benchStart.Add(tt.time)
			var order uint64
			passed, refused := 0, 0
			for now.Before(end) {
				if at := p.next(now); at.After(now) {
					now = at
					continue
				}
				require.True(t, p.take(now))
				order++
				if tt.limit.take(now) {
					passed++
					p.accepted(now, order)
				} else {
					refused++
					p.limited(now, order, order)
				}
				now = now.Add(100 * time.Microsecond)
			}
			could := tt.rate*tt.time.Seconds() + tt.burst
			t.Logf("%d accepted of %.0f, %d refused: %.3f", passed, could, refused, float64(refused)/float64(passed))
			require.Greater(t, float64(passed), tt.share*could, "of %.0f events that the relay would have taken", could)
			require.Less(t, float64(refused), tt.refused*float64(passed)+1)
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
