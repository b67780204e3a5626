package health

import "time"

// State is what is remembered of a relay's failures, across restarts. The zero value is a relay that has
// never been dialled.
type State struct {
	Failures      int       `json:"failures,omitempty"`   // in a row
	Persistent    int       `json:"persistent,omitempty"` // DNS, TLS and protocol faults in a row
	Cause         Cause     `json:"cause,omitempty"`      // of the last failure
	Reason        string    `json:"reason,omitempty"`     // of the last failure, for people; hostile text
	FailingSince  time.Time `json:"failing_since,omitzero"`
	LastFailure   time.Time `json:"last_failure,omitzero"`
	UpSince       time.Time `json:"-"` // of the open connection, zero when there is none
	NotBefore     time.Time `json:"not_before,omitzero"`
	Cooldowns     int       `json:"cooldowns,omitempty"` // rate-limit signals in a row
	CooldownUntil time.Time `json:"cooldown_until,omitzero"`
	AskedUntil    time.Time `json:"asked_until,omitzero"` // the relay's own Retry-After beside a failure
	Offences      int       `json:"offences,omitempty"`   // since OffencesFrom
	OffencesFrom  time.Time `json:"offences_from,omitzero"`
	DroppedUntil  time.Time `json:"dropped_until,omitzero"` // for its offences
}

const maxReason = 200 // bytes

func (s *State) record(now time.Time, f *Failure) {
	s.LastFailure = now
	if f == nil {
		return
	}
	s.Cause = f.Cause
	s.Reason = f.Cause.String()
	if f.Err != nil {
		s.Reason = cut(f.Err.Error(), maxReason)
	}
}

// ask keeps to the moment that a relay names.
func (s *State) ask(now time.Time, after time.Duration) {
	if after > 0 {
		s.AskedUntil = later(s.AskedUntil, now.Add(after))
	}
}

// notBefore is the moment given, or the later one that the relay asked us to wait for.
func (s *State) notBefore(at time.Time) time.Time {
	return later(at, later(s.DroppedUntil, later(s.CooldownUntil, s.AskedUntil)))
}

// Status is the health of a relay as exported by the gauge ngit_sync_relay_status (DESIGN §8).
type Status uint8

// Health states; the values are those of the gauge.
const (
	Healthy      Status = 1
	Disconnected Status = 2
	Degraded     Status = 3
	Dead         Status = 4
	RateLimited  Status = 5
)

// String is the word shown on the status page.
func (s Status) String() string {
	switch s {
	case Healthy:
		return "healthy"
	case Disconnected:
		return "disconnected"
	case Degraded:
		return "degraded"
	case Dead:
		return "dead"
	case RateLimited:
		return "rate limited"
	}
	return "unknown"
}

// Status is the health at the given moment.
func (p Policy) Status(s State, now time.Time) Status {
	switch {
	case now.Before(s.CooldownUntil):
		return RateLimited
	case p.dead(s, now) && s.UpSince.IsZero():
		return Dead
	case s.Failures > 0 && !p.stable(s, now):
		return Degraded
	case s.UpSince.IsZero():
		return Disconnected
	}
	return Healthy
}
