package health

import "time"

// Policy holds the numbers of DESIGN §8.
type Policy struct {
	BaseBackoff       time.Duration // wait after the first failure; doubles with each further one
	MaxBackoff        time.Duration
	DeadAfter         time.Duration // failing for so long is dead
	DeadRetry         time.Duration // a dead relay is dialled once in this time
	StableAfter       time.Duration // only a connection that lasted so long forgets earlier failures
	RateLimitCooldown time.Duration // first cooldown; doubles up to MaxCooldown
	MaxCooldown       time.Duration
	MaxRetryAfter     time.Duration // longest wait that a relay may ask for
	CrowdedWait       time.Duration // after our own bound of connections per address
	HoldOff           time.Duration // step for faults that do not pass by waiting a little: DNS, TLS, protocol
	HoldOffAfter      int           // such faults in a row before the hold-off
	HoldOffSpan       time.Duration // and they must span at least this long
	OffencesMost      int           // within OffencesSpan, before a relay is dropped
	OffencesSpan      time.Duration
	DropFor           time.Duration
}

// DefaultPolicy is what DESIGN §8 states.
func DefaultPolicy() Policy {
	return Policy{
		BaseBackoff: 5 * time.Second, MaxBackoff: time.Hour,
		DeadAfter: 24 * time.Hour, DeadRetry: 24 * time.Hour, StableAfter: 5 * time.Minute,
		RateLimitCooldown: 65 * time.Second, MaxCooldown: 30 * time.Minute,
		MaxRetryAfter: 24 * time.Hour, CrowdedWait: 10 * time.Minute,
		HoldOff: 12 * time.Hour, HoldOffAfter: 3, HoldOffSpan: time.Hour,
		OffencesMost: 100, OffencesSpan: time.Hour, DropFor: 12 * time.Hour,
	}
}

// Up records that a connection is open.
func (p Policy) Up(s State, now time.Time) State {
	s.UpSince = now
	return s
}

// Down records that a connection ended or could not be made, and sets NotBefore to the moment of the next dial, never before
// what the relay asked for. An end that we chose (CauseLocal) and a bound of ours (CauseCrowded) count as no failure; a nil
// failure is an end that we chose.
func (p Policy) Down(s State, now time.Time, f *Failure) State {
	if p.stable(s, now) {
		s = s.forgiven()
		s.NotBefore = s.notBefore(time.Time{})
	}
	wasUp := !s.UpSince.IsZero()
	s.UpSince = time.Time{}
	switch {
	case f == nil || f.Cause == CauseLocal:
		if wasUp {
			s.Persistent = 0
		}
		return s
	case f.Cause == CauseRateLimit:
		return p.Limited(s, now, f)
	case f.Cause == CauseCrowded:
		s.NotBefore = s.notBefore(now.Add(p.CrowdedWait))
		return s
	}
	s.record(now, f)
	s.Failures++
	if s.FailingSince.IsZero() {
		s.FailingSince = now
	}
	if f.Cause.persistent() {
		s.Persistent++
	} else {
		s.Persistent = 0
	}
	s.ask(now, p.retryAfter(f))
	s.NotBefore = s.notBefore(now.Add(p.wait(s, now)))
	return s
}

// Limited records that the relay asked for less. It is not a failure of the relay.
func (p Policy) Limited(s State, now time.Time, f *Failure) State {
	s.record(now, f)
	cool := Doubled(p.RateLimitCooldown, s.Cooldowns, p.MaxCooldown)
	s.Cooldowns++
	s.Persistent = 0 // it was reached
	s.CooldownUntil = later(s.CooldownUntil, now.Add(max(cool, p.retryAfter(f))))
	s.NotBefore = s.notBefore(s.NotBefore)
	return s
}

func (p Policy) retryAfter(f *Failure) time.Duration {
	if f == nil {
		return 0
	}
	return min(f.RetryAfter, p.MaxRetryAfter)
}

// Settle forgets earlier failures once a connection has been stable for long enough.
func (p Policy) Settle(s State, now time.Time) State {
	if p.stable(s, now) {
		return s.forgiven()
	}
	return s
}

// StableAt is the moment at which Settle will forget, zero when there is nothing to forget or no connection.
func (p Policy) StableAt(s State) time.Time {
	if s.UpSince.IsZero() || (s.Failures == 0 && s.Cooldowns == 0) {
		return time.Time{}
	}
	return s.UpSince.Add(p.StableAfter)
}

func (p Policy) stable(s State, now time.Time) bool {
	return !s.UpSince.IsZero() && now.Sub(s.UpSince) >= p.StableAfter && !now.Before(s.CooldownUntil)
}

func (p Policy) wait(s State, now time.Time) time.Duration {
	if p.dead(s, now) {
		return p.DeadRetry
	}
	if s.Persistent >= p.HoldOffAfter && now.Sub(s.FailingSince) >= p.HoldOffSpan {
		return p.HoldOff
	}
	return Doubled(p.BaseBackoff, s.Failures-1, p.MaxBackoff)
}

func (p Policy) dead(s State, now time.Time) bool {
	return !s.FailingSince.IsZero() && now.Sub(s.FailingSince) >= p.DeadAfter
}

// Doubled is base * 2^n, at most limit.
func Doubled(base time.Duration, n int, limit time.Duration) time.Duration {
	d := base
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// Due makes a relay due, unless it has named a later moment itself, or is dropped for its offences.
func (p Policy) Due(s State, now time.Time) State {
	s.NotBefore = s.notBefore(now)
	return s
}
