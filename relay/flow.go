package relay

import "time"

// flow is how many live events, and other frames, a relay may make us handle. Pages have credit; these come unasked.
type flow struct {
	perSecond, tokens float64
	at                time.Time
}

const flowBurst = 1 // seconds' worth

func newFlow(perSecond int, now time.Time) flow {
	n := float64(max(1, perSecond))
	return flow{perSecond: n, tokens: flowBurst * n, at: now}
}

// spend takes an event of that many bytes and gives the moment before which nothing more should be read, zero when it may
// go on.
func (f *flow) spend(size int, now time.Time) time.Time {
	if d := now.Sub(f.at); d > 0 {
		f.at = now
		f.tokens = min(flowBurst*f.perSecond, f.tokens+f.perSecond*d.Seconds())
	}
	f.tokens -= 1 + float64(size/4096)
	if f.tokens >= 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(-f.tokens/f.perSecond*float64(time.Second)) + time.Millisecond)
}
