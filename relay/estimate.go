package relay

import (
	"time"

	"go.uber.org/zap"
)

// Numbers of the estimate.
const (
	speedWindow  = 10 * time.Minute // of work that is measured at least, and at most twice
	speedEvents  = 8                // in it, or it takes longer
	remindEvery  = time.Hour        // of a limited rate, in the log
	exemptionTip = "its operator can exempt us: docs/how-to/own-relay.md"
)

// speed measures how many events a second the own relay takes while there are some to give. Pure.
type speed struct {
	at    time.Time     // up to here it is counted, zero while there is nothing to give
	busy  time.Duration // of the current window
	n     int           // events taken in it
	busy0 time.Duration // of the window before
	n0    int
}

// note counts events that were taken; busy says that there are more to give, and that they may go.
func (s *speed) note(now time.Time, taken int, busy bool) {
	if !s.at.IsZero() {
		s.busy += now.Sub(s.at)
	}
	s.n += taken
	if s.at = now; !busy {
		s.at = time.Time{}
	}
	if s.busy >= speedWindow && s.n >= speedEvents {
		s.busy0, s.n0 = s.busy, s.n
		s.busy, s.n = 0, 0
	}
}

// perSecond is 0 when it is not known.
func (s *speed) perSecond() float64 {
	n, busy := s.n+s.n0, s.busy+s.busy0
	if n < 2 || busy <= 0 {
		return 0
	}
	return float64(n) / busy.Seconds()
}

// toGive is how many events only wait for the own relay to take them, in the queue and in the pending table.
func (c *core) toGive() int { return len(c.works) + c.pool.waiting }

// left is how long it takes to give them at the rate that was measured, 0 when there are none or that is not known.
func (c *core) left() time.Duration {
	rate := c.speed.perSecond()
	if limit := c.link.pace.rate; limit > 0 && limit < rate {
		rate = limit
	}
	if rate == 0 {
		return 0
	}
	return time.Duration(float64(c.toGive()) / rate * float64(time.Second)).Round(time.Second)
}

// limits notes that the own relay limits the rate more than the configuration does.
func (c *core) limits(reason string) {
	if c.remindAt.IsZero() {
		c.log.Warn("own relay limits the rate", zap.String("hint", exemptionTip), zap.String("reason", reason))
		c.remindAt = c.now.Add(remindEvery)
	}
}

// remind logs how long a limited rate still takes.
func (c *core) remind() {
	p := &c.link.pace
	switch {
	case c.remindAt.IsZero() || c.now.Before(c.remindAt):
	case p.rate == p.max:
		c.remindAt = time.Time{}
	default:
		c.remindAt = c.now.Add(remindEvery)
		if n := c.toGive(); n > 0 {
			c.log.Info("own relay limits the rate, events wait", zap.Int("events", n), zap.Duration("left", c.left()),
				zap.Float64("per_minute", 60*p.rate), zap.String("hint", exemptionTip))
		}
	}
}
