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

	for range 3 {
		next := p.Down(State{Failures: s.Failures, FailingSince: s.FailingSince}, s.NotBefore, fail(CauseTimeout))
		require.Equal(t, 24*time.Hour, next.NotBefore.Sub(s.NotBefore))
		s = next
	}
	s = p.Up(s, s.NotBefore)
	short := p.Down(s, s.UpSince.Add(4*time.Minute), fail(CauseLost))
	require.Equal(t, Dead, p.Status(short, short.LastFailure), "not stable: dead again")
	s = p.Settle(s, s.UpSince.Add(5*time.Minute))
	require.Equal(t, Healthy, p.Status(s, s.UpSince.Add(5*time.Minute)))
	s = p.Down(s, s.UpSince.Add(5*time.Minute), fail(CauseLost))
	require.Equal(t, 5*time.Second, s.NotBefore.Sub(s.LastFailure), "a life of its own again")
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

func TestRetryAfterIsKept(t *testing.T) {
	p := DefaultPolicy()
	tests := []struct {
		name  string
		give  State
		cause Cause
		after time.Duration
		want  time.Duration
	}{
		{"shorter than the cooldown", State{}, CauseRateLimit, time.Second, 65 * time.Second},
		{"an hour is an hour", State{}, CauseRateLimit, time.Hour, time.Hour},
		{"a day at most", State{}, CauseRateLimit, 40 * 24 * time.Hour, 24 * time.Hour},
		{"unavailable for an hour", State{}, CauseHTTP, time.Hour, time.Hour},
		{"unavailable for a second", State{}, CauseHTTP, time.Second, 5 * time.Second},
		{"unavailable for a year", State{}, CauseHTTP, 365 * 24 * time.Hour, 24 * time.Hour},
		{"an earlier, longer wish stands", State{CooldownUntil: t0.Add(2 * time.Hour)}, CauseRateLimit, time.Hour, 2 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := p.Down(tt.give, t0, &Failure{Cause: tt.cause, RetryAfter: tt.after})
			require.Equal(t, tt.want, s.NotBefore.Sub(t0))
			require.Equal(t, tt.cause == CauseHTTP, s.Failures == 1)
		})
	}
}

func TestACooldownThatEndsWhileFailing(t *testing.T) {
	p := DefaultPolicy()
	s := p.Limited(p.Up(State{}, t0), t0, fail(CauseRateLimit))
	s = p.Down(s, t0.Add(time.Second), fail(CauseLost))
	require.Equal(t, s.CooldownUntil, s.NotBefore, "a lost connection does not shorten it")
	require.Equal(t, RateLimited, p.Status(s, t0.Add(64*time.Second)))
	require.Equal(t, Degraded, p.Status(s, s.CooldownUntil))

	s = p.Down(s, s.CooldownUntil, fail(CauseRefused))
	require.Equal(t, 10*time.Second, s.NotBefore.Sub(s.LastFailure), "backoff goes on")
	s = p.Down(s, s.NotBefore, fail(CauseRateLimit))
	require.Equal(t, 2, s.Failures)
	require.Equal(t, 130*time.Second, s.NotBefore.Sub(s.LastFailure), "and so does the cooldown")
}

func TestFlappingKeepsTheBackoffGrowing(t *testing.T) {
	p := DefaultPolicy()
	var s State
	now := t0
	for i, w := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600} {
		s = p.Up(s, now)
		now = now.Add(4 * time.Minute)
		require.Equal(t, s, p.Settle(s, now))
		s = p.Down(s, now, fail(CauseLost))
		require.Equal(t, w*time.Second, s.NotBefore.Sub(now), "loss %d", i+1)
		require.Equal(t, Degraded, p.Status(s, now))
		now = s.NotBefore
	}
}

func TestOurOwnBoundIsNoFailure(t *testing.T) {
	p := DefaultPolicy()
	s := p.Down(State{}, t0, fail(CauseCrowded))
	require.Equal(t, State{NotBefore: t0.Add(10 * time.Minute)}, s)
	require.Equal(t, Disconnected, p.Status(s, t0))

	failing := p.Down(State{}, t0, fail(CauseDNS))
	s = p.Down(failing, t0.Add(5*time.Second), fail(CauseCrowded))
	s.NotBefore = failing.NotBefore
	require.Equal(t, failing, s, "nor does it excuse one")
}

func TestGaugeValues(t *testing.T) {
	require.Equal(t, []Status{1, 2, 3, 4, 5}, []Status{Healthy, Disconnected, Degraded, Dead, RateLimited})
}

func TestFaultsThatDoNotPassAreHeldOff(t *testing.T) {
	p := DefaultPolicy()
	half := 30 * time.Minute
	type end struct {
		gap   time.Duration
		cause Cause
		wasUp bool // for a minute
	}
	tests := []struct {
		name string
		ends []end
		want time.Duration
	}{
		{"three in less than an hour", []end{{0, CauseDNS, false}, {time.Minute, CauseDNS, false}, {time.Minute, CauseDNS, false}}, 20 * time.Second},
		{"three over an hour", []end{{0, CauseTLS, false}, {half, CauseTLS, false}, {half, CauseTLS, false}}, 12 * time.Hour},
		{"two over an hour", []end{{0, CauseTLS, false}, {2 * half, CauseTLS, false}}, 10 * time.Second},
		{"of different sorts", []end{{0, CauseTLS, false}, {half, CauseDNS, false}, {half, CauseProtocol, false}}, 12 * time.Hour},
		{"each of twelve hours", []end{
			{0, CauseTLS, false}, {half, CauseTLS, false}, {half, CauseTLS, false}, {12 * time.Hour, CauseTLS, false},
		}, 12 * time.Hour},
		{"dead is a day", []end{
			{0, CauseTLS, false}, {half, CauseTLS, false}, {half, CauseTLS, false}, {12 * time.Hour, CauseTLS, false}, {12 * time.Hour, CauseTLS, false},
		}, 24 * time.Hour},
		{"not in a row", []end{{0, CauseDNS, false}, {half, CauseDNS, false}, {half, CauseTimeout, false}, {0, CauseDNS, false}}, 40 * time.Second},
		{"a rate limit between", []end{{0, CauseDNS, false}, {half, CauseDNS, false}, {0, CauseRateLimit, false}, {half, CauseDNS, false}}, 20 * time.Second},
		{"a connection that we ended between", []end{{0, CauseDNS, false}, {half, CauseDNS, false}, {0, CauseLocal, true}, {half, CauseDNS, false}}, 20 * time.Second},
		{"a connection between", []end{{0, CauseDNS, false}, {half, CauseDNS, false}, {0, CauseLost, true}, {half, CauseDNS, false}}, 40 * time.Second},
		{"broken frames whenever it connects", []end{{0, CauseProtocol, true}, {half, CauseProtocol, true}, {half, CauseProtocol, true}}, 12 * time.Hour},
		{"refused is not of that sort", []end{{0, CauseRefused, false}, {half, CauseRefused, false}, {half, CauseRefused, false}}, 20 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s State
			now := t0
			for _, e := range tt.ends {
				now = now.Add(e.gap)
				if e.wasUp {
					s = p.Up(s, now.Add(-time.Minute))
				}
				s = p.Down(s, now, fail(e.cause))
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
