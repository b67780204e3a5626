package relay

import (
	"fmt"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// page is one historic REQ, from the request for credit to its end.
type page struct {
	group   *group
	filters []nostr.Filter
	credit  int
	granted time.Time // the credit
	sub     string    // a fresh id: messages may be handled out of order
	sent    time.Time
	among   int       // subscriptions that were open then, this one included
	heard   time.Time // the last frame, zero before the first

	arrived, delivered, foreign, unread int
	ended                               bool // by EOSE

	eose     Frame         // that is not believed before the page has been quiet for lateWait
	doubted  time.Time     // its moment, zero when there is none
	lateWait time.Duration // valid with eose, as early
	early    int           // events that came before it

	ids   map[event.ID]bool // asked for, in place of what the pager asks; true: it has not come yet
	check bool              // asks for an event that a reconciliation has not listed
}

const (
	// maxForeign events that no filter of the group asks for end a page.
	maxForeign = 16
	// maxUnread events without a date, and no others, are not believed to be all there is: no relay caps pages below it.
	maxUnread = 10
)

// deadline is when the page has failed if nothing more comes, or has ended if there was an EOSE. A relay that answers other pages
// meanwhile is not silent.
func (p *page) deadline(l Limits, answer time.Time) time.Time {
	if !p.doubted.IsZero() {
		return earliest(p.heard.Add(p.lateWait), p.sent.Add(l.REQWait))
	}
	at := p.sent.Add(l.FrameWait)
	if answer.After(p.sent) {
		at = answer.Add(l.FrameWait)
	}
	if !p.heard.IsZero() {
		last := p.heard
		if answer.After(last) {
			last = answer
		}
		at = last.Add(l.IdleWait)
	}
	return earliest(at, p.sent.Add(l.REQWait))
}

// sendPage puts a page that has its credit on the wire.
func (c *Conn) sendPage(p *page, now time.Time) {
	h := &c.history
	msg, err := EncodeREQ(p.sub, p.filters)
	if err != nil { // no filter of ours is without an encoding
		c.log.Error("filters cannot be encoded", zap.Error(err))
		c.failPage(p, err.Error(), false, now)
		return
	}
	h.ready = nil
	p.sent = now
	h.pages[p.sub] = p
	p.among = c.used()
	c.bucket.take(p.group.batch.background)
	if p.group.trial != nil {
		p.group.batch.extra++
	}
	c.o.Metrics.page()
	c.send(msg)
	c.wakeBy(p.deadline(c.limits, h.answer))
}

// expirePages fails pages whose time is over. What is unread by then has been waited for long enough.
func (c *Conn) expirePages(now time.Time, unread bool) {
	var late []*page
	for _, p := range c.history.pages {
		at := p.deadline(c.limits, c.history.answer)
		if now.Before(at) {
			c.wakeBy(at)
			continue
		}
		late = append(late, p)
	}
	slices.SortFunc(late, func(a, b *page) int { return a.sent.Compare(b.sent) })
	for _, p := range late {
		if !p.doubted.IsZero() && !unread { // else what it was heard out for may be on its way
			c.heardOut(p)
			continue
		}
		why := fmt.Sprintf("no answer in %s", c.limits.FrameWait)
		switch {
		case !p.doubted.IsZero():
			why = "a flood behind an EOSE that was to be heard out"
		case now.Sub(p.sent) >= c.limits.REQWait:
			why = fmt.Sprintf("no end in %s", c.limits.REQWait)
		case !p.heard.IsZero():
			why = fmt.Sprintf("silent for %s", c.limits.IdleWait)
		}
		c.cutPage(p, why, true, now)
	}
	if now.Before(c.pause) {
		c.wakeBy(c.pause)
	}
}

func (c *Conn) pageHeard(p *page, f Frame) {
	first := p.heard.IsZero()
	if first {
		c.history.line.heard(p.sent, c.history.answer, f.At)
	}
	p.heard, c.history.answer = f.At, f.At
	if s := c.neg.session; s != nil && !p.sent.After(s.sent) {
		s.from = f.At // what was asked before may be answered before
	}
	if first {
		if p.group.neg == nil {
			c.accepted(p)
		} else if p.ids != nil && p.filters[0].Kinds != nil {
			c.history.refused.idsTaken = true
		}
		// From here on another wait counts, which may be the shorter one.
		c.wakeBy(p.deadline(c.limits, f.At))
	}
}

// pageEvent takes one event of a page.
func (c *Conn) pageEvent(p *page, f Frame) {
	c.pageHeard(p, f)
	g := p.group
	if p.arrived++; p.arrived > p.credit {
		c.tooMany(p, f.At)
		return
	}
	if g.neg != nil {
		c.fetchEvent(p, f)
		return
	}
	e := c.parse(f, g.batch.mode)
	readable := e != nil
	if !readable {
		// Its date still shows how far the page has got: a run of events that we do not take must not hide older ones.
		if e = event.Glance(f.Event); e == nil {
			p.unread++
			return
		}
	}
	g.batch.unseen.drop(e.ID)
	c.shownOnPage(p, f, e.ID)
	switch g.pager.Event(e) {
	case filters.TooMany:
		c.tooMany(p, f.At)
		return
	case filters.OffFilter:
		c.foreign(p, e, f)
		return
	case filters.Duplicate:
		return
	case filters.Wanted:
	}
	g.batch.found(g, e.ID)
	if !readable || c.untouched(e, f.At) {
		return
	}
	if !g.batch.once.first(e.ID) {
		return
	}
	p.delivered++
	c.deliverPaged(p, Delivery{
		Conn: c.o.ID, Source: c.o.URL, Batch: g.batch.id, Mode: g.batch.mode, Event: e, At: f.At, Wanted: g.batch.wanted,
	})
}

// foreign takes an event that the page did not ask for. One that only ignores until is judged by the pager.
func (c *Conn) foreign(p *page, e *event.Event, f Frame) {
	c.o.Metrics.dropped(OffenceOffFilter)
	if c.matches(p.group.timeless(), e) {
		return
	}
	if p.foreign++; p.foreign >= maxForeign {
		c.cutOff(p, OffenceOffFilter, "events that were not asked for", f.At)
	}
}

// lateEvent takes an event of a page that has ended. A relay that sends EOSE too early, or stores an event between EOSE and our
// CLOSE, is heard out within what the page had room for.
func (c *Conn) lateEvent(p *page, f Frame) {
	p.arrived++
	if !p.ended && p.arrived <= p.credit {
		c.o.Metrics.dropped(dropLate) // it was on its way when we ended the page
		return
	}
	c.spend(f)
	if p.arrived > p.credit {
		c.o.Metrics.dropped(dropLate)
		return
	}
	e := c.parse(f, p.group.batch.mode)
	if e == nil || c.untouched(e, f.At) {
		return
	}
	if !c.matches(p.group.timeless(), e) {
		c.o.Metrics.dropped(OffenceOffFilter)
		return
	}
	c.hasty(p, e)
	c.deliverLive(Delivery{Event: e, At: f.At, Wanted: p.group.batch.wanted})
}

// pageUnreadable takes an event that was too large to be kept.
func (c *Conn) pageUnreadable(p *page, f Frame) {
	c.pageHeard(p, f)
	p.unread++
	if p.arrived++; p.arrived > p.credit {
		c.tooMany(p, f.At)
	}
}

const (
	// maxCuts is how many pages of a group may end before their EOSE. What they brought is settled: the next batch goes on below.
	maxCuts       = 16
	moreThanAsked = "more events than asked for"
)

// tooMany ends a page that brought more than was asked for. A relay that only ignores limits is asked on below what came; one that
// does not come to an end is charged.
func (c *Conn) tooMany(p *page, now time.Time) {
	g := p.group
	if g.neg != nil {
		c.cutOff(p, OffenceEndless, moreThanAsked, now)
		return
	}
	c.cutPage(p, moreThanAsked, true, now)
	if g.over && slices.ContainsFunc(g.ends(), func(e FilterEnd) bool { return e.Failed }) {
		c.offendOnce(g, OffenceEndless)
	}
}

// cutPage ends a page before its EOSE. What came of it in order counts, and the group goes on below.
func (c *Conn) cutPage(p *page, why string, tell bool, now time.Time) {
	g := p.group
	if g.cuts++; g.neg != nil || g.cuts > maxCuts || p.foreign > 0 || !g.pager.Cut() {
		c.failPage(p, why, tell, now)
		return
	}
	c.closePage(p, tell, now)
	c.log.Debug("page cut", zap.String("sub", p.sub), zap.String("why", why), zap.Int("events", p.arrived))
	c.goOn(g)
}

// cutOff ends a page that no honest relay sends.
func (c *Conn) cutOff(p *page, kind, why string, now time.Time) {
	c.offendOnce(p.group, kind)
	c.failPage(p, why, true, now)
}

// pageEOSE ends a page, at once where the relay is known to send EOSE behind the events.
func (c *Conn) pageEOSE(p *page, f Frame) {
	c.pageHeard(p, f)
	if c.doubtsEOSE(p, f) {
		return
	}
	c.endPage(p, f)
}

// endPage lets the next page begin.
func (c *Conn) endPage(p *page, f Frame) {
	g := p.group
	g.later = 0
	if g.neg != nil {
		c.fetchEOSE(p, f)
		return
	}
	if p.unread >= maxUnread && p.unread == p.arrived {
		// A page of nothing but such events looks like the end, and need not be it.
		c.failPage(p, "events that cannot be read", true, f.At)
		return
	}
	p.ended = true
	divide := c.divides(g, f.At)
	c.closePage(p, true, f.At)
	g.pager.EOSE(f.Hint)
	c.learn(g)
	if divide {
		c.divide(g)
	}
	if p.foreign > 0 {
		c.offendOnce(g, OffenceOffFilter)
	}
	c.log.Debug("page", zap.String("sub", p.sub), zap.Int("events", p.arrived), zap.Int("new", p.delivered))
	c.goOn(g)
}

// goOn marks what a group has reached, and ends it when all of its filters have ended.
func (c *Conn) goOn(g *group) {
	for _, e := range g.pager.Ends() {
		if !e.Done && !e.Failed {
			c.o.Sink.Mark(g.batch.mark(c.o.ID))
			return
		}
	}
	c.finish(g)
}

// finish ends a group and marks what it has reached; the last one of a batch brings the final mark.
func (c *Conn) finish(g *group) {
	c.endGroup(g)
	if !g.batch.ended && !g.batch.abandoned {
		c.o.Sink.Mark(g.batch.mark(c.o.ID))
	}
}

// learn keeps what the relay has proven to give at once, for the pagers to come.
func (c *Conn) learn(g *group) {
	h := &c.history
	got := g.pager.Proven()
	switch {
	case h.doubted:
	case got == filters.Proven{} && h.proven != filters.Proven{}:
		h.doubted, h.proven = true, got
	default:
		h.proven = filters.Proven{Page: max(h.proven.Page, got.Page), Filter: max(h.proven.Filter, got.Filter)}
	}
}

// failPage ends a page that did not end by itself, and the group with it.
func (c *Conn) failPage(p *page, why string, tell bool, now time.Time) {
	if p.group.neg != nil {
		c.fetchFailed(p, why, tell, now)
		return
	}
	c.closePage(p, tell, now)
	p.group.pager.Fail()
	p.group.batch.fail(why)
	c.finish(p.group)
}

// closePage takes a page off the wire and gives back what it did not use; tell says that the relay has to hear of it.
func (c *Conn) closePage(p *page, tell bool, now time.Time) {
	h := &c.history
	p.group.page = nil
	if r := p.group.neg; r != nil {
		delete(r.pages, p)
	}
	switch p {
	case h.asking:
		h.asking, h.stale = nil, p.credit
		return
	case h.ready:
		h.ready = nil
		c.o.Sink.Release(c.o.ID, p.credit)
		return
	}
	delete(h.pages, p.sub)
	if tell {
		c.send(EncodeClose(p.sub))
	}
	c.leave(p.sub, leftover{page: p}, now)
	if rest := p.credit - p.delivered; rest > 0 {
		c.o.Sink.Release(c.o.ID, rest)
	}
}
