package relay

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
)

// history is the historic work of a connection: open batches in the order asked, the pages that are on the wire, and the
// one request for credit.
type history struct {
	batches []*batchRun
	pages   map[string]*page
	grants  chan struct{}
	asking  *page     // waits for credit
	ready   *page     // has credit, waits for a free subscription
	stale   int       // credit asked for a page that is not wanted any more
	number  int       // of the last page
	answer  time.Time // of the last frame of any page
	proven  filters.Proven
	doubted bool // proven is not believed on this connection
}

func newHistory() history {
	return history{pages: map[string]*page{}, grants: make(chan struct{}, 1)}
}

const (
	// pageExtra is the room that a pager wants beyond its limits.
	pageExtra = 64
	// groupFilters is how many filters share a REQ at most.
	groupFilters = 20
	// pageEvents is what a page of several filters may bring in all: its credit is held until EOSE, from all other
	// connections too, and most of such pages bring little.
	pageEvents = 1000
)

// ask begins a batch.
func (c *Conn) ask(b Batch) {
	run := &batchRun{id: b.ID, mode: b.Mode, total: len(b.Filters)}
	perREQ := min(c.limits.FiltersPerREQ, groupFilters)
	pieces, index := c.pieces(b.Filters, perREQ)
	for _, fs := range filters.Pack(single(pieces), perREQ, filters.Usable(c.limits.MessageBytes)) {
		g := &group{batch: run, index: index[:len(fs)], asked: fs, pager: filters.NewPager(fs, pageLimit(c.limits.PageLimit, len(fs)))}
		g.pager.Alone(pageLimit(c.limits.PageLimit, 1))
		if !c.history.doubted {
			g.pager.Trust(c.history.proven)
		}
		index = index[len(fs):]
		run.groups = append(run.groups, g)
	}
	run.open = len(run.groups)
	c.history.batches = append(c.history.batches, run)
	if run.open == 0 {
		c.endBatch(run)
	}
}

// pageLimit is the limit of each of n filters that share a page.
func pageLimit(limit, n int) int {
	most := pageEvents
	if n == 1 {
		most = MaxReserve - pageExtra
	}
	return max(1, min(limit, most/n))
}

// pieces gives filters that fit a message each, and the index in the batch that each of them answers for.
func (c *Conn) pieces(fs []nostr.Filter, perREQ int) (pieces []nostr.Filter, index []int) {
	for i, f := range fs {
		for _, req := range filters.Pack([][]nostr.Filter{{f}}, perREQ, filters.Usable(c.limits.MessageBytes)) {
			for _, piece := range req {
				pieces, index = append(pieces, piece), append(index, i)
			}
		}
	}
	return pieces, index
}

func single(fs []nostr.Filter) [][]nostr.Filter {
	out := make([][]nostr.Filter, len(fs))
	for i, f := range fs {
		out[i] = []nostr.Filter{f}
	}
	return out
}

// pump opens what waits, as far as subscriptions, pace and credit allow.
func (c *Conn) pump(now time.Time) {
	c.openLive(now)
	h := &c.history
	for c.used() < c.limits.Subscriptions {
		if h.ready != nil {
			c.sendPage(h.ready, now)
			continue
		}
		if h.asking != nil || h.stale > 0 {
			return
		}
		g := h.next()
		if g == nil {
			return
		}
		if c.live.opening() {
			return // relays work out of order: a page answered before its live subscription is open leaves a gap
		}
		if now.Before(c.pause) {
			c.wakeBy(c.pause)
			return
		}
		if at, ok := c.bucket.ready(now); !ok {
			c.wakeBy(at)
			return
		}
		c.begin(g)
	}
}

// next is the first group between two pages, in the order of batches.
func (h *history) next() *group {
	for _, b := range h.batches {
		for _, g := range b.groups {
			if !g.over && g.page == nil {
				return g
			}
		}
	}
	return nil
}

// begin asks for the credit of a group's next page, or ends the group.
func (c *Conn) begin(g *group) {
	req, ok := g.pager.Next()
	if !ok {
		c.endGroup(g)
		return
	}
	c.history.number++
	sub := fmt.Sprintf("h%d-%d", g.batch.id, c.history.number)
	p := &page{group: g, filters: req, credit: g.pager.MaxEvents(), sub: sub}
	g.page = p
	c.history.asking = p
	c.o.Sink.Reserve(c.o.ID, p.credit, c.history.grants)
}

// granted takes the credit for the page that waits for it.
func (c *Conn) granted() {
	h := &c.history
	if h.stale > 0 {
		c.o.Sink.Release(c.o.ID, h.stale)
		h.stale = 0
		return
	}
	h.ready, h.asking = h.asking, nil
}

// endGroup takes a group whose filters have all ended out of the work.
func (c *Conn) endGroup(g *group) {
	if g.over {
		return
	}
	g.over, g.page = true, nil
	for _, e := range g.pager.Ends() {
		if e.Failed && e.Fault != filters.FaultAborted {
			g.batch.fail(e.Fault.String())
			if e.Fault == filters.FaultUnpageable {
				c.offendOnce(g, OffenceUnpageable)
			}
		}
	}
	if g.batch.open--; g.batch.open == 0 {
		c.endBatch(g.batch)
	}
}

// offendOnce charges a group's relay once.
func (c *Conn) offendOnce(g *group, kind string) {
	if !g.bad {
		g.bad = true
		c.offend(kind, c.seenAt)
	}
}

func (c *Conn) endBatch(b *batchRun) {
	if b.ended {
		return
	}
	b.ended = true
	c.history.batches = slices.DeleteFunc(c.history.batches, func(x *batchRun) bool { return x == b })
	m := b.mark(c.o.ID)
	m.Final, m.Err = true, b.err
	if b.errs > 0 {
		m.Err += fmt.Sprintf(" (and %d more)", b.errs)
	}
	c.o.Sink.Mark(m)
}

var errCancelled = errors.New("cancelled")

// cancelBatch ends a batch at once.
func (c *Conn) cancelBatch(id BatchID, now time.Time) {
	for _, b := range c.history.batches {
		if b.id == id {
			c.abandon(b, errCancelled.Error(), now)
			return
		}
	}
}

// abandon fails what has not ended of a batch.
func (c *Conn) abandon(b *batchRun, why string, now time.Time) {
	b.abandoned = true
	for _, g := range b.groups {
		switch {
		case g.over:
		case g.page != nil:
			c.failPage(g.page, why, true, now)
		default:
			g.pager.Fail()
			b.fail(why)
			c.endGroup(g)
		}
	}
}

// endBatches gives every open batch its final mark.
func (c *Conn) endBatches(why string) {
	for len(c.history.batches) > 0 {
		c.abandon(c.history.batches[0], why, c.seenAt)
	}
}
