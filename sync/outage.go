package sync

import (
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/relay"
)

// judgeEvery is how often an outage is looked at while dials fail: it ends, or begins, by time alone too.
const judgeEvery = 5 * time.Second

// dialEnded tells the judge of our own uplink how a dial ended, and gives whether failures are ours now.
func (e *Engine) dialEnded(r *remote, c health.Cause, now time.Time) {
	e.outage.Dialled(now, r.url.Hostname(), c)
	if c != health.CauseNone {
		e.failedAt = now
	}
}

// judge looks whether the fault is ours. When that is over, nothing of it counts, and every relay is due; the limit of dials spreads
// them.
func (e *Engine) judge(now time.Time) (ours bool) {
	since := e.outageSince // not what it says itself: a dial that went well may have ended it
	ours = e.outage.Ours(now, e.open)
	e.outageSince = e.outage.Since()
	switch {
	case ours && since.IsZero():
		e.log.Warn("no relay can be reached: our own network seems to be down; nothing is counted against them")
	case !ours && !since.IsZero():
		e.log.Info("our network is back", zap.Duration("away", now.Sub(since)))
		for _, r := range e.sortedRelays() {
			r.health, r.unsafe = e.cfg.Health.Forgive(r.health, since, now), true
			e.touch(r)
		}
	}
	e.judgeAt = time.Time{}
	if ours || now.Sub(e.failedAt) < time.Minute {
		e.judgeAt = now.Add(judgeEvery)
	}
	return ours
}

// fail counts the end of a connection or of a dial, unless it is our own fault.
func (e *Engine) fail(r *remote, f *health.Failure, now time.Time) {
	if e.judge(now) {
		r.health = e.cfg.Health.Wait(r.health, e.outageSince, now, f)
	} else {
		r.health = e.cfg.Health.Down(r.health, now, f)
	}
	r.unsafe = true
}

// offended counts what no honest relay sends, and drops a relay that goes too far. What the operator named stays: he hears of it.
func (e *Engine) offended(r *remote, o relay.Offended, now time.Time) {
	state, drop := e.cfg.Health.Offend(r.health, now, o.Kind)
	switch {
	case !drop:
		r.health, r.unsafe = state, true
	case r.operator():
		r.health.Offences, r.health.OffencesFrom = 0, time.Time{}
		e.log.Warn("relay offends", zap.String("relay", string(r.url)), zap.String("reason", state.Reason))
	default:
		r.health, r.unsafe = state, true
		e.log.Warn("relay is dropped for its offences", zap.String("relay", string(r.url)), zap.String("reason", state.Reason))
		e.emit(Hangup{r.conn})
	}
}
