package relay

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// sendNext sends one event, or finds that it is not to be sent; false says that nothing can be done now.
func (c *core) sendNext() bool {
	l := &c.link
	if !c.loaded || !l.takes(c.now, &c.o) || l.pace.next(c.now).After(c.now) {
		return false
	}
	w := c.nextToSend()
	if w == nil {
		return false
	}
	// At the door once more: something newer, or something that it references, may have come since it was ready.
	alone := w.stage == suspect
	if r, on, reason := c.rule(w); c.obey(w, r, on, reason) {
		return true
	}
	msg, err := EncodeEvent(w.event.Event)
	if err != nil {
		c.conclude(w, Rejected, err.Error())
		return true
	}
	if l.maxMessage > 0 && len(msg) > l.maxMessage {
		c.conclude(w, OwnLimit, fmt.Sprintf("too large: a message of %d bytes, the own relay takes %d", len(msg), l.maxMessage))
		return true
	}
	l.pace.take(c.now)
	l.launch(c.now, w, alone, c.o.AnswerWait)
	c.needs.add(w.event.ID, w.needs())
	c.do(publish{msg})
	return true
}

// nextToSend gives what goes next, nil when there is nothing: suspects first. One that has ended a connection lets another event go
// before it, whose answer says whether it was the event or the own relay.
func (c *core) nextToSend() *work {
	if w := c.distrust.second; w != nil {
		c.distrust.second = nil
		if w.stage == ready {
			return w
		}
	}
	for len(c.link.suspects) > 0 {
		w := c.link.suspects[0]
		if w.stage == suspect && w.struck > c.storedCount && w.order == c.link.orders {
			if other := c.ready.pop(); other != nil {
				return other
			}
		}
		c.link.suspects = c.link.suspects[1:]
		if w.stage == suspect {
			return w
		}
	}
	return c.ready.pop()
}

// sendAt is when the next event may be sent, zero when that does not depend on the time.
func (c *core) sendAt() time.Time {
	l := &c.link
	if !c.loaded || !l.up || l.draining || (c.ready.size == 0 && len(l.suspects) == 0) {
		return time.Time{}
	}
	if l.halted != "" && len(l.flights) == 0 && c.now.Before(l.probeAt) {
		return l.probeAt
	}
	if !l.takes(c.now, &c.o) {
		return time.Time{} // an answer comes first
	}
	return l.pace.next(c.now)
}

// ownUp says that the socket to the own relay is open. maxMessage is what it states for one message, 0 when it does not.
func (c *core) ownUp(now time.Time, maxMessage int) {
	c.now = now
	c.link.up, c.link.maxMessage, c.link.heardAt = true, maxMessage, now
	c.tryAgain() // a new connection may be welcome where the old one was not
	c.pump()
}

// ownDown says that the socket has ended. What was in flight goes again, one at a time: one of them may be what the own
// relay cannot stand.
func (c *core) ownDown(now time.Time, why error) {
	c.now = now
	c.link.up = false
	var again []*work
	for _, w := range c.link.lost() {
		alone := w.alone
		c.land(w)
		if alone {
			c.lostAlone(w, why)
			continue
		}
		w.stage = suspect
		again = append(again, w)
	}
	c.link.suspects = append(again, c.link.suspects...)
	c.pump()
}

// lostAlone handles an event that was alone in flight when the connection ended. A relay that restarts or hangs does that to any
// event: it is tried again later, after others. Only one that ends the connection soon after it was sent, twice, while the
// own relay stores another one in between, is what the own relay cannot stand.
func (c *core) lostAlone(w *work, why error) {
	w.solo = true
	if blames(why) && c.now.Sub(w.sentAt) <= crashWithin {
		switch {
		case w.struck == 0:
			w.struck = c.storedCount + 1
		case c.storedCount >= w.struck:
			w.offers = max(w.offers, len(rejectedAgain)-1) // once more at most, late
			c.conclude(w, Rejected, fmt.Sprintf("lost the connection twice: %v", why))
			return
		}
	}
	c.retry(w, why.Error())
}

