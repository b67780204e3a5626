package filters

import (
	"math"

	"github.com/nbd-wtf/go-nostr"
)

// windowPages is how many pages a window should take, at the density of the page before it.
const windowPages = 4

// Window is a stretch of time of one filter that another pager asks for.
type Window struct {
	Index  int          // of the filter, as given to NewPager
	Filter nostr.Filter // with since, which is the second from where on this pager goes on, and until
	Until  int64        // End.Until of the filter before: what lies above the window has been delivered
}

// Divide has the filters of which the last page brought as much as a page gives go on further below, and gives the stretches that they leave
// out. Both may be asked at the same time, and a filter has not ended before its windows have. Call it between two pages. A window and what
// is below it have a second in common: relays may leave out that of since.
func (p *Pager) Divide() []Window {
	if p.page != nil || p.proven.Until != BoundInclusive {
		return nil
	}
	var out []Window
	for i, c := range p.cursors {
		cut := c.until - windowPages*c.moved
		if c.ended() || c.suspect || !c.dense || c.moved == 0 || cut <= max(1, c.since) {
			continue
		}
		f := c.filter
		since, until := nostr.Timestamp(cut), nostr.Timestamp(c.until)
		f.Since, f.Until = &since, &until
		out = append(out, Window{Index: i, Filter: f, Until: c.settled})
		c.skip(cut)
	}
	return out
}

// Continue says that the filters are windows of another pager's: an empty page is asked once more, as events have come of the second where
// each begins, and the relay's pages are as large as that one has found them. Call it before the first Next.
func (p *Pager) Continue(of *Pager) {
	p.proven.Page, p.proven.Filter = of.proven.Page, of.proven.Filter
	for _, c := range p.cursors {
		c.matched, c.owed = true, true
	}
}

// skip goes on at a second further below. An empty page there may be the end, or that of a relay out of breath: it stays owed.
func (c *cursor) skip(second int64) {
	c.until, c.settled = second, second+1
	c.boundary, c.stays = nil, 0
	c.moved = 0
}

// measure takes note of a page that has moved the cursor from there. How far a first page has moved it nobody knows.
func (c *cursor) measure(before int64, dense bool) {
	c.dense, c.moved = dense, 0
	if before != math.MaxInt64 {
		c.moved = before - c.until
	}
}
