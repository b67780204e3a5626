package relay

import "time"

// bucket is the token bucket for REQs to one relay (DESIGN §5, Manners). It recovers slowly after it was halved.
type bucket struct {
	most      float64 // tokens a minute that were configured
	perMinute float64
	tokens    float64
	at        time.Time
}

const (
	bucketBurst    = 100
	leastPerMinute = 6
	recoverEvery   = 10 * time.Minute // until the rate has doubled again
)

func newBucket(perMinute int, now time.Time) bucket {
	n := float64(max(1, perMinute))
	return bucket{most: n, perMinute: n, tokens: min(bucketBurst, n), at: now}
}

func (b *bucket) refill(now time.Time) {
	d := now.Sub(b.at)
	if d <= 0 {
		return
	}
	b.at = now
	b.perMinute = min(b.most, b.perMinute*(1+float64(d)/float64(recoverEvery)))
	b.tokens = min(min(bucketBurst, b.most), b.tokens+b.perMinute*d.Minutes())
}

// take uses up a token, on credit if need be.
func (b *bucket) take() { b.tokens-- }

// ready reports whether there is a token, else when there will be one.
func (b *bucket) ready(now time.Time) (time.Time, bool) {
	b.refill(now)
	if b.tokens >= 1 {
		return now, true
	}
	wait := (1 - b.tokens) / b.perMinute * float64(time.Minute)
	return now.Add(time.Duration(wait) + time.Millisecond), false
}

// flow is how many live events a relay may make us handle. Pages have credit; these come unasked.
type flow struct {
	perSecond, tokens float64
	at                time.Time
}

const flowBurst = 10 // seconds' worth

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

func (b *bucket) halve() {
	b.perMinute = max(min(leastPerMinute, b.most), b.perMinute/2)
	b.tokens = min(b.tokens, 1)
}
