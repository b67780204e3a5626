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
	p.page, p.previous = nil, pg.seen
	progress := true
	if pg.narrow != nil {
		p.endPart(pg, hint)
	} else {
		progress = p.endPage(pg, hint)
	}
	if progress && pg.wanted > 0 {
		p.idle = 0
	} else if p.idle++; p.idle > idlePages+idlePagesEach*len(p.cursors) {
		p.failAll(FaultEndless)
	}
}

// Cut says that the page was ended before its EOSE: by us, because it brought more than was asked for, or by the relay, which closed it or
// fell silent. Where the relay was seen to send each filter's events newest first, the page shows how far it has got, as if it had been
// said that there is more. Else, and when nothing new came, all filters that have not ended fail, and Cut reports false.
func (p *Pager) Cut() bool {
	pg := p.page
	if pg == nil {
		return false
	}
	if !p.usable() {
		p.Fail()
		return false
	}
	pg.arrived = min(pg.arrived, p.MaxEvents())
	p.EOSE(HintMore)
	return true
}

// Cuttable reports a page that Cut ends without a failure. A part of a second is none, as cutting that may leave a gap.
func (p *Pager) Cuttable() bool { return p.page != nil && p.page.narrow == nil && p.usable() }

// usable reports that what the page has brought shows how far it has got.
func (p *Pager) usable() bool {
	pg := p.page
	return (pg.wanted > 0 || pg.arrived >= p.MaxEvents()) && (p.sorted || pg.narrow != nil) &&
		!slices.ContainsFunc(pg.cursors, func(c *cursor) bool { return c.disorder })
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

// endPage reports whether a cursor moved.
func (p *Pager) endPage(pg *page, hint Hint) (progress bool) {
	if pg.arrived == 0 {
		p.endEmpty(pg, hint)
		return false
	}
	p.empties = 0
	if p.unbounded(pg) {
		return false
	}
	finish := hint == HintFinish && pg.off == 0 && len(pg.seen) < p.share(len(pg.cursors))
	// What is older than since lies below all that was asked for: who is asked alone, or will be, bears it.
	off := func(c *cursor) bool {
		return pg.beyond > 0 || pg.off-pg.older > len(pg.seen) || (pg.off > len(pg.seen) && len(pg.cursors) > 1 && !c.matched)
	}
	for _, c := range pg.cursors {
		if c.below && c.unseen > 0 {
			// It gave less than it has proven, and yet had more.
			p.proven.Page, p.proven.Filter = min(p.proven.Page, c.pageSize), min(p.proven.Filter, c.size)
		}
	}
	before := p.proven
	for _, c := range pg.cursors {
		own, fresh, oldest := c.brought()
		// A page is no smaller than proven for being asked for less.
		limit := p.share(len(pg.cursors))
		below := 2*pg.credited <= min(before.Page, limit*len(pg.cursors)) && 2*len(c.credits) <= min(before.Filter, limit)
		c.below, c.pageSize, c.size = fresh && below && hint != HintMore, pg.credited, len(c.credits)
		switch {
		case c.complete() || (finish && p.bounded(c)):
			c.done = true
		case fresh && p.bounded(c):
			c.suspect, c.offences = false, 0
			top := c.until
			c.advance(oldest)
			c.measure(top, len(c.credits) >= min(before.Filter, limit))
			progress = true
			if c.crowded() && p.narrow == nil {
				p.startNarrowing(c)
			}
		case off(c):
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
	return progress
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
// exclusive or has lost them: a page that is one second wider tells. A page that shows no boundary counts for nothing.
func (p *Pager) unbounded(pg *page) bool {
	if p.proven.Until != BoundUnknown {
		p.probing = false
		return false
	}
	if !p.probing {
		for _, c := range pg.cursors {
			c.lost = c.displaced()
			p.probing = p.probing || c.lost
		}
		return p.probing
	}
	p.probing = false
	if slices.ContainsFunc(pg.cursors, func(c *cursor) bool { return c.returned }) {
		p.proven.Until = BoundExclusive
		return false
	}
	lost := false
	for _, c := range pg.cursors {
		lost = lost || c.lost
		c.boundary, c.lost = nil, false
	}
	return lost
}

// endAlone ends a filter to which a page of its own brought nothing new, unless its second may hold more.
func (p *Pager) endAlone(c *cursor, hint Hint) {
	switch {
	case p.full(len(c.credits), hint):
		p.startNarrowing(c)
	case hint == HintMore:
		c.fail(FaultWithheld)
	default:
		c.done = true
	}
}

func (p *Pager) startNarrowing(c *cursor) {
	if p.narrow = newNarrowing(c); p.narrow.over() {
		p.narrow = nil
		c.step(true)
	}
}

// full reports whether a page of one filter may have been cut. Nobody caps pages at one event.
func (p *Pager) full(count int, hint Hint) bool {
	switch {
	case count < 2, hint == HintFinish && count < p.limit:
		return false
	}
	return hint == HintMore || count >= min(p.proven.Filter, p.limit)
}

func (p *Pager) failAll(f Fault) {
	for _, c := range p.cursors {
		c.fail(f)
	}
	p.narrow = nil
}
