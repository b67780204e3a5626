package health

import (
	"fmt"
	"time"
)

// Offend records that the relay sent what no honest relay sends (DESIGN §11), told at most once a second for each kind. drop says
// that it did so too often: its connection is to be ended, and it is not dialled again before DropFor has passed.
func (p Policy) Offend(s State, now time.Time, kind string) (_ State, drop bool) {
	if s.OffencesFrom.IsZero() || now.Sub(s.OffencesFrom) >= p.OffencesSpan {
		s.Offences, s.OffencesFrom = 0, now
	}
	if s.Offences++; s.Offences < p.OffencesMost {
		return s, false
	}
	s.record(now, &Failure{Cause: CausePolicy, Err: fmt.Errorf("dropped for %s: %d offences in %s, the last: %s",
		p.DropFor, s.Offences, p.OffencesSpan, kind)})
	s.Offences, s.OffencesFrom = 0, time.Time{}
	s.DroppedUntil = now.Add(p.DropFor)
	s.NotBefore = s.notBefore(s.NotBefore)
	return s, true
}

// forgiven is what a stable connection leaves of a state.
func (s State) forgiven() State {
	kept := State{
		UpSince: s.UpSince, CooldownUntil: s.CooldownUntil,
		Offences: s.Offences, OffencesFrom: s.OffencesFrom, DroppedUntil: s.DroppedUntil,
	}
	if !s.DroppedUntil.IsZero() {
		kept.Cause, kept.Reason, kept.LastFailure = s.Cause, s.Reason, s.LastFailure
	}
	return kept
}
