package filters

import (
	"math"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const (
	// maxBoundary is how many events of one second are remembered.
	maxBoundary = 8192
	// maxStays is how many pages in a row may bring new events of the same second: the relay has no order there.
	maxStays = 32
)

// cursor is one filter of a Pager and how far it has got.
type cursor struct {
	filter   nostr.Filter
	since    int64
	until    int64                 // everything above has been delivered; MaxInt64 when the filter states none
	boundary map[event.ID]struct{} // delivered at until
	settled  int64                 // End.Until
	matched  bool                  // something came for it
	owed     bool                  // something came that is not above until: it should come again
	suspect  bool
	offences int // pages in a row that ignored until
	stays    int // pages in a row that did not move until
	done     bool
	fault    Fault
	gap      bool

	// Of the page that is asked.
	asked    int64 // until on the wire
	credits  []credit
	unseen   int  // credits that are new to the pager
	returned bool // an event of the boundary second came
	lost     bool // displaced
	last     int64
	disorder bool // an own event is newer than the one before it, at last

	// Of the last page that was asked.
	moved int64 // seconds, 0 when that is not known
	dense bool  // it moved, and the page brought as much as a page gives

	// below says that its last page brought something new, yet less than half of what the relay has proven: the
	// relay should have had no more.
	below          bool
	pageSize, size int // credits of that page, to all filters and to this one
}

// credit is an event that matches the filter. It is own when no other filter of the page matches it.
type credit struct {
	id  event.ID
	at  int64
	own bool
}

func newCursor(f nostr.Filter) *cursor {
	c := &cursor{filter: f, since: math.MinInt64, until: math.MaxInt64}
	if f.Since != nil {
		c.since = int64(*f.Since)
	}
	if f.Until != nil {
		c.until = int64(*f.Until)
	}
	c.done = emptyList(f) || c.until < max(1, c.since)
	return c
}

// emptyList reports a filter that matches nothing, or would be sent with an empty list.
func emptyList(f nostr.Filter) bool {
	for _, values := range f.Tags {
		if len(values) == 0 {
			return true
		}
	}
	return matchesNothing(&f)
}

func (c *cursor) ended() bool { return c.done || c.fault != FaultNone }

func (c *cursor) fail(f Fault) {
	if !c.ended() {
		c.fault = f
	}
}

// ask gives the filter of the next page and forgets what came in the last one.
func (c *cursor) ask(limit int, lag int64) nostr.Filter {
	f := c.filter
	f.Limit, f.LimitZero = limit, false
	c.asked = c.until
	if c.until != math.MaxInt64 {
		c.asked += lag
		until := nostr.Timestamp(c.asked)
		f.Until = &until
	}
	c.credits, c.unseen, c.returned, c.moved = nil, 0, false, 0
	c.last, c.disorder = math.MaxInt64, false
	return f
}

func (c *cursor) add(cr credit, unseen bool) {
	c.credits = append(c.credits, cr)
	c.matched, c.owed = true, true
	if unseen {
		c.unseen++
	}
	if cr.at == c.until {
		c.returned = true
	}
}

// order takes the next event that only this filter can have brought, and reports whether it is older than the one before.
func (c *cursor) order(at int64) (older bool) {
	before := c.last
	c.last, c.disorder = at, c.disorder || at > before
	return at < before && before != math.MaxInt64
}

func (c *cursor) knows(id event.ID, at int64) bool {
	_, ok := c.boundary[id]
	return ok && at == c.until
}

// brought says what the page brought that only this filter can have brought: how much, whether any of it is new
// to the filter, and the oldest second.
func (c *cursor) brought() (own int, fresh bool, oldest int64) {
	oldest = c.until
	for _, cr := range c.credits {
		if !cr.own {
			continue
		}
		own++
		oldest = min(oldest, cr.at)
		if cr.at < c.until || (cr.at == c.until && !c.knows(cr.id, cr.at)) {
			fresh = true
		}
	}
	return own, fresh, oldest
}

// advance moves the cursor down to a second whose delivered events are then the boundary.
func (c *cursor) advance(second int64) {
	c.stays++
	if second < c.until {
		c.boundary, c.stays = nil, 0
	}
	c.until = second
	if c.boundary == nil {
		c.boundary = map[event.ID]struct{}{}
	}
	for _, cr := range c.credits {
		if cr.at == second {
			c.boundary[cr.id] = struct{}{}
		}
	}
	c.settled = second
	if second < math.MaxInt64 {
		c.settled++
	}
	c.done = second < max(1, c.since)
}

// crowded reports that asking for the boundary second again and again does not come to an end.
func (c *cursor) crowded() bool {
	return !c.done && (c.stays > maxStays || len(c.boundary) > maxBoundary)
}

// step goes one second back.
func (c *cursor) step(gap bool) {
	c.gap = c.gap || gap
	c.credits, c.stays = nil, 0
	c.settled = c.until
	c.until--
	c.boundary, c.owed = nil, false
	c.done = c.until < max(1, c.since)
}

// complete reports that no event is left that could match.
func (c *cursor) complete() bool { return c.filter.IDs != nil && len(c.credits) >= len(c.filter.IDs) }

// displaced reports that events came for this filter, but not the boundary.
func (c *cursor) displaced() bool {
	own, _, _ := c.brought()
	return own > 0 && len(c.boundary) > 0 && !c.returned
}

func (c *cursor) offend() {
	c.suspect = true
	if c.offences++; c.offences >= maxOffences {
		c.fail(FaultUnpageable)
	}
}
