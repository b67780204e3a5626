package relay

import "time"

// bucket is the token bucket for REQs to one relay (DESIGN §5, Manners). It recovers slowly after it was halved. A tenth of its
// pace is open to background work, which has to find a token there too.
type bucket struct {
	most       float64 // tokens a minute that were configured
	perMinute  float64
	tokens     float64
	background float64 // tokens that background work may use
	at         time.Time
	free       bool // there is no need of tokens until the relay asks us to slow down
}

const (
	bucketBurst     = 100
	backgroundBurst = 10
	backgroundShare = 0.1
	leastPerMinute  = 6
	recoverEvery    = 10 * time.Minute // until the rate has doubled again
)

// newBucket gives a full bucket. It starts at that pace, with 0 at the largest.
func newBucket(most, start int, now time.Time) bucket {
	n := float64(max(1, most))
	b := bucket{most: n, perMinute: n, background: backgroundBurst, at: now}
	if start > 0 {
		b.perMinute = min(n, float64(start))
	}
	b.tokens = min(bucketBurst, b.perMinute)
	return b
}

func (b *bucket) refill(now time.Time) {
	d := now.Sub(b.at)
	if d <= 0 {
		return
	}
	b.at = now
	b.perMinute = min(b.most, b.perMinute*(1+float64(d)/float64(recoverEvery)))
	b.tokens = min(min(bucketBurst, b.most), b.tokens+b.perMinute*d.Minutes())
	b.background = min(backgroundBurst, b.background+backgroundShare*b.perMinute*d.Minutes())
}

// take uses up a token, on credit if need be.
func (b *bucket) take(background bool) {
	if b.free {
		return
	}
	b.tokens--
	if background {
		b.background--
	}
}

// ready reports whether there is a token, else when there will be one.
func (b *bucket) ready(now time.Time) (time.Time, bool) {
	b.refill(now)
	if b.free {
		return now, true
	}
	return due(now, b.tokens, b.perMinute)
}

// backgroundReady is ready for the tenth that is open to background work.
func (b *bucket) backgroundReady(now time.Time) (time.Time, bool) {
	b.refill(now)
	if b.free {
		return now, true
	}
	return due(now, b.background, backgroundShare*b.perMinute)
}

func due(now time.Time, tokens, perMinute float64) (time.Time, bool) {
	if tokens >= 1 {
		return now, true
	}
	wait := (1 - tokens) / perMinute * float64(time.Minute)
	return now.Add(time.Duration(wait) + time.Millisecond), false
}

// halve slows down, from the pace that has been reached by now.
func (b *bucket) halve(now time.Time) {
	b.refill(now)
	b.free = false
	b.perMinute = max(min(leastPerMinute, b.most), b.perMinute/2)
	b.tokens = min(b.tokens, 1)
	b.background = min(b.background, 1)
}
