package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestForgive(t *testing.T) {
	p := DefaultPolicy()
	start, now := t0, t0.Add(10*time.Hour)
	tests := []struct {
		name string
		give State
		want State
	}{
		{"never failed", State{}, State{NotBefore: now}},
		{
			"began to fail in the outage",
			State{
				Failures: 3, Persistent: 3, Cause: CauseDNS, Reason: "x", FailingSince: start.Add(time.Second), LastFailure: start,
				NotBefore: now.Add(time.Hour),
			},
			State{NotBefore: now},
		},
		{"in the minute before", State{Failures: 1, FailingSince: start.Add(-time.Minute)}, State{NotBefore: now}},
		{
			"failed before: as long as it had then",
			State{Failures: 4, Persistent: 2, Cause: CauseDNS, FailingSince: start.Add(-23 * time.Hour), LastFailure: start.Add(-time.Hour)},
			State{
				Failures: 4, Persistent: 2, Cause: CauseDNS, FailingSince: now.Add(-23 * time.Hour), LastFailure: start.Add(-time.Hour),
				NotBefore: now,
			},
		},
		{
			"dead before, dead now, and due",
			State{Failures: 30, FailingSince: start.Add(-48 * time.Hour), NotBefore: now.Add(20 * time.Hour)},
			State{Failures: 30, FailingSince: now.Add(-48 * time.Hour), NotBefore: now},
		},
		{
			"a cooldown holds",
			State{Cooldowns: 2, CooldownUntil: now.Add(time.Minute), NotBefore: now.Add(time.Hour)},
			State{Cooldowns: 2, CooldownUntil: now.Add(time.Minute), NotBefore: now.Add(time.Minute)},
		},
		{
			"so does a Retry-After", State{AskedUntil: now.Add(time.Hour)},
			State{AskedUntil: now.Add(time.Hour), NotBefore: now.Add(time.Hour)},
		},
		{"what is open stays open", State{UpSince: now}, State{UpSince: now, NotBefore: now}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, p.Forgive(tt.give, start, now))
			require.Equal(t, p.Status(tt.give, start) == Dead, p.Status(p.Forgive(tt.give, start, now), now) == Dead)
		})
	}
}

func TestWaitCountsNothing(t *testing.T) {
	p := DefaultPolicy()
	failing := State{Failures: 4, Persistent: 2, Cause: CauseDNS, Reason: "x", FailingSince: t0.Add(-time.Hour), LastFailure: t0.Add(-time.Hour)}
	tests := []struct {
		name string
		give State
		into time.Duration // the outage
		f    *Failure
		want time.Duration
	}{
		{"at its beginning", failing, 0, fail(CauseDNS), 5 * time.Second},
		{"as long as it has lasted", failing, 20 * time.Second, fail(CauseTimeout), 20 * time.Second},
		{"a minute at most", failing, 10 * time.Hour, fail(CauseTimeout), time.Minute},
		{"a status", failing, 0, &Failure{Cause: CauseHTTP, HTTPStatus: 503, RetryAfter: time.Hour}, time.Hour},
		{"cooling down", State{CooldownUntil: t0.Add(time.Hour)}, 0, fail(CauseLost), time.Hour},
		{"our own bound", State{}, 0, fail(CauseCrowded), 10 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := p.Wait(p.Up(tt.give, t0), t0.Add(-tt.into), t0, tt.f)
			require.Equal(t, tt.want, s.NotBefore.Sub(t0))
			s.NotBefore, s.AskedUntil = tt.give.NotBefore, tt.give.AskedUntil
			require.Equal(t, tt.give, s)
		})
	}

	stable := p.Up(failing, t0)
	stable = p.Wait(stable, t0, t0.Add(5*time.Minute), fail(CauseLost))
	require.Zero(t, stable.Failures, "it had been up for long enough")

	limited := p.Wait(State{}, t0, t0, fail(CauseRateLimit))
	require.Equal(t, RateLimited, p.Status(limited, t0), "the relay's wish is no failure, and holds")
	own := p.Wait(p.Up(State{}, t0), t0, t0, nil)
	require.Zero(t, own, "we hung up")
}