// enqueue lines a work up to be sent.
func (c *core) enqueue(w *work) {
	if w.solo {
		w.stage = suspect
		c.link.suspects = append(c.link.suspects, w)
		return
	}
	w.stage = ready
	c.ready.push(w)
	c.secondOpinion(w)
}

// drain ends sending, and keeps nothing from the engine any more; idle reports when nothing is in flight.
func (c *core) drain() {
	c.link.draining = true
	c.tellTaken()
}

func (c *core) idle() bool { return len(c.link.flights) == 0 }

// land takes a work out of flight and off the index of what could lift its refusal.
func (c *core) land(w *work) {
	c.link.land(w)
	c.needs.remove(w.event.ID, w.needs())
}

// answered brings an OK of the own relay. One that comes too late still counts when it ends the matter.
func (c *core) answered(now time.Time, id event.ID, ok bool, reason string) {
	c.now = now
	defer c.pump()
	w := c.works[id]
	if w == nil || w.order == 0 {
		return
	}
	answer := classify(ok, reason)
	if w.stage != flying && !answer.final() {
		return
	}
	l := &c.link
	l.heardAt, l.last = now, answer
	l.overtook = max(l.overtook, w.order)
	c.o.Metrics.answered(answer, now.Sub(w.at), w.row == nil)
	if w.stage == flying {
		c.land(w)
	}
	w.blame = blame{} // the own relay has read it, and stands
	if answer != classLimited && answer != classAuth {
		l.pace.accepted(now, w.order)
		c.speed.note(now, 1, true)
	}
	if c.heard(w, answer, reason) {
		return
	}
	if l.halted != "" && !c.distrust.halted && answer != classAuth {
		l.resume()
	}
	c.resolve(w, answer, reason)
}

// overdue gives up on answers that do not come.
func (c *core) overdue() {
	for _, w := range c.link.overdue(c.now, c.o.AnswerWait) {
		c.land(w)
		c.o.Metrics.unanswered()
		if c.distrust.halted {
			c.haltLonger()
		}
		c.retry(w, errNoAnswer.Error())
	}
}

// noticed brings a NOTICE of the own relay. nostr-rs-relay answers what is too large for it that way, and by no OK (RELAYS §3.5). With one event
// in flight it is that one; else each of them goes alone once, unless it is answered.
func (c *core) noticed(now time.Time, text string) {
	c.now = now
	if !speaksOfSize(text) {
		return
	}
	alone := len(c.link.flights) == 1
	for _, w := range c.link.flights {
		if w.solo = true; alone {
			c.land(w)
			w.blame = blame{}
			c.resolve(w, classOwnLimit, "notice: "+text)
			break
		}
	}
	c.pump()
}

// limited slows down; the event stays.
func (c *core) limited(w *work, reason string) {
	l := &c.link
	before := l.pace.rate
	l.pace.limited(c.now, w.order, l.orders)
	if l.pace.rate != before {
		c.limits(reason)
		c.log.Debug("own relay limits the rate", zap.Float64("per_second", l.pace.rate), zap.String("reason", reason))
	}
	c.enqueue(w)
}

// unwelcome stops publishing until a probe gets through. What was on its way when publishing stopped says nothing new.
func (c *core) unwelcome(w *work, reason string) {
	l := &c.link
	if w.order > l.welcomeAt && (l.halted == "" || w.order > l.haltedAt) {
		if c.o.Login == nil || l.probes > 0 {
			c.log.Warn("own relay wants a login, publishing stops; own_relay.auth_key_file gives it one", zap.String("reason", reason))
		}
		l.halt(c.now, reason)
	}
	c.enqueue(w)
}

// welcomed says that the own relay has taken our login. What it refused before for want of one goes again.
func (c *core) welcomed(now time.Time) {
	c.now = now
	c.link.welcomeAt = c.link.orders
	c.tryAgain()
	c.pump()
}
