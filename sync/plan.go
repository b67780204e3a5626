package sync

import (
	"slices"
	"time"
)

// plan brings one relay in line with what is wanted of it: whether to dial, what to ask live, what to ask
// historically, whether it is caught up. It is the only place where that is decided, and may be called at any time.
func (e *Engine) plan(r *remote, now time.Time) {
	if e.stopped {
		return
	}
	if e.planRemoval(r, now) {
		return
	}
	switch {
	case e.planPlace(r):
		if r.phase == Disconnected && !r.queuedFor {
			e.nextDialer() // the place that was meant for it
		}
	case r.phase == Disconnected:
		e.planDial(r, now)
	case r.phase.Open():
		settled := e.cfg.Health.Settle(r.health, now)
		if settled != r.health {
			r.health, r.unsafe = settled, true
		}
		e.planLearned(r, now)
		e.planFull(r, now)
		e.planAround(r, now)
		e.planRotation(r, now)
		e.planLive(r, now)
		e.planBatches(r, now)
		e.planPhase(r, now)
		e.planTurn(r, now)
	}
	e.wake(r, e.nextWake(r, now))
}

// planRemoval forgets a discovered relay from which nothing has been wanted for the grace time.
func (e *Engine) planRemoval(r *remote, now time.Time) bool {
	if r.operator() || len(r.wants) > 0 || !e.loaded {
		r.removeAt = time.Time{}
		return false
	}
	if r.removeAt.IsZero() {
		r.removeAt = now.Add(e.cfg.RemoveGrace)
	}
	if now.Before(r.removeAt) {
		return false
	}
	e.remove(r, "nothing wanted for the grace time", now)
	return true
}

func (e *Engine) planDial(r *remote, now time.Time) {
	if r.queuedFor {
		return
	}
	if now.Before(r.health.NotBefore) || e.election.candidates[r.url].doubtful() || !e.admitted(r) {
		e.nextDialer() // the place that was meant for it
		return
	}
	if e.dialing >= e.cfg.ConcurrentDials {
		r.queuedFor = true
		e.dialers = append(e.dialers, r)
		return
	}
	e.dialing++
	e.lastConn++
	r.conn = e.lastConn
	e.conns[r.conn] = r
	e.to(r, Connecting, "due and wanted", now)
	e.emit(Dial{ID: r.conn, URL: r.url, Trust: r.trust(), Learned: r.learned})
}

// dialed frees a place for the next relay that is due.
func (e *Engine) dialed() {
	e.dialing--
	e.nextDialer()
}

// nextDialer makes the next relay that is due dial, when there is a place for it.
func (e *Engine) nextDialer() {
	for len(e.dialers) > 0 && e.dialing < e.cfg.ConcurrentDials {
		r := e.dialers[0]
		e.dialers = e.dialers[1:]
		r.queuedFor = false
		if e.relays[r.url] == r && r.phase == Disconnected {
			e.touch(r)
			return
		}
	}
}

// planFull starts the daily pass over everything. Passes that only wait for batches that fail make way.
func (e *Engine) planFull(r *remote, now time.Time) {
	if r.nextFull.IsZero() || now.Before(r.nextFull) || r.phase == Syncing || (r.daily != nil && !r.daily.stuck(r)) || (r.pass != nil && !r.stuck()) {
		return
	}
	if r.daily != nil {
		e.dropPass(r, r.daily) // the new one asks for what failed of it
	}
	e.to(r, Syncing, "daily catch-up", now)
	e.startPass(r, time.Time{}, now)
	r.nextFull = e.fullAfter(now) // what fails of it does not hold up the next one
}

// stuck reports that all that is left of the pass are batches that failed.
func (r *remote) stuck() bool {
	return r.pass != nil && r.pass.issued && len(r.waiting) > 0 && !r.busy()
}

// stuck reports that all that is left of a pass are batches that failed.
func (p *pass) stuck(r *remote) bool { return p.issued && !p.running(r) }

// running reports whether a batch of a pass is being asked.
func (p *pass) running(r *remote) bool {
	for b := range r.open {
		if b.pass == p {
			return true
		}
	}
	return false
}

