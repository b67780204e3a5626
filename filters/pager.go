package filters

import (
	"math"
	"slices"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const (
	// pageSlack is how many events a page may bring beyond its limits: live ones slip in.
	pageSlack = 32
	// maxOffences is how many pages that ignore until a filter bears.
	maxOffences = 2
	// idlePages and idlePagesEach are how many pages in a row, in all and for each filter, may bring nothing new.
	idlePages     = 256
	idlePagesEach = 32
)

// Pager asks for everything that matches a group of filters, page by page. Call Next for the filters of
// a REQ, Event for each event of it, and EOSE or Fail at its end; then Next again, until it says that all filters
// have ended. It is a value without I/O and clock; one goroutine owns it.
//
// What is relied on: for each filter of a REQ a relay gives the newest matches first, down to some point. How many it gives is
// never relied on: relays cap pages below the limit asked, per filter or per REQ, and do not say so. Therefore:
//
//   - A cursor moves to the oldest event that only its filter can have brought. An event that matches several
//     filters of the page may have come for any of them and shows nothing about the others.
//   - until is inclusive and the events of its second are remembered: those are not new.
//   - A page without any event ends its filters. It is asked once more when events of the boundary should have come: relays
//     that throttle shrink pages down to nothing.
//   - A filter to which a page brings nothing new is a suspect: it may have been cut off in favour of others.
//     Suspects that never matched are asked together; suspects that did are asked alone. Alone, nothing new means
//     the end. Together it does when the page is less than half of what the relay has proven to give.
//   - A page alone with nothing new and as large as any before may hide a second with more events than fit a page: the
//     second is narrowed (narrow.go).
//   - NIP-67's finish is believed where fewer events came than one filter may bring, else it may speak of our limit.
//   - A relay that gives older events but not the boundary reads until as exclusive, or has lost the boundary. A page one
//     second wider tells; an exclusive relay is asked for one second more from then on.
//
// until never goes below 1: some relays take 0 for none. Filters that match nothing are done at once.
type Pager struct {
	cursors  []*cursor
	set      *Set // of all filters, without times
	limit    int  // of each filter of a page
	most     int  // events of a page of several filters
	sorted   bool // events of a filter came newest first
	probing  bool // asks one second more, to see whether the relay reads until as exclusive
	empties  int  // empty pages in a row
	proven   Proven
	idle     int // pages in a row that brought nothing new or moved nothing
	narrow   *narrowing
	page     *page
	previous map[event.ID]struct{} // events of the page before
	hits     []int                 // scratch
	mine     []*cursor             // scratch
}

// NewPager gives a pager for filters, each of which is asked for at most limit events per page. A filter may have since
// and until; its limit is ignored. What failed is resumed by its filter with until one below End.Until.
func NewPager(fs []nostr.Filter, limit int) *Pager {
	p := &Pager{limit: max(2, limit), most: math.MaxInt}
	timeless := slices.Clone(fs)
	for i := range fs {
		timeless[i].Since, timeless[i].Until = nil, nil
		p.cursors = append(p.cursors, newCursor(fs[i]))
	}
	p.set = Compile(timeless)
	return p
}

// Most bounds what a page of several filters may bring in all: as filters end, those that go on are asked for more. Call it before the
// first Next.
func (p *Pager) Most(events int) { p.most = events }

// share is the limit of each of n filters that are asked together.
func (p *Pager) share(n int) int {
	if n == 1 {
		return p.limit
	}
	return max(2, min(p.limit, p.most/n))
}

// Trust says what the relay has proven before, on this connection. Call it before the first Next.
func (p *Pager) Trust(proven Proven) { p.proven = proven }

// Proven says what the relay has proven so far. It may be less than what Trust said: a relay that cut a smaller page is
// not trusted with more.
func (p *Pager) Proven() Proven { return p.proven }

// Ends says how far each filter has got, by the index given to NewPager.
func (p *Pager) Ends() []End {
	ends := make([]End, len(p.cursors))
	for i, c := range p.cursors {
		ends[i] = End{Done: c.done, Failed: c.fault != FaultNone, Fault: c.fault, Until: c.settled, Gap: c.gap}
	}
	return ends
}

// Next starts a page and gives its filters, each with a limit, and an until from the second page on. A page that
// has not ended is forgotten. ok is false when all filters have ended.
func (p *Pager) Next() (req []nostr.Filter, ok bool) {
	p.page = nil
	if p.narrow != nil {
		f := p.narrow.ask(p.limit, p.lag())
		p.page = &page{narrow: Compile([]nostr.Filter{f}), seen: map[event.ID]struct{}{}}
		return []nostr.Filter{f}, true
	}
	cursors := p.choose()
	if len(cursors) == 0 {
		return nil, false
	}
	p.page = &page{cursors: cursors, seen: map[event.ID]struct{}{}}
	for _, c := range cursors {
		req = append(req, c.ask(p.share(len(cursors)), p.lag()))
	}
	return req, true
}

// MaxEvents is how many events the page may bring.
func (p *Pager) MaxEvents() int {
	switch {
	case p.page == nil:
		return 0
	case p.page.narrow != nil:
		return p.limit + pageSlack
	}
	return p.share(len(p.page.cursors))*len(p.page.cursors) + pageSlack
}

// Event takes an event of the page.
func (p *Pager) Event(e *event.Event) Verdict {
	pg := p.page
	if pg == nil {
		return OffFilter
	}
	if pg.arrived++; pg.arrived > p.MaxEvents() {
		return TooMany
	}
	var matched, known bool
	if pg.narrow != nil {
		matched, known = len(pg.narrow.Match(e, nil)) > 0, p.narrow.cursor.knows(e.ID, int64(e.CreatedAt))
	} else {
		matched, known = p.credit(e)
	}
	if !matched {
		pg.off++
		return OffFilter
	}
	if _, twice := pg.seen[e.ID]; twice {
		return Duplicate
	}
	pg.seen[e.ID] = struct{}{}
	if _, before := p.previous[e.ID]; known || before {
		return Duplicate
	}
	pg.wanted++
	return Wanted
}

// Fail says that the page did not end: filters that have not ended fail.
func (p *Pager) Fail() {
	p.page = nil
	p.failAll(FaultAborted)
}

// choose gives the cursors of the next page: all that go on together; else the suspects that never matched,
// together; else one suspect alone.
func (p *Pager) choose() []*cursor {
	var active, silent []*cursor
	var alone *cursor
	for _, c := range p.cursors {
		switch {
		case c.ended():
		case !c.suspect:
			active = append(active, c)
		case !c.matched:
			silent = append(silent, c)
		case alone == nil:
			alone = c
		}
	}
	switch {
	case len(active) > 0:
		return active
	case len(silent) > 0:
		return silent
	case alone != nil:
		return []*cursor{alone}
	}
	return nil
}

// credit gives an event to every filter of the page that it matches.
func (p *Pager) credit(e *event.Event) (matched, known bool) {
	pg, at := p.page, int64(e.CreatedAt)
	if _, twice := pg.seen[e.ID]; twice {
		return true, true
	}
	mine := p.mine[:0]
	beyond, older, highest := false, false, int64(math.MinInt64)
	p.hits = p.set.Match(e, p.hits[:0])
	for _, i := range p.hits {
		c := p.cursors[i]
		if !slices.Contains(pg.cursors, c) {
			continue
		}
		if at < c.since {
			older = true
			continue
		}
		if c.asked != math.MaxInt64 && at > c.asked {
			beyond = true
			continue
		}
		mine = append(mine, c)
		highest = max(highest, c.asked)
		if c.knows(e.ID, at) {
			known = true
		}
	}
	p.mine = mine
	switch {
	case len(mine) > 0:
	case beyond:
		pg.beyond++
	case older:
		pg.older++
	}
	if at == highest && at != math.MaxInt64 {
		p.proven.Until = BoundInclusive
	}
	_, before := p.previous[e.ID]
	for _, c := range mine {
		c.add(credit{e.ID, at, len(mine) == 1}, !known && !before)
		if len(mine) == 1 && c.order(at) {
			p.sorted = true
		}
	}
	pg.credited += len(mine)
	return len(mine) > 0, known
}

// lag is how many seconds are added to until on the wire.
func (p *Pager) lag() int64 {
	if p.probing || p.proven.Until == BoundExclusive {
		return 1
	}
	return 0
}

func (p *Pager) prove(page, filter int) {
	p.proven.Page, p.proven.Filter = max(p.proven.Page, page), max(p.proven.Filter, filter)
}
