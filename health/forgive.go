package health

import "time"

const (
	lateNotice  = time.Minute // a dead uplink is noticed by a ping, a pong's wait and a dial later: 30 s, 10 s and 10 s
	longestWait = time.Minute // between dials during an outage
)

// Wait takes the place of Down while the fault is ours: it counts nothing and sets the moment of the next dial. The wait grows
// with the outage, which began at since, from BaseBackoff to a minute.
func (p Policy) Wait(s State, since, now time.Time, f *Failure) State {
	if f == nil || !f.Cause.fault() {
		return p.Down(s, now, f) // counts nothing either
	}
	if p.stable(s, now) {
		s = s.forgiven()
	}
	s.UpSince = time.Time{}
	s.ask(now, p.retryAfter(f))
	s.NotBefore = s.notBefore(now.Add(max(p.BaseBackoff, min(now.Sub(since), longestWait))))
	return s
}

// Forgive takes back what an outage of ours, begun at since and over now, did to a relay's record. Who began to fail in it, or
// in the minute before it was noticed, has never failed; who failed before has failed for as much less. Either is due, unless
// the relay itself has named a later moment: the caller spreads the dials.
func (p Policy) Forgive(s State, since, now time.Time) State {
	switch {
	case s.FailingSince.IsZero():
	case s.FailingSince.Before(since.Add(-lateNotice)):
		s.FailingSince = s.FailingSince.Add(max(now.Sub(since), 0))
	default:
		s.Failures, s.Persistent, s.FailingSince = 0, 0, time.Time{}
		s.Cause, s.Reason, s.LastFailure = CauseNone, "", time.Time{}
	}
	s.NotBefore = s.notBefore(now)
	return s
}