// planPhase makes the double check: nothing pending, and what was learned has come back or had its time.
func (e *Engine) planPhase(r *remote, now time.Time) {
	if r.phase == Connected || r.phase == ConnectedDegraded {
		e.planDegraded(r, now)
		return
	}
	if r.busy() || now.Before(e.settledAt(r)) {
		return
	}
	e.forgetAwaited(r)
	if len(r.waiting) > 0 {
		e.to(r, ConnectedDegraded, "nothing pending twice, a batch failed", now)
		if r.refill {
			r.nextFull = now
		}
		return
	}
	e.synced(r, now)
	e.to(r, Connected, "nothing pending twice, every batch ok", now)
}

func (e *Engine) planDegraded(r *remote, now time.Time) {
	if !now.Before(e.settledAt(r)) {
		e.forgetAwaited(r) // some never come back
	}
	failed := len(r.waiting) > 0 || r.retrying()
	if r.phase == Connected && len(r.waiting) > 0 {
		e.to(r, ConnectedDegraded, "a later batch (new wants) failed", now)
	} else if r.phase == ConnectedDegraded && !failed {
		if !r.busy() {
			e.synced(r, now)
		}
		e.to(r, Connected, "every failed batch was retried with success", now)
	}
}

// synced records the end of a sync that covered everything.
func (e *Engine) synced(r *remote, now time.Time) {
	if !r.full {
		return
	}
	r.full = false
	if r.refill {
		r.nextFull = now
		return
	}
	r.lastFull, r.unsafe = now, true
	r.nextFull = e.fullAfter(now)
}

// fullAfter is when the next pass over everything is due, spread by the configured jitter.
func (e *Engine) fullAfter(last time.Time) time.Time {
	at := last.Add(e.cfg.FullInterval)
	if j := e.cfg.FullJitter; j > 0 {
		at = at.Add(time.Duration(e.rng.Int64N(2*int64(j))) - j)
	}
	return at
}

// busy reports whether anything is asked or still to be asked, be it after a survey; failed batches that wait for their retry, and rotations, do
// not count.
func (r *remote) busy() bool {
	return r.asking() > 0 || len(r.todo) > 0 || len(r.unread) > 0 || len(r.bare) > 0 || !r.announcementsAsked || slices.ContainsFunc([]*pass{r.pass, r.daily, r.look}, func(p *pass) bool { return p != nil && !p.issued })
}

// fetching reports whether something is asked that was never asked before.
func (r *remote) fetching() bool {
	for b := range r.open {
		if b.pass == nil {
			return true
		}
	}
	return !r.announcementsAsked
}

// asking is the number of open batches, but for those of rotations.
func (r *remote) asking() int {
	n := 0
	for b := range r.open {
		if !b.rotates() {
			n++
		}
	}
	return n
}

// retrying reports whether a batch that failed before is being asked again.
func (r *remote) retrying() bool {
	for b := range r.open {
		if b.attempt > 0 {
			return true
		}
	}
	return false
}

// askingDaily counts those of them that belong to the daily pass.
func (r *remote) askingDaily() int {
	n := 0
	for b := range r.open {
		if b.ofDaily() {
			n++
		}
	}
	return n
}

// settledAt is the moment of the second look.
func (e *Engine) settledAt(r *remote) time.Time {
	if len(r.taught) == 0 || r.lastSettled.IsZero() {
		return time.Time{}
	}
	return r.lastSettled.Add(e.cfg.SettleDelay)
}

// nextWake is the next moment at which time alone changes what plan decides.
func (e *Engine) nextWake(r *remote, now time.Time) time.Time {
	var at time.Time
	// What is due and held back waits for something else, which is among the rest or touches the relay when it changes.
	next := func(times ...time.Time) {
		for _, t := range times {
			if t.After(now) {
				at = earliest(at, t)
			}
		}
	}
	next(r.removeAt)
	if r.phase == Disconnected && !r.queuedFor {
		next(r.health.NotBefore)
	}
	if r.phase.Open() {
		next(r.nextFull, r.reopenAt, e.cfg.Health.StableAt(r.health), r.health.CooldownUntil)
		next(e.turnEnds(r), r.learned.Expires(), r.heat.due, r.warmth.due)
		for _, p := range r.passes() {
			next(p.notBefore)
		}
		if r.phase == Syncing || len(r.bare) > 0 {
			next(e.settledAt(r))
		}
		for _, b := range r.waiting {
			next(b.retryAt)
		}
	}
	return at
}

// limited reports whether the relay asked to be left alone for now.
func (r *remote) limited(now time.Time) bool { return now.Before(r.health.CooldownUntil) }
