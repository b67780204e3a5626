package relay

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// liveTable is the wanted live set of a connection.
type liveTable struct {
	subs    map[string]*liveSub
	waiting []*liveSub // for a free subscription, oldest first
	onWire  int        // REQs sent and not closed
	sent    int        // subscriptions opened so far
	answer  time.Time  // of the last EOSE
	unready int        // wanted and not open: no live mark
	early   int        // events of the past before EOSE
	manner  manner     // of REQs from now on
	quietly bool       // a subscription was opened that was refused with kind 1
}

// liveState is how far a live subscription has got.
type liveState uint8

const (
	liveWaiting liveState = iota // not sent yet
	liveSent                     // no EOSE since the last REQ
	liveOpen
	liveDead // ended by the relay
)

func (t *liveTable) set(s *liveSub, to liveState) {
	wired := func(st liveState) bool { return st == liveSent || st == liveOpen }
	if wired(s.state) && !wired(to) {
		t.onWire--
	}
	if !wired(s.state) && wired(to) {
		t.onWire++
	}
	if s.state == liveOpen && to != liveOpen {
		t.unready++
	}
	if s.state != liveOpen && to == liveOpen {
		t.unready--
	}
	s.state = to
}

func (t *liveTable) wait(s *liveSub) {
	t.set(s, liveWaiting)
	t.waiting = append(t.waiting, s)
}

func (t *liveTable) eose(id string, now time.Time) {
	if s := t.subs[id]; s != nil && s.state == liveSent {
		t.answer = now
		t.quietly = t.quietly || (s.manner.quiet && s.notes())
		t.set(s, liveOpen)
		s.settle()
	}
}

// opening reports a REQ without EOSE. expireLive bounds the wait for it.
func (t *liveTable) opening() bool {
	for _, s := range t.subs {
		if s.state == liveSent {
			return true
		}
	}
	return false
}

// maxEarly events of the past in spite of a limit of 0 show that the relay takes it for none.
const maxEarly = 3

// setLive changes the wanted set. A REQ on an open id replaces it and needs no room.
func (c *Conn) setLive(cmd SetLive, now time.Time) {
	for _, id := range cmd.Close {
		s := c.live.subs[id]
		if s == nil {
			continue
		}
		if s.state == liveSent || s.state == liveOpen {
			c.send(EncodeClose(id))
			c.leave(id, leftover{sub: s}, now)
		}
		c.forgetLive(s)
	}
	for _, sub := range cmd.Open {
		s := c.live.subs[sub.ID]
		if s == nil {
			s = &liveSub{id: sub.ID}
			if l, ok := c.left[sub.ID]; ok && l.sub != nil {
				s.sets, s.past = l.sub.sets, l.sub.past
				delete(c.left, sub.ID)
			}
			c.live.subs[sub.ID] = s
			c.live.unready++
			c.live.waiting = append(c.live.waiting, s)
		}
		s.replace(sub)
		switch s.state {
		case liveSent, liveOpen:
			c.sendLive(s)
		case liveDead:
			c.live.wait(s)
		case liveWaiting: // its turn will come
		}
	}
}

func (c *Conn) forgetLive(s *liveSub) {
	c.live.set(s, liveDead)
	c.live.unready--
	c.live.waiting = slices.DeleteFunc(c.live.waiting, func(w *liveSub) bool { return w == s })
	delete(c.live.subs, s.id)
}

func (c *Conn) sendLive(s *liveSub) {
	msg, err := EncodeREQ(s.id, c.live.manner.wire(s.filters))
	if err != nil { // no filter of ours is without an encoding
		c.log.Error("live filters cannot be encoded", zap.String("sub", s.id), zap.Error(err))
		return
	}
	c.bucket.take(false)
	if s.state == liveSent || s.state == liveOpen {
		s.replaced = true
	} else {
		c.live.sent++
		s.order = c.live.sent
	}
	c.live.set(s, liveSent)
	s.among = c.used()
	s.manner = c.live.manner
	s.asked = time.Now()
	c.wakeBy(s.asked.Add(c.limits.IdleWait))
	c.send(msg)
}

