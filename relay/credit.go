package relay

import (
	"slices"
	"time"
)

// creditAge is how long what is reserved keeps places from others. A relay that answers by drops holds up nobody for longer. What comes of
// its page after that needs room (page_bytes.go).
const creditAge = time.Second

// credit is the room of the publisher's queue for historic events: asked for before a page is asked for, given back when an
// event has its outcome. Requests are granted in the order they came, but for those of connections that have their share; whose credit has
// lapsed comes behind the others, with a page under way. Pure.
type credit struct {
	capacity int
	share    int // taken up by one connection, and half of what it has reserved, from where on it waits
	used     int // reserved and not lapsed, or taken up by an event without outcome
	took     int // the latter
	reserved map[ConnID]int
	lapsed   map[ConnID]int    // of that, for longer than creditAge
	lent     map[ConnID][]loan // the rest, oldest first
	due      []loan            // when to look at a connection's, oldest first
	taken    map[ConnID]int    // by events without outcome
	asked    []request
}

// loan is credit that was granted.
type loan struct {
	conn ConnID
	n    int
	at   time.Time
}

type request struct {
	conn  ConnID
	n     int
	grant chan<- struct{}
}

func newCredit(capacity, share int) *credit {
	return &credit{
		capacity: capacity, share: share, reserved: make(map[ConnID]int), lapsed: make(map[ConnID]int), lent: make(map[ConnID][]loan),
		taken: make(map[ConnID]int),
	}
}

func (c *credit) reserve(r request) {
	if r.n > 0 {
		c.asked = append(c.asked, r)
	}
}

// next is the request that is to be granted first, -1 when all are of connections that have their share. These hold up nobody: what they
// wait for is their own.
func (c *credit) next() int {
	behind := -1
	for i, r := range c.asked {
		switch {
		case c.over(r.conn) > 0:
		case c.lapsed[r.conn] == 0:
			return i
		case behind < 0:
			behind = i
		}
	}
	return behind
}

// grant gives the next request that fits now. More than there is in all is granted when nothing else is used.
func (c *credit) grant(now time.Time) (request, bool) {
	i := c.next()
	if i < 0 {
		return request{}, false
	}
	r := c.asked[i]
	if c.used > 0 && c.used+r.n > c.capacity {
		return request{}, false
	}
	c.asked = slices.Delete(c.asked, i, i+1)
	c.used += r.n
	c.reserved[r.conn] += r.n
	l := loan{r.conn, r.n, now}
	c.lent[r.conn] = append(c.lent[r.conn], l)
	c.due = append(c.due, l)
	return r, true
}

// lapse gives the places to others that were reserved for too long.
func (c *credit) lapse(now time.Time) {
	for ; len(c.due) > 0 && !now.Before(c.lapseAt()); c.due = c.due[1:] {
		conn := c.due[0].conn
		lent := c.lent[conn]
		for len(lent) > 0 && !lent[0].at.After(c.due[0].at) {
			c.used -= lent[0].n
			c.lapsed[conn] += lent[0].n
			lent = lent[1:]
		}
		c.lend(conn, lent)
	}
}

// lapseAt is when lapse is to be called next, zero when there is nothing to lapse.
func (c *credit) lapseAt() time.Time {
	if len(c.due) == 0 {
		return time.Time{}
	}
	return c.due[0].at.Add(creditAge)
}

func (c *credit) lend(conn ConnID, lent []loan) {
	if len(lent) == 0 {
		delete(c.lent, conn)
		return
	}
	c.lent[conn] = lent
}

// unreserve takes n places off what a connection has reserved, and gives how many of them had not lapsed. The newest go first: a quick page
// must not make a slow one look young.
func (c *credit) unreserve(conn ConnID, n int) (young int) {
	less(c.reserved, conn, n)
	lent := c.lent[conn]
	for n > young && len(lent) > 0 {
		last := &lent[len(lent)-1]
		k := min(n-young, last.n)
		young += k
		if last.n -= k; last.n == 0 {
			lent = lent[:len(lent)-1]
		}
	}
	c.lend(conn, lent)
	if n > young {
		less(c.lapsed, conn, n-young)
	}
	return young
}

// over is how many places a connection has to give back before it gets more; not above zero when it has not its share. What is reserved
// counts half: from a relay that is far away most of it is on its way, and much of it is for events that are known.
func (c *credit) over(conn ConnID) int { return c.reserved[conn]/2 + c.taken[conn] - c.share + 1 }

// lacks is how many places events have to give back before the next request fits of a connection that has not its share, and how many
// those of each that has. It is nil when none of these waits for events.
func (c *credit) lacks() (most int, shares map[ConnID]int) {
	first := c.next()
	for i, r := range c.asked {
		over := c.over(r.conn)
		switch {
		case i == first && c.used > 0:
			most = min(c.took, c.used+r.n-c.capacity)
		case over > 0 && c.taken[r.conn] > 0:
			if shares == nil {
				shares = make(map[ConnID]int, 1)
			}
			shares[r.conn] = min(over, c.taken[r.conn])
		}
	}
	return most, shares
}

// release gives reserved room back.
func (c *credit) release(conn ConnID, n int) {
	n = min(n, c.reserved[conn])
	if n > 0 {
		c.used -= c.unreserve(conn, n)
	}
}

// less takes n off an entry, which goes at zero.
func less(of map[ConnID]int, conn ConnID, n int) {
	if of[conn] -= n; of[conn] == 0 {
		delete(of, conn)
	}
}

// spend turns a reserved place into one taken up by an event. An event without a reservation, or with one that has lapsed, takes one up all
// the same.
func (c *credit) spend(conn ConnID) {
	c.taken[conn]++
	c.took++
	c.used++
	if c.reserved[conn] > 0 {
		c.used -= c.unreserve(conn, 1)
	}
}

// free gives back places that events of these connections had taken up.
func (c *credit) free(conns ...ConnID) {
	c.used -= len(conns)
	c.took -= len(conns)
	for _, conn := range conns {
		less(c.taken, conn, 1)
	}
}

// gone returns what a connection holds reserved, and forgets what it asked for.
func (c *credit) gone(conn ConnID) {
	c.release(conn, c.reserved[conn])
	kept := c.asked[:0]
	for _, r := range c.asked {
		if r.conn != conn {
			kept = append(kept, r)
		}
	}
	clear(c.asked[len(kept):])
	c.asked = kept
}
