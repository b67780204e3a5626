package relay

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
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
	limits  int  // counts the changes of the limits
	refused refusals
	eose    eoseManner
	line    line
}

func newHistory() history {
	return history{pages: map[string]*page{}, grants: make(chan struct{}, 1), refused: newRefusals()}
}

// ask begins a batch.
func (c *Conn) ask(b Batch, now time.Time) {
	run := &batchRun{id: b.ID, mode: b.Mode, background: b.Background, wanted: b.Wanted, total: len(b.Filters), ours: b.Ours}
	if run.ours == nil {
		run.ours = c.o.Known
	}
	if b.Compare && run.ours != nil {
		run.unseen = &unseen{ids: map[event.ID]struct{}{}}
	}
	if b.Sample && run.ours != nil && run.unseen == nil {
		run.sample = &sampling{filters: b.Filters, doubted: map[event.ID]struct{}{}}
	}
	var paged, whole []nostr.Filter
	var pagedAt, wholeAt []int
	for i, f := range b.Filters {
		if c.reconciles(run, f, now) || run.unseen != nil {
			whole, wholeAt = append(whole, f), append(wholeAt, i)
		} else {
			paged, pagedAt = append(paged, f), append(pagedAt, i)
		}
	}
	run.groups = c.groups(run, paged, pagedAt)
	reconciled, notes := c.reconciliations(run, whole, wholeAt)
	run.groups = slices.Concat(run.groups, reconciled, notes)
	run.open = len(run.groups)
	c.history.batches = append(c.history.batches, run)
	if run.open == 0 {
		c.endBatch(run)
	}
	c.load(reconciled)
}

// pump opens what waits, as far as subscriptions, pace and credit allow.
func (c *Conn) pump(now time.Time) {
	if now.Before(c.loginBy) {
		c.wakeBy(c.loginBy)
		return
	}
	c.openLive(now)
	h := &c.history
	for c.used() < c.limits.Subscriptions {
		if h.ready != nil {
			c.sendPage(h.ready, now)
			continue
		}
		if c.reconcile(now) {
			continue
		}
		if h.asking != nil || h.stale > 0 {
			return
		}
		at, background := c.background(now)
		g, passed := c.nextGroup(background)
		if g == nil {
			if passed && at.After(now) {
				c.wakeBy(at)
			}
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

// nextGroup is the first group between two pages, in the order of batches. Those of background batches are passed over unless they
// may be asked.
func (c *Conn) nextGroup(background bool) (g *group, passed bool) {
	for _, b := range c.history.batches {
		if g := c.nextOf(b); g != nil {
			if background || !b.background {
				return g, passed
			}
			passed = true
		}
	}
	return nil, passed
}

// background reports whether background work may ask for a page now; if that is a matter of time, else from when on. Its pages
// never take the last free subscription from others.
func (c *Conn) background(now time.Time) (time.Time, bool) {
	at, ok := c.bucket.backgroundReady(now)
	if !ok {
		return at, false
	}
	if c.used() < c.limits.Subscriptions-1 {
		return now, true
	}
	for _, p := range c.history.pages {
		if p.group.batch.background {
			return now, false
		}
	}
	if s := c.neg.session; s != nil && s.group.batch.background {
		return now, false
	}
	return now, true
}

// begin asks for the credit of a group's next page, or ends the group.
func (c *Conn) begin(g *group) {
	if g.neg == nil && g.limits != c.history.limits && !g.answered && c.refit(g) {
		return
	}
	var p *page
	if g.neg != nil {
		p = c.fetchPage(g)
	} else {
		req, ok := g.pager.Next()
		if !ok {
			c.endGroup(g)
			return
		}
		p = &page{group: g, filters: req, credit: g.pager.MaxEvents()}
		g.page = p
	}
	c.history.number++
	p.sub = fmt.Sprintf("h%d-%d", g.batch.id, c.history.number)
	if g.trial != nil {
		g.trial.asked = g
	}
	c.history.asking = p
	c.o.Sink.Reserve(c.o.ID, p.credit, c.history.grants)
}

// granted takes the credit for the page that waits for it.
func (c *Conn) granted(now time.Time) {
	h := &c.history
	if h.stale > 0 {
		c.o.Sink.Release(c.o.ID, h.stale)
		h.stale = 0
		return
	}
	h.ready, h.asking = h.asking, nil
	h.ready.granted = now
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
	if !g.batch.forget(g) && !g.batch.abandoned {
		c.history.line.whole = true
	}
	if g.batch.open--; g.batch.open == 0 {
		c.endBatch(g.batch)
	}
	c.decided(g)
}

// offendOnce charges a group's relay once.
func (c *Conn) offendOnce(g *group, kind string) {
	if !g.bad {
		g.bad = true
		c.offend(kind, c.seenAt)
	}
}

func (c *Conn) endBatch(b *batchRun) {
	if b.ended || c.verify(b) {
		return
	}
	b.ended = true
	for at := range b.unserved {
		if b.withheld(at) && !b.abandoned {
			b.fail(errWithheld.Error())
		}
	}
	c.history.batches = slices.DeleteFunc(c.history.batches, func(x *batchRun) bool { return x == b })
	m := b.mark(c.o.ID)
	m.Final, m.Err, m.Absent = true, b.err, b.absent()
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
			c.advanceAll(now) // others may have waited for what it was fetching
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
		case g.neg != nil:
			c.dropReconciliation(g, now)
			g.pager.Fail()
			b.fail(why)
			c.endGroup(g)
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
