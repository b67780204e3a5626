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

func (b *bucket) halve() {
	b.perMinute = max(min(leastPerMinute, b.most), b.perMinute/2)
	b.tokens = min(b.tokens, 1)
}
