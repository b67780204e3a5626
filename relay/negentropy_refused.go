package relay

import (
	"time"

	"go.uber.org/zap"
)

// saidIn is what stands before a relay's text when it is shown.
var saidIn = map[string]string{fallbackError: "NEG-ERR: ", fallbackNotice: "NOTICE: ", fallbackClosed: "CLOSED: "}

// garbled takes an answer that cannot be read: the filter is paged, and after another one the relay is.
func (c *Conn) garbled(err error, now time.Time) {
	n, g := &c.neg, c.neg.session.group
	c.log.Debug("negentropy message cannot be read", zap.Error(err))
	c.offend(OffenceMalformed, now)
	c.endSession(now)
	c.fallBack(g, fallbackMalformed)
	if n.garbled++; n.garbled >= malformedMost {
		c.abstain(fallbackMalformed, err.Error(), now)
	}
}

// negRefused takes a refusal of the session: by NEG-ERR, CLOSED or NOTICE.
func (c *Conn) negRefused(what refusal, label, text string, limit int64, now time.Time) {
	n, s := &c.neg, c.neg.session
	g := s.group
	r := g.neg
	c.log.Debug("reconciliation refused", zap.String("sub", s.sub), zap.String("by", label), zap.String("text", text))
	if what == refusesSession && s.first != nil {
		if s.againAt.IsZero() {
			s.againAt = now.Add(sayAgain)
			c.wakeBy(s.againAt)
		}
		return
	}
	c.endSession(now)
	switch what {
	case refusesNothing:
		return
	case refusesSize:
		n.answered = true // it knows what we want
		if limit > 0 {
			n.largest = limit
		}
		c.split(g, now)
		return
	case refusesPace, refusesSession:
		if what == refusesPace {
			c.limited(text, now)
		}
		if r.again++; r.again < maxAgain {
			return // it waits for another session
		}
	case refusesAll:
		if !n.answered {
			c.o.Metrics.fellBack(label)
			c.abstain(label, saidIn[label]+text, now)
			return
		}
	case refusesFilter:
	}
	bare := bare(g.asked[0]) && !c.limits.StateKinds
	by := c.fallBack(g, label)
	if bare && !n.answered && len(by) > 0 {
		n.doubt = by[0]
	}
	n.refused++
	if n.refused >= refusalsLater || !n.answered && n.refused >= refusalsFirst {
		c.abstain(label, saidIn[label]+text, now)
	}
}

// negNotice takes a NOTICE while the first answer of a session is due, and reports whether it was about it.
func (c *Conn) negNotice(f Frame) bool {
	s := c.neg.session
	if s == nil || s.heard {
		return false
	}
	what := readNegNotice(f.Text)
	if what == refusesNothing {
		return false
	}
	c.negRefused(what, fallbackNotice, f.Text, 0, f.At)
	return true
}
