package relay

import "time"

// Numbers of pace.
const (
	paceFloor  = 1.0 / 120 // events/s: below what the strictest known limiter lets through (RELAYS §3.6)
	paceFree   = 20_000.0  // events/s: as good as no limit
	paceRaise  = 1.1       // per success, at most once a second
	paceWindow = 10 * time.Second
)

// pace is how fast the own relay lets us publish: without limit until it says rate-limited, then a token bucket whose
// rate is halved on every such answer and grows again with every success, so that it stays near the limit. Pure.
type pace struct {
	max    float64 // events/s of the configuration, 0: none
	rate   float64 // events/s, 0: no limit
	tokens float64
	filled time.Time // tokens are as of then

	cutAt  uint64    // events sent up to here were sent at the rate before the last cut
	raised time.Time // last raise

	since time.Time // start of the measured stretch
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
	rate := p.rate
	if rate == 0 {
		rate = max(1, float64(p.count)/max(1, now.Sub(p.since).Seconds()))
	}
	p.rate = max(rate/2, paceFloor)
	p.cutAt, p.raised = last, now
	p.tokens, p.filled = 0, now
}

// accepted notes a success of the event with that number of sending.
func (p *pace) accepted(now time.Time, order uint64) {
	if p.since.IsZero() || now.Sub(p.since) > paceWindow {
		p.since, p.count = now, 0
	}
	p.count++
	if p.rate == 0 || p.rate == p.max || order <= p.cutAt || now.Sub(p.raised) < time.Second {
		return
	}
	p.fill(now)
	p.rate *= paceRaise
	p.raised = now
	switch {
	case p.max > 0 && p.rate > p.max:
		p.rate = p.max
	case p.rate > paceFree:
		p.rate = 0
	}
}
