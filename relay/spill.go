package relay

import (
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Numbers of spilling.
const (
	spillPatience = 10 * time.Second // for the own relay to make room by taking events, when somebody waits for that
	spillAge      = time.Minute      // of an event in the queue whose batch, or cursor, is held up by it
	spillAgain    = 5 * time.Second  // after something could not be spilled
	fullMargin    = 16 << 10         // bytes of the pending table
	readAhead     = 512              // works ready to be sent up to which rows that wait for room are taken up
	trickle       = 16               // woken rows that are taken up in trickleEvery all the same while the queue is heavy
	trickleEvery  = 10 * time.Second
)

// pressure says why works should leave the queue.
type pressure struct {
	historic int       // places of the historic queue that somebody waits for
	shares   shares    // the same of connections that have theirs
	live     int       // places of the live queue
	bytes    int64     // of all works
	woken    int       // places of what was taken up from the pending table
	older    time.Time // what arrived until then and holds up marks, zero: nothing
}

// shares are places that connections have to give back.
type shares map[ConnID]int

func (s shares) of(w *work) bool {
	return len(s) > 0 && slices.ContainsFunc(w.spots.historic, func(conn ConnID) bool { return s[conn] > 0 })
}

func (s shares) less(w *work) {
	for _, conn := range w.spots.historic {
		if s[conn] > 0 {
			less(s, conn, 1)
		}
	}
}

func (p pressure) any() bool {
	return p.historic > 0 || len(p.shares) > 0 || p.live > 0 || p.bytes > 0 || p.woken > 0 || !p.older.IsZero()
}

// settling reports whether it would help that nothing waits for the outcome of a work any more.
func (p pressure) settling(w *work) bool {
	return (p.historic > 0 && len(w.spots.historic) > 0) || p.shares.of(w) || (p.live > 0 && len(w.spots.live) > 0) || (len(w.joins) > 0 && !w.at.After(p.older))
}

// leaving reports whether it would help that a work is not in memory any more.
func (p pressure) leaving(w *work) bool {
	return p.settling(w) || p.bytes > 0 || (p.woken > 0 && w.row != nil)
}

// less is what is left when a work has settled, or left.
func (p pressure) less(w *work, left bool) pressure {
	p.historic -= len(w.spots.historic)
	p.shares.less(w)
	p.live -= len(w.spots.live)
	if left {
		p.bytes -= w.event.Weight()
		if w.row != nil {
			p.woken--
		}
	}
	return p
}

// pressed gives what the queue is too small for.
func (c *core) pressed() pressure {
	var p pressure
	if len(c.credit.asked) > 0 {
		p.historic, p.shares = c.credit.lacks()
	}
	if len(c.credit.asked)+len(c.rooms) > 0 && c.bytes >= c.o.QueueBytes {
		p.bytes = c.bytes - c.o.QueueBytes*3/4
	}
	if len(c.rooms) > 0 && c.credit.took >= c.o.QueueEvents {
		p.historic = max(p.historic, c.credit.took-c.o.QueueEvents*3/4)
	}
	if c.woken > maxWoken*3/4 {
		p.woken = maxWoken / 4
	}
	return p
}

// kept is how many of the works that are ready stay in memory in any case: the best ones.
func (c *core) kept() int { return min(2*c.o.Window, c.o.QueueEvents/4, c.o.LiveEvents/4) }

// spared is how many do of each class, however many there are in those before it.
func (c *core) spared() int { return max(c.kept()/16, 1) }

// relieve moves works to the pending table that hold up their batch, or their connection's cursor, for too long, and those that take
// the places that somebody waits for when the own relay does not free them soon. It reports whether something was moved.
func (c *core) relieve() bool {
	if !c.agedAt.IsZero() && !c.now.Before(c.agedAt) {
		n := c.spillMost(pressure{older: c.now.Add(-spillAge)})
		c.age()
		if n > 0 {
			return true
		}
	}
	p := c.pressed()
	if !p.any() {
		c.pressedAt = time.Time{}
		return false
	}
	if c.pressedAt.IsZero() {
		c.pressedAt = c.now
	}
	if c.now.Before(c.relieveAt(p)) {
		return false
	}
	if c.spillMost(p) == 0 {
		c.spillAt = c.now.Add(spillAgain)
		return false
	}
	c.pressedAt = c.now
	return true
}

// age sets agedAt to the moment when the oldest work that holds up marks is too old.
func (c *core) age() {
	c.agedAt = time.Time{}
	for e := c.queue.Front(); e != nil; e = e.Next() {
		if w := e.Value.(*work); len(w.joins) > 0 {
			c.agedAt = w.at.Add(spillAge)
			if soon := c.now.Add(spillAgain); c.agedAt.Before(soon) {
				c.agedAt = soon
			}
			return
		}
	}
}

// relieveAt is when room is to be made. Where the own relay lets us wait anyway that is at once, else it is given a moment.
func (c *core) relieveAt(p pressure) time.Time {
	l, at := &c.link, c.pressedAt.Add(spillPatience)
	switch {
	case l.halted != "", !l.up && c.pool.waiting > 0,
		l.pace.rate > 0 && float64(max(p.historic, p.woken, 1)) > l.pace.rate*spillPatience.Seconds():
		at = c.pressedAt
	}
	if at.Before(c.spillAt) {
		return c.spillAt
	}
	return at
}

// spillMost moves works to the pending table until the pressure is gone: first what waits for others, then what is ready, the last in
// the order of sending first. Of the best ones, and of those that must go alone, only the places and batches are given up: they have
// rows, and stay in memory. It gives how many it moved.
func (c *core) spillMost(p pressure) int {
	if c.o.Ledger.Full() || p.woken == 0 && c.full() {
		return 0
	}
	n := 0
	lines := make(map[*[]*work]struct{})
	for e := c.queue.Back(); e != nil && p.any(); {
		w := e.Value.(*work)
		e = e.Prev()
		if (w.stage == waiting || w.stage == shelved) && p.leaving(w) && c.fits(w) {
			if w.on != nil {
				lines[w.on] = struct{}{}
			}
			p = p.less(w, true)
			c.spill(w)
			n++
		}
	}
	for line := range lines {
		tidyWaiters(line)
	}
	for class := sendClasses - 1; class >= 0 && p.any(); class-- {
		n += c.spillReady(class, &p)
	}
	for e := c.queue.Back(); e != nil && p.any(); e = e.Prev() {
		w := e.Value.(*work)
		if (w.stage == ready || w.stage == suspect) && w.row == nil && p.settling(w) && c.fits(w) {
			p = p.less(w, false)
			c.secure(w)
			n++
		}
	}
	return n
}

// spillReady moves what is ready of one class and neither among the best nor spared.
func (c *core) spillReady(class int, p *pressure) int {
	n := 0
	var stay []*work
	for p.any() && c.ready.upTo(class)+len(stay) > c.kept() && c.ready.counts[class]+len(stay) > c.spared() {
		w := c.ready.popLast(class)
		if w == nil {
			break
		}
		if !p.leaving(w) || !c.fits(w) {
			stay = append(stay, w)
			continue
		}
		*p = p.less(w, true)
		c.spill(w)
		n++
	}
	for _, w := range stay {
		c.ready.push(w)
	}
	return n
}

// fits reports whether a work can go to the pending table. Nothing has to leave it for that.
func (c *core) fits(w *work) bool {
	if w.row != nil && !w.row.gone {
		return true
	}
	return len(c.pool.rows) < c.o.PendingEvents && c.pool.bytes+int64(rowWeight(w.event.Size, w.refs)) <= c.o.PendingBytes && !c.o.Ledger.Full()
}

// full reports that next to nothing fits into the pending table any more.
func (c *core) full() bool {
	return len(c.pool.rows) >= c.o.PendingEvents || c.pool.bytes+fullMargin > c.o.PendingBytes
}

// spill ends a work with a row of the pending table that waits for nothing but room. What was not judged yet, or has to wait for
// another event, rests on what it references.
func (c *core) spill(w *work) { c.park(w, c.roomRow(w)) }

func (c *core) roomRow(w *work) Waiting {
	p := Waiting{Cause: CausePace, Reason: "waits for the own relay to take more"}
	if l := &c.link; !l.up || !c.loaded || l.halted != "" {
		p.Cause, p.Reason = CauseDown, "waits for the own relay"
	}
	if (w.stage != ready && w.stage != suspect) || addressed(w.event.Kind) {
		p.Needs = w.needs()
	}
	return p
}

// secure gives a work that is to be sent a row of the pending table, so that nothing has to wait for its outcome.
func (c *core) secure(w *work) {
	r := c.enrow(w, c.roomRow(w))
	if r == nil {
		return
	}
	w.row = r
	c.pool.unroom(r)
	c.woken++
	c.settle(w)
}

// wantsRows reports whether rows of the pending table are to be read.
func (c *core) wantsRows() bool {
	if c.woken >= maxWoken {
		return false
	}
	if c.takesWoken() {
		return true
	}
	_, n := c.roomForRows()
	return n > 0
}

// takesWoken reports whether rows that were woken are to be read now.
func (c *core) takesWoken() bool {
	if c.heavy() {
		return c.trickles() && !c.now.Before(c.trickleAt)
	}
	return len(c.pool.woken) > 0
}

// takeRows gives the rows of the pending table that are to be read now: those that were woken, else those that come next while there is
// room and the own relay takes events.
func (c *core) takeRows() []event.ID {
	switch {
	case c.woken >= maxWoken:
		return nil
	case !c.takesWoken():
	case c.heavy():
		c.trickleAt = c.now.Add(trickleEvery)
		return c.pool.takeWoken(trickle, c.o.QueueBytes/16)
	default:
		if ids := c.pool.takeWoken(readChunk, c.o.QueueBytes/4); len(ids) > 0 {
			return ids
		}
	}
	class, n := c.roomForRows()
	return c.pool.takeRoom(class, n, c.o.QueueBytes/4)
}

// heavy reports that the queue should get smaller before more is read into it.
func (c *core) heavy() bool {
	return c.bytes >= c.o.QueueBytes/2 && (c.ready.size > 0 || len(c.link.flights) > 0)
}

// trickles reports woken rows of which a few are taken up while the queue is heavy: a source that has always more than the own relay takes
// keeps it so for ever, and what is due again would never be offered.
func (c *core) trickles() bool { return len(c.pool.woken) > 0 && c.bytes < c.o.QueueBytes }

// roomForRows gives the class of which rows are to be taken up next, and how many: the first one with room behind what goes before it, or
// with fewer in the queue than are spared. So what is of a class that never comes first is in the queue when it has its turn.
func (c *core) roomForRows() (class, n int) {
	l := &c.link
	if !c.loaded || !l.up || l.draining {
		return 0, 0
	}
	target, spared := max(c.kept(), readAhead), c.spared()
	switch {
	case c.bytes >= 2*c.o.QueueBytes:
		return 0, 0
	case c.heavy():
		target, spared = 0, 1
	case l.halted != "":
		target, spared = 1, 0
	case l.pace.rate > 0:
		target = max(c.kept(), 1)
	}
	for class, rows := range c.pool.room.counts[:behindClass] {
		if rows == 0 {
			continue
		}
		n = max(target-c.ready.upTo(class), spared-c.ready.counts[class])
		if n = min(n, maxWoken-c.woken, readChunk); n > 0 {
			return class, n
		}
	}
	n = min(target-c.ready.size, maxWoken/2-c.woken, readChunk)
	if n <= 0 || c.pool.room.counts[behindClass] == 0 || !c.pool.behindReady(c.now) {
		return 0, 0
	}
	return behindClass, n
}
