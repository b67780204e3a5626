package relay

// credit is the room of the publisher's queue for historic events: asked for before a page is asked for, given back when an
// event has its outcome. Requests are granted in the order they came. Pure.
type credit struct {
	capacity int
	used     int // reserved, or taken up by an event without outcome
	reserved map[ConnID]int
	asked    []request
}

type request struct {
	conn  ConnID
	n     int
	grant chan<- struct{}
}

func newCredit(capacity int) *credit {
	return &credit{capacity: capacity, reserved: make(map[ConnID]int)}
}

func (c *credit) reserve(r request) {
	if r.n > 0 {
		c.asked = append(c.asked, r)
	}
}

// grant gives the next request that fits now. More than there is in all is granted when nothing else is used.
func (c *credit) grant() (request, bool) {
	if len(c.asked) == 0 {
		return request{}, false
	}
	r := c.asked[0]
	if c.used > 0 && c.used+r.n > c.capacity {
		return request{}, false
	}
	c.asked = c.asked[1:]
	c.used += r.n
	c.reserved[r.conn] += r.n
	return r, true
}

// lacks is how many places events have to give back before the next request fits.
func (c *credit) lacks() int {
	if len(c.asked) == 0 || c.used == 0 {
		return 0
	}
	taken := c.used
	for _, n := range c.reserved {
		taken -= n
	}
	return min(taken, c.used+c.asked[0].n-c.capacity)
}

// release gives reserved room back.
func (c *credit) release(conn ConnID, n int) {
	n = min(n, c.reserved[conn])
	if n <= 0 {
		return
	}
	c.used -= n
	if c.reserved[conn] -= n; c.reserved[conn] == 0 {
		delete(c.reserved, conn)
	}
}

// spend turns a reserved place into one taken up by an event. An event without a reservation takes one up all the same.
func (c *credit) spend(conn ConnID) {
	if c.reserved[conn] == 0 {
		c.used++
		return
	}
	if c.reserved[conn]--; c.reserved[conn] == 0 {
		delete(c.reserved, conn)
	}
}

// free gives places back that events had taken up.
func (c *credit) free(n int) { c.used -= n }

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
