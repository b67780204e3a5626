package relay

import "time"

// Numbers of pace. They are from a simulation against token buckets, intervals and windows: two to six refusals for a hundred events.
const (
	paceFloor  = 1.0 / 900 // events/s: a tenth of what the strictest known limiter lets through (RELAYS §3.6)
	paceFree   = 20_000.0  // events/s: as good as no limit
	paceWindow = 10 * time.Second

	paceBelow    = 0.95 // of the limit that was found
	paceOver     = 1.2  // by how much the limit may be above what was measured: that includes the way up to it
	paceSearch   = 0.25 // raise per success while no limit is known, at most once a second
	paceProbe    = 0.02 // the same after a hold, when the limit was where it had been before
	paceProbeFar = 0.05 // and where it was not
	paceGrowth   = 1.15 // of the raise, per success without a refusal
	holdMin      = 16   // successes before the limit is probed again, doubling while it stays where it is
	holdMost     = 64
)

// pace is how fast the own relay lets us publish: without limit until it says rate-limited, then a token bucket. From one refusal to
// the next a limiter lets through what it lets through for ever, so that is measured, kept to for a while, and then probed
// gently upwards. Pure.
type pace struct {
	max    float64 // events/s of the configuration, 0: none
	rate   float64 // events/s, 0: no limit
	tokens float64
	filled time.Time // tokens are as of then

	cutAt  uint64    // events sent up to here were sent at the rate before the last cut
	raised time.Time // last raise, or success that counted for hold

	from time.Time // start of what is measured: the last refusal, or the end of the hold after it; zero before the first
	n    int       // events accepted since then
	held float64   // the rate of the last hold
	span int       // its length
	hold int       // successes that it still takes
	gain float64   // the next raise

	since time.Time // start of the stretch that the first cut goes by
	count int       // events accepted since then
}

func newPace(perSecond float64) pace { return pace{max: perSecond, rate: perSecond} }

// burst is how many events may go at once after a pause.
func (p *pace) burst() float64 { return max(1, p.rate/10) }

func (p *pace) fill(now time.Time) {
	if !p.filled.IsZero() {
		p.tokens += p.rate * now.Sub(p.filled).Seconds()
	} else {
		p.tokens = p.burst()
	}
	p.tokens = min(p.tokens, p.burst())
	p.filled = now
}

// take reports whether an event may go now, and counts it.
func (p *pace) take(now time.Time) bool {
	if p.rate == 0 {
		return true
	}
	p.fill(now)
	if p.tokens < 1-1e-9 { // a wait computed by next may fall short by a rounding
		return false
	}
	p.tokens--
	return true
}

// next is when take will give true.
func (p *pace) next(now time.Time) time.Time {
	if p.rate == 0 {
		return now
	}
	p.fill(now)
	if p.tokens >= 1 {
		return now
	}
	return now.Add(time.Duration((1-p.tokens)/p.rate*float64(time.Second)) + time.Microsecond)
}

// limited notes a refusal of the event with that number of sending; last is the number of the newest sending. Refusals of
// events that were on their way at the last cut say nothing new.
func (p *pace) limited(now time.Time, order, last uint64) {
	if order <= p.cutAt {
		return
	}
	measured := float64(p.n) / max(1e-3, now.Sub(p.from).Seconds())
	switch {
	case p.rate == 0:
		p.seek(max(1, float64(p.count)/max(1, now.Sub(p.since).Seconds())) / 2)
	case p.n == 0, p.from.IsZero():
		p.seek(p.rate / 2)
	default:
		p.keep(paceBelow * min(paceOver*measured, p.rate))
	}
	p.rate = max(p.rate, paceFloor)
	p.from, p.n = now, 0
	p.cutAt, p.raised = last, now
	p.tokens, p.filled = 0, now
}

// seek goes on at a rate of which nothing is known.
func (p *pace) seek(rate float64) {
	p.rate, p.gain, p.hold, p.held = rate, paceSearch, 0, 0
}

// keep goes on at a rate that should do.
func (p *pace) keep(rate float64) {
	if p.held > 0 && rate < paceOver*p.held {
		p.span, p.gain = min(2*p.span, holdMost), paceProbe
	} else {
		p.span, p.gain = holdMin, paceProbeFar
	}
	p.rate, p.held, p.hold = rate, rate, p.span
}

// accepted notes a success of the event with that number of sending.
func (p *pace) accepted(now time.Time, order uint64) {
	if p.since.IsZero() || now.Sub(p.since) > paceWindow {
		p.since, p.count = now, 0
	}
	p.count++
	if order <= p.cutAt {
		return
	}
	p.n++
	if p.rate == 0 || p.rate == p.max || now.Sub(p.raised) < time.Second {
		return
	}
	p.raised = now
	if p.hold > 0 {
		if p.hold--; p.hold == 0 {
			p.from, p.n = now.Add(-time.Duration(float64(time.Second)/p.rate)), 1
		}
		return
	}
	p.fill(now)
	p.rate *= 1 + p.gain
	p.gain = min(paceSearch, p.gain*paceGrowth)
	switch {
	case p.max > 0 && p.rate > p.max:
		p.rate = p.max
	case p.rate > paceFree:
		p.rate = 0
	}
}
