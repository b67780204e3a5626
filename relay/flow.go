package relay

import "time"

// flow bounds what a relay may make us handle unasked: so much a second, and so much at once. Pages have credit.
type flow struct {
	perSecond, most float64
	tokens          float64
	at              time.Time
}

// liveBurst is how many live events are taken at once. Each of them costs a signature check, a message to the own relay and a row: many at
// once take every core for a while, and so hold up what other relays bring.
const liveBurst = 10

func newFlow(perSecond, most int, now time.Time) flow {
	return flow{perSecond: float64(max(1, perSecond)), most: float64(max(1, most)), tokens: float64(max(1, most)), at: now}
}

// spend takes something of that many bytes, of which 4 KiB count as one, and gives the moment before which nothing more should be read,
// zero when it may go on.
func (f *flow) spend(size int, now time.Time) time.Time {
	if d := now.Sub(f.at); d > 0 {
		f.at = now
		f.tokens = min(f.most, f.tokens+f.perSecond*d.Seconds())
	}
	f.tokens -= 1 + float64(size/4096)
	if f.tokens >= 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(-f.tokens/f.perSecond*float64(time.Second)) + time.Millisecond)
}
