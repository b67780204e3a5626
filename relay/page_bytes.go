package relay

import (
	"maps"
	"slices"
	"time"
)

// pageBytes is how much memory the events of a connection's pages may take beyond those that the sink has said it has room for: credit
// counts events, and one may be as large as a thousand others. At half of it the sink is asked, so that who is quick waits for nothing.
const pageBytes = 2 << 20

// lateEvents is how many events a connection's pages may bring for credit that has lapsed, beyond those that the sink has said it has room
// for. At half of them it is asked.
const lateEvents = 64

// roomWait is how long nothing is read for want of room. Then the pages are ended, for live events come behind them, and pongs.
const roomWait = 4 * time.Second

// intake is what the pages of a connection have brought since the sink last said that there is room.
type intake struct {
	bytes int64
	late  int // events whose credit had lapsed
	asked bool
	since time.Time // that it is full
	room  chan struct{}
}

// full reports that nothing more is read before there is room.
func (i *intake) full() bool { return i.asked && (i.bytes >= pageBytes || i.late >= lateEvents) }

// deliverPaged hands an event of a page to the sink.
func (c *Conn) deliverPaged(p *page, d Delivery) {
	c.o.Sink.Deliver(d)
	i := &c.intake
	before := i.full()
	i.bytes += d.Event.Weight()
	if d.At.Sub(p.granted) >= creditAge {
		i.late++
	}
	if (i.bytes >= pageBytes/2 || i.late >= lateEvents/2) && !i.asked {
		i.asked = true
		c.o.Sink.Room(c.o.ID, i.room)
	}
	if !before && i.full() {
		i.since = time.Now() // its frame may have waited for the room before
		c.wakeBy(i.since.Add(roomWait))
	}
}

// expireRoom ends the pages when room did not come in time. They go on below, with credit that is given when there is room.
func (c *Conn) expireRoom(now time.Time) {
	i := &c.intake
	switch {
	case !i.full():
		return
	case now.Before(i.since.Add(roomWait)):
		c.wakeBy(i.since.Add(roomWait))
		return
	}
	i.bytes, i.late = 0, 0
	for _, p := range slices.SortedFunc(maps.Values(c.history.pages), func(a, b *page) int { return a.sent.Compare(b.sent) }) {
		c.putOff(p, now)
	}
}

// putOff ends a page for want of room, which is no failure of anybody's: what it has shown in order counts, the rest is asked again, and
// what came before is not delivered twice. A page that brings the sink nothing goes on.
func (c *Conn) putOff(p *page, now time.Time) {
	g := p.group
	switch {
	case g.neg != nil && (p.check || g.neg.verify):
	case g.neg == nil && p.foreign == 0 && g.pager.Cuttable():
		g.pager.Cut()
		c.closePage(p, true, now)
		c.goOn(g)
	default:
		c.closePage(p, true, now)
		c.fetchAgain(p)
	}
}

// roomy takes the sink's word that there is room. What was not read meanwhile is not late.
func (c *Conn) roomy(now time.Time) {
	if c.intake.full() {
		c.history.answer, c.live.answer = now, now
		if s := c.neg.session; s != nil {
			s.from = now
		}
	}
	c.intake = intake{room: c.intake.room}
}

// holds reports that nothing may be read now.
func (c *Conn) holds(now time.Time) bool { return now.Before(c.hold) || c.intake.full() }

// room asks whether the queue is light enough for what a page still brings.
type room struct {
	conn ConnID
	to   chan<- struct{}
}

// askRoom is answered when the queue takes less memory than it may, and has places.
func (c *core) askRoom(now time.Time, r room) {
	c.now = now
	c.rooms = append(c.rooms, r)
	c.pump()
}

// giveRoom answers those that asked, in order, as long as there is room.
func (c *core) giveRoom() {
	if c.bytes >= c.o.QueueBytes || c.credit.took >= c.o.QueueEvents {
		return
	}
	for _, r := range c.rooms {
		c.do(grant{r.to})
	}
	c.rooms = nil
}