// expireLive gives up subscriptions that the relay does not open. One that answers others meanwhile is busy.
func (c *Conn) expireLive(now time.Time) {
	var late []*liveSub
	for _, s := range c.live.subs {
		if s.state != liveSent {
			continue
		}
		at := s.asked
		if c.live.answer.After(at) {
			at = c.live.answer
		}
		if at = earliest(at.Add(c.limits.IdleWait), s.asked.Add(c.limits.REQWait)); now.Before(at) {
			c.wakeBy(at)
			continue
		}
		late = append(late, s)
	}
	slices.SortFunc(late, func(a, b *liveSub) int { return a.order - b.order })
	for _, s := range late {
		c.closeLive(s, fmt.Sprintf("no EOSE in %s", c.limits.IdleWait), now)
	}
}

// noSubscription is why a live subscription is not opened: what the relay allows is taken, or has to stay for history.
const noSubscription = "no subscription left"

// openLive opens what waits for room. One subscription stays free for history.
func (c *Conn) openLive(now time.Time) {
	for len(c.live.waiting) > 0 {
		s := c.live.waiting[0]
		if c.live.onWire >= c.limits.Subscriptions-1 {
			c.live.waiting = c.live.waiting[1:]
			c.endLive(s, noSubscription, now)
			continue
		}
		if c.used() >= c.limits.Subscriptions {
			return // a page will end
		}
		c.live.waiting = c.live.waiting[1:]
		c.sendLive(s)
	}
}

// endLive takes note that a live subscription is not open, and leaves the decision to the engine.
func (c *Conn) endLive(s *liveSub, reason string, now time.Time) {
	c.live.set(s, liveDead)
	c.report(Closed{ID: c.o.ID, At: now, Sub: s.id, Reason: reason})
}

// spend counts a frame that came without credit.
func (c *Conn) spend(f Frame) { c.slow(&c.frameFlow, f.Size, f.At) }

// slow has nothing read for a while when a flow is over its bound.
func (c *Conn) slow(of *flow, size int, now time.Time) {
	if c.o.Trust != Stranger {
		return // the own relay gives back all that we publish, however fast
	}
	if hold := of.spend(size, now); hold.After(c.hold) {
		c.hold = hold
	}
}

// deliverLive hands on an event that came without credit.
func (c *Conn) deliverLive(d Delivery) {
	c.slow(&c.eventFlow, 0, d.At)
	d.Conn, d.Source, d.Mode = c.o.ID, c.o.URL, Live
	c.o.Sink.Deliver(d)
}

func (c *Conn) liveEvent(s *liveSub, f Frame) {
	c.spend(f)
	e := c.parse(f, Live)
	if e == nil {
		return
	}
	if s.state == liveSent && e.CreatedAt.Time().Before(s.asked.Add(-time.Hour)) {
		c.live.early++
		c.live.manner.one = c.live.manner.one || c.live.early > maxEarly
	}
	asked, wide := c.liveMatch(s, e)
	switch {
	case asked:
		if !c.untouched(e, f.At) {
			c.deliverLive(Delivery{Event: e, At: f.At, Wide: wide})
		}
	case s.past.has(e):
		c.o.Metrics.dropped(dropLate)
	default:
		c.o.Metrics.dropped(OffenceOffFilter)
		c.offend(OffenceOffFilter, f.At)
	}
}

func (c *Conn) matches(set *filters.Set, e *event.Event) bool {
	c.hits = set.Match(e, c.hits[:0])
	return len(c.hits) > 0
}

// mark puts a live mark behind the events when all of the wanted set is open. Its stamp is the last frame or pong: but for
// frames that have not been handled yet.
func (c *Conn) mark() {
	if c.live.unready > 0 || len(c.live.subs) == 0 {
		return
	}
	stamp, quiet := c.sock.heardAfter(c.seen)
	if !quiet {
		stamp = c.seenAt
	}
	c.marked = true
	c.o.Sink.Mark(Mark{Conn: c.o.ID, Stamp: stamp})
}

// markFirst does not wait with the first mark once the wanted set is open: without a cursor everything confirmed is asked again after a crash.
func (c *Conn) markFirst(now time.Time) {
	if !c.marked && c.live.unready == 0 {
		c.markAt = now
		c.wakeBy(now)
	}
}

// used is how many subscriptions are open at the relay.
func (c *Conn) used() int { return c.live.onWire + len(c.history.pages) + c.neg.onWire() }

// send queues a message. A socket that cannot take it ends, which the loop sees.
func (c *Conn) send(msg []byte) { _ = c.sock.Send(msg) }
