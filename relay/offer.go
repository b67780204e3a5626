package relay

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// When refused events are offered again (DESIGN §6, Answers), counted from the last refusal.
const (
	offerDay      = 24 * time.Hour
	ownLimitAgain = 30 * offerDay
)

var rejectedAgain = [...]time.Duration{offerDay, 7 * offerDay, 30 * offerDay}

// refused reports the dispositions of events that may be offered again. No copy of such an event is kept: from its time on its id does
// not count as known, so whoever sends it next brings it as a new one, and reconciliations ask for it.
func refused(d Disposition) bool { return d == Rejected || d == OwnLimit }

// offerAfter is what a refusal leaves behind, count being how often the event had been offered again by then.
func offerAfter(now time.Time, d Disposition, count int) Offer {
	switch {
	case d == OwnLimit:
		return Offer{Count: count, Due: now.Add(ownLimitAgain)}
	case d == Rejected && count < len(rejectedAgain):
		return Offer{Count: count, Due: now.Add(rejectedAgain[count])}
	case d == Rejected:
		return Offer{Count: count}
	}
	return Offer{}
}

// knows gives what is known of an id, unless that is a refusal and it may be offered again.
func (c *core) knows(id event.ID) (Disposition, bool) {
	d, ok := c.known[id]
	if refused(d) {
		if o, again := c.offers[id]; again && !c.now.Before(o.Due) {
			return d, false
		}
	}
	return d, ok
}

// offered is how often an event has been offered again, with the work on it that begins now.
func (c *core) offered(id event.ID) int {
	if refused(c.known[id]) {
		return c.offers[id].Count + 1
	}
	return 0
}

// setOffer notes when an event may be offered again whose refusal is known.
func (c *core) setOffer(id event.ID, o Offer) {
	if refused(c.known[id]) && !o.Due.IsZero() {
		c.offers[id] = o
	} else {
		delete(c.offers, id)
	}
}

// offerRefused lets all refused events be offered again from now on, also those whose offers were used up, and gives their number.
func (c *core) offerRefused(now time.Time) int {
	c.now = now
	n := 0
	for id, d := range c.known {
		if !refused(d) {
			continue
		}
		n++
		o, ok := c.offers[id]
		if !ok {
			o.Count = len(rejectedAgain)
		}
		o.Due = now
		c.offers[id] = o
	}
	c.seq = c.o.Ledger.OfferRefused(now)
	return n
}

// OfferRefused lets every event be offered again that the own relay has refused: the next pass that meets it brings it as a new one. It
// waits for the loop, and gives the number of such events; false when the loop has ended.
func (p *Publisher) OfferRefused() (int, bool) {
	done := make(chan int, 1)
	p.put(func(c *core, now time.Time) { done <- c.offerRefused(now) })
	select {
	case n := <-done:
		return n, true
	case <-p.ended:
		return 0, false
	}
}
