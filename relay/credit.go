package relay

import "slices"

// credit is the room of the publisher's queue for historic events: asked for before a page is asked for, given back when an
// event has its outcome. Requests are granted in the order they came, but for those of connections that have their share. Pure.
type credit struct {
	capacity int
	share    int // taken up by one connection, and half of what it has reserved, from where on it waits
	used     int // reserved, or taken up by an event without outcome
	reserved map[ConnID]int
	taken    map[ConnID]int // by events without outcome
	asked    []request
}

type request struct {
	conn  ConnID
	n     int
	grant chan<- struct{}
}

func newCredit(capacity, share int) *credit {
	return &credit{capacity: capacity, share: share, reserved: make(map[ConnID]int), taken: make(map[ConnID]int)}
}

func (c *credit) reserve(r request) {
	if r.n > 0 {
		c.asked = append(c.asked, r)
	}
}

// grant gives the next request that fits now. More than there is in all is granted when nothing else is used. A connection that has its
// share holds up nobody: what it waits for is its own.
func (c *credit) grant() (request, bool) {
	for i, r := range c.asked {
		if c.over(r.conn) > 0 {
			continue
		}
		if c.used > 0 && c.used+r.n > c.capacity {
			return request{}, false
		}
		c.asked = slices.Delete(c.asked, i, i+1)
		c.used += r.n
		c.reserved[r.conn] += r.n
		return r, true
	}
	return request{}, false
}

// over is how many places a connection has to give back before it gets more; not above zero when it has not its share. What is reserved
// counts half: from a relay that is far away most of it is on its way, and much of it is for events that are known.
func (c *credit) over(conn ConnID) int { return c.reserved[conn]/2 + c.taken[conn] - c.share + 1 }

// lacks is how many places events have to give back before the next request fits of a connection that has not its share, and how many
// those of each that has. It is nil when none of these waits for events.
func (c *credit) lacks() (most int, shares map[ConnID]int) {
	first := true
	for _, r := range c.asked {
		over := c.over(r.conn)
		switch {
		case over <= 0 && first && c.used > 0:
			first = false
			taken := c.used
			for _, n := range c.reserved {
				taken -= n
			}
			most = min(taken, c.used+r.n-c.capacity)
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
	if n <= 0 {
		return
	}
	c.used -= n
	less(c.reserved, conn, n)
}

// less takes n off an entry, which goes at zero.
func less(of map[ConnID]int, conn ConnID, n int) {
	if of[conn] -= n; of[conn] == 0 {
		delete(of, conn)
	}
}

// spend turns a reserved place into one taken up by an event. An event without a reservation takes one up all the same.
func (c *credit) spend(conn ConnID) {
	c.taken[conn]++
	if c.reserved[conn] == 0 {
		c.used++
		return
	}
	less(c.reserved, conn, 1)
}

// free gives back places that events of these connections had taken up.
func (c *credit) free(conns ...ConnID) {
	c.used -= len(conns)
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
