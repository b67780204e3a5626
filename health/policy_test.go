package health

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func fail(c Cause) *Failure { return &Failure{Cause: c, Err: errors.New("x")} }

func TestBackoffDoublesUpToAnHour(t *testing.T) {
	p := DefaultPolicy()
	var s State
	now := t0
	want := []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600}
	for i, w := range want {
		s = p.Down(s, now, fail(CauseRefused))
		require.Equal(t, w*time.Second, s.NotBefore.Sub(now), "failure %d", i+1)
		require.Equal(t, Degraded, p.Status(s, now))
		now = s.NotBefore
	}
}

func TestOnlyAStableConnectionForgetsFailures(t *testing.T) {
	p := DefaultPolicy()
	s := p.Down(State{}, t0, fail(CauseTimeout))
	s = p.Down(s, t0.Add(5*time.Second), fail(CauseTimeout))

	up := t0.Add(time.Minute)
	s = p.Up(s, up)
	require.Equal(t, Degraded, p.Status(s, up.Add(4*time.Minute)), "recovered less than 5 minutes ago")
	require.Equal(t, up.Add(5*time.Minute), p.StableAt(s))

	short := p.Down(s, up.Add(4*time.Minute+59*time.Second), fail(CauseLost))
	require.Equal(t, 3, short.Failures)
	require.Equal(t, 20*time.Second, short.NotBefore.Sub(short.LastFailure))

	long := p.Down(s, up.Add(5*time.Minute), fail(CauseLost))
	require.Equal(t, 1, long.Failures)
	require.Equal(t, 5*time.Second, long.NotBefore.Sub(long.LastFailure))

	settled := p.Settle(s, up.Add(5*time.Minute))
	require.Zero(t, settled.Failures)
	require.Equal(t, Healthy, p.Status(settled, up.Add(5*time.Minute)))
	require.Zero(t, p.StableAt(settled))
}

func TestDeadAfterADayIsDialledOnceADay(t *testing.T) {
	p := DefaultPolicy()
	var s State
	now := t0
	for now.Sub(t0) < p.DeadAfter {
		s = p.Down(s, now, fail(CauseRefused))
		require.Equal(t, Degraded, p.Status(s, now))
		now = s.NotBefore
	}
	s = p.Down(s, now, fail(CauseRefused))
	require.Equal(t, Dead, p.Status(s, now))
	require.Equal(t, p.DeadRetry, s.NotBefore.Sub(now))
	s = p.Up(s, s.NotBefore)
	require.Equal(t, Degraded, p.Status(s, s.UpSince), "back, but not yet stable")
}

func TestRateLimitDoublesAndIsNoFailure(t *testing.T) {
	p := DefaultPolicy()
	s := p.Up(State{}, t0)
	want := []time.Duration{65, 130, 260, 520, 1040, 1800, 1800}
	now := t0
	for i, w := range want {
		s = p.Limited(s, now, fail(CauseRateLimit))
		require.Equal(t, w*time.Second, s.CooldownUntil.Sub(now), "signal %d", i+1)
		require.Equal(t, RateLimited, p.Status(s, now))
		require.Zero(t, s.Failures)
		now = s.CooldownUntil
	}
	s = p.Limited(p.Up(State{}, t0), t0, &Failure{Cause: CauseRateLimit, HTTPStatus: 429, RetryAfter: 10 * time.Minute})
	require.Equal(t, 10*time.Minute, s.CooldownUntil.Sub(t0), "the relay's own word, when longer")
}

func TestFaultsThatDoNotPassAreHeldOff(t *testing.T) {
	p := DefaultPolicy()
	tests := []struct {
		name  string
		cause Cause
		gaps  []time.Duration
		want  time.Duration
	}{
		{"three in less than an hour", CauseDNS, []time.Duration{0, time.Minute, time.Minute}, 20 * time.Second},
		{"three over an hour", CauseTLS, []time.Duration{0, 30 * time.Minute, 30 * time.Minute}, 12 * time.Hour},
		{"refused is not of that sort", CauseRefused, []time.Duration{0, 30 * time.Minute, 30 * time.Minute}, 20 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s State
			now := t0
			for _, g := range tt.gaps {
				now = now.Add(g)
				s = p.Down(s, now, fail(tt.cause))
			}
			require.Equal(t, tt.want, s.NotBefore.Sub(now))
		})
	}
}

func TestOurOwnHangupIsNoFailure(t *testing.T) {
	p := DefaultPolicy()
	s := p.Down(p.Up(State{}, t0), t0.Add(time.Second), &Failure{Cause: CauseLocal})
	require.Zero(t, s)
	require.Equal(t, Disconnected, p.Status(s, t0))
}
