package filters

import "slices"

// EOSE ends the page: cursors move, filters end.
func (p *Pager) EOSE(hint Hint) {
	pg := p.page
	if pg == nil {
		return
	}
	if pg.arrived > p.MaxEvents() {
		p.Fail()
		return
	}
	p.page = nil
	if pg.wanted > 0 {
		p.idle = 0
	} else if p.idle++; p.idle > idlePages+2*len(p.cursors) {
		p.failAll(FaultEndless)
		return
	}
	if pg.narrow != nil {
		p.endPart(pg, hint)
	} else {
		p.endPage(pg, hint)
	}
	p.previous = pg.seen
}

func (p *Pager) endPart(pg *page, hint Hint) {
	n, count := p.narrow, len(pg.seen)
	// What says that there is more than one event, or is full of others, cannot be narrowed.
	n.gap = n.gap || (hint == HintMore && count < 2) || pg.off > count
	n.answer(pg.seen, p.full(count, hint))
	p.prove(count, count)
	if n.over() {
		p.narrow = nil
		n.cursor.step(n.lossy())
	}
}

func (p *Pager) endPage(pg *page, hint Hint) {
	if pg.arrived == 0 {
		p.endEmpty(pg, hint)
		return
	}
	p.empties = 0
	if p.unbounded(pg) {
		return
	}
	finish := hint == HintFinish && pg.off == 0 && len(pg.seen) < p.limit
	dirty := pg.beyond > 0 || pg.off > len(pg.seen)
	before, doubt := p.proven, false
	for _, c := range pg.cursors {
		own, fresh, oldest := c.brought()
		doubt = doubt || (c.below && c.unseen > 0)
		below := 2*pg.credited <= before.Page && 2*len(c.credits) <= before.Filter
		c.below = fresh && below
		switch {
		case c.complete() || (finish && p.bounded(c)):
			c.done = true
		case fresh && p.bounded(c):
			c.suspect = c.suspect && len(pg.cursors) == 1
			c.offences = 0
			c.advance(oldest)
		case dirty:
			c.offend()
		case len(pg.cursors) == 1:
			p.endAlone(c, hint)
		case below && c.matched && c.unseen == 0 && p.bounded(c) && hint != HintMore:
			c.done = true
		default:
			c.suspect = true
		}
		p.prove(len(pg.seen), own)
	}
	if doubt {
		p.proven, p.distrust = Proven{Until: p.proven.Until}, true
	}
}

// endEmpty ends all filters of a page that brought nothing. Where something should have come the relay may be short of
// breath: it is asked once more. It may also read until as exclusive: it is asked one second wider.
func (p *Pager) endEmpty(pg *page, hint Hint) {
	owed := slices.ContainsFunc(pg.cursors, func(c *cursor) bool { return c.owed })
	p.empties++
	switch {
	case p.empties == 1 && (owed || hint == HintMore):
		return
	case p.empties == 2 && owed && p.proven.Until == BoundUnknown:
		p.probing = true
		return
	}
	p.empties, p.probing = 0, false
	for _, c := range pg.cursors {
		if hint == HintMore {
			c.fail(FaultWithheld)
		} else {
			c.done = true
		}
	}
}

// bounded reports that the page holds the filter's boundary, or that there is none.
func (p *Pager) bounded(c *cursor) bool {
	return p.proven.Until != BoundUnknown || len(c.boundary) == 0
}

// unbounded looks for filters to which events came, but none of the boundary, which a relay should give first. It reads until as
// exclusive or has lost them: a page that is one second wider tells. Until then the page counts for nothing.
func (p *Pager) unbounded(pg *page) bool {
	if !p.probing {
		p.probing = p.proven.Until == BoundUnknown && slices.ContainsFunc(pg.cursors, (*cursor).displaced)
		return p.probing
	}
	p.probing = false
	if p.proven.Until == BoundUnknown && slices.ContainsFunc(pg.cursors, func(c *cursor) bool { return c.returned }) {
		p.proven.Until = BoundExclusive
	}
	for _, c := range pg.cursors {
		if c.displaced() {
			c.boundary = nil
		}
	}
	return false
}

// endAlone ends a filter to which a page of its own brought nothing new, unless its second may hold more.
func (p *Pager) endAlone(c *cursor, hint Hint) {
	switch {
	case p.full(len(c.credits), hint):
		if p.narrow = newNarrowing(c); p.narrow.over() {
			p.narrow = nil
			c.step(true)
		}
	case hint == HintMore:
		c.fail(FaultWithheld)
	default:
		c.done = true
	}
}

// full reports whether a page of one filter may have been cut. Nobody caps pages at one event.
func (p *Pager) full(count int, hint Hint) bool {
	switch {
	case count < 2, hint == HintFinish && count < p.limit:
		return false
	}
	return hint == HintMore || count >= p.proven.Filter
}

func (p *Pager) failAll(f Fault) {
	for _, c := range p.cursors {
		c.fail(f)
	}
	p.narrow = nil
}
