package relay

import (
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
)

// Bounds of the search for what a relay refuses.
const (
	maxVain   = 20  // refusals in a row that end it: it is more than a value
	maxExtra  = 128 // REQs that it may cost a batch
	maxShapes = 64
)

// refusals is what a connection has shown of the filters that its relay takes.
type refusals struct {
	answers  int              // groups that were answered
	total    int              // REQs that were refused
	shapes   map[string]shown // by shapeOf
	vain     map[string]bool  // shapes of which nothing was ever taken, and that were searched
	guarded  bool             // it was reported that kind 1 is not given
	idsToo   bool             // filters by ids have to state kinds, too
	idsTaken bool             // some that fetch and state kinds were taken
	inVain   map[bool]bool    // by whether they ask by ids: stating kinds was of no use to filters that were barred
}

// shown is the last filter of a shape that was taken.
type shown struct {
	at     int // answers by then
	filter nostr.Filter
}

func newRefusals() refusals {
	return refusals{shapes: map[string]shown{}, vain: map[string]bool{}, inVain: map[bool]bool{}}
}

// giveUp notes a shape that was searched in vain, if nothing of it was ever taken.
func (r *refusals) giveUp(shape string) {
	if !r.since(shape, 0) && len(r.vain) < maxShapes {
		r.vain[shape] = true
	}
}

// forget has everything tried again that was tried in vain.
func (r *refusals) forget() {
	clear(r.vain)
	clear(r.inVain)
}

// since reports whether filters of that shape were taken after so many answers.
func (r *refusals) since(shape string, answers int) bool { return r.shapes[shape].at > answers }

// take notes filters that were answered.
func (r *refusals) take(fs []nostr.Filter) {
	r.answers++
	for _, f := range fs {
		shape := shapeOf(f)
		delete(r.vain, shape)
		if r.since(shape, 0) || len(r.shapes) < maxShapes {
			r.shapes[shape] = shown{r.answers, f}
		}
	}
}

// hopeless reports that there is no use in a search: nothing at all was taken, or nothing of these shapes.
func (r *refusals) hopeless(fs []nostr.Filter) bool {
	if r.answers == 0 && r.total > maxVain {
		return true
	}
	for _, f := range fs {
		if !r.vain[shapeOf(f)] {
			return false
		}
	}
	return true
}

// shapeOf says which lists a filter has. Kind 1 alone is a shape of its own: it is what relays guard that want kinds stated.
func shapeOf(f nostr.Filter) string {
	shape := tagNames(f)
	if f.IDs != nil {
		shape += " ids"
	}
	if f.Authors != nil {
		shape += " authors"
	}
	switch {
	case isNotes(f):
		shape += " notes"
	case f.Kinds != nil && bare(f):
		shape += " mixed"
	case f.Kinds != nil:
		shape += " kinds"
	}
	return shape
}

func isNotes(f nostr.Filter) bool { return len(f.Kinds) == 1 && f.Kinds[0] == nostr.KindTextNote }

// trial is the search for what is wrong with a REQ: it is asked once more, and then in parts, one after the other (DESIGN §5,
// poison).
type trial struct {
	batch    *batchRun
	reason   string // of the last refusal, hostile text
	began    int    // answers before it
	open     int    // parts that are undecided, but for suspects
	row      int    // refusals since a part was taken
	asked    *group // the last part
	suspects []*group

	again               bool // the REQ was asked once more
	barred              bool // it was refused for who asks: only stating kinds is tried
	byFilters, byValues bool // how it was split
	dialect             bool // stating kinds was tried
	spoke               bool // and was what the relay takes
	spoiled             bool // a part was not taken: it is no matter of size
	filters, bytes      int  // the largest REQ that was taken
}

// busy reports a part that the relay has not answered yet.
func (t *trial) busy() bool { return t.asked != nil && t.asked.trial == t && t.asked.page != nil }

// refused takes a CLOSED for a page, and reports whether there is more to be done: it may be about the filters of the REQ when
// none of them was answered before. The group is then asked in parts.
func (c *Conn) refused(p *page, reason string, now time.Time) bool {
	g, r := p.group, &c.history.refused
	b := g.batch
	if g.neg != nil {
		return c.refusedIDs(p, reason, now)
	}
	if !p.heard.IsZero() || g.answered || b.abandoned {
		return false
	}
	switch prefix := prefixOf(reason); {
	case prefix == rateLimited:
		return c.limitedPart(p, now)
	case !refusesFilters(prefix):
		return c.barred(p, reason, now)
	}
	r.total++
	switch {
	case g.trial != nil:
	case (b.trial != nil || g.limits != c.history.limits) && b.extra < maxExtra:
		b.extra++
		c.closePage(p, false, now)
		return true // it waits for what is found out, or was asked before it was
	case b.extra >= maxExtra || r.hopeless(g.asked):
		if !g.notes(r) {
			return false
		}
		c.closePage(p, false, now)
		c.setAside(g, reason)
		return true
	default:
		b.trial = &trial{batch: b, began: r.answers, open: 1}
		g.trial = b.trial
	}
	t := g.trial
	if len(g.index) == 0 {
		return false // a control
	}
	t.reason = reason
	t.row++
	c.closePage(p, false, now)
	switch {
	case t.row >= maxVain || b.extra >= maxExtra:
		c.giveUp(t, g)
	case t.row == 1 && !t.again:
		t.again = true // as it is: the relay may have been in a mood
	default:
		c.bisect(t, g)
	}
	return true
}

// bisect puts parts of a refused group in its place: half of its filters, or the filter with its kinds stated, or half of its
// values. A single value becomes a suspect.
func (c *Conn) bisect(t *trial, g *group) {
	b, f := t.batch, g.asked[0]
	switch n := len(g.asked); {
	case n > 1:
		t.byFilters = true
		first, second := c.newGroup(b, g.asked[:n/2], g.index[:n/2]), c.newGroup(b, g.asked[n/2:], g.index[n/2:])
		if g.plain != nil {
			first.plain, second.plain = g.plain[:n/2], g.plain[n/2:]
		}
		c.part(t, g, first, second)
		return
	case g.plain != nil && !t.barred:
		f = g.plain[0] // it was not that
	case bare(f) && !t.dialect && !c.history.refused.since(shapeOf(f), 0):
		t.dialect = true
		c.stateKinds(t, g)
		return
	}
	if first, second, ok := filters.Halve(f); ok {
		t.byValues = true
		parts := []*group{c.newGroup(b, []nostr.Filter{first}, g.index), c.newGroup(b, []nostr.Filter{second}, g.index)}
		if g.plain != nil && t.barred {
			first, second, _ = filters.Halve(g.plain[0])
			parts[0].plain, parts[1].plain = []nostr.Filter{first}, []nostr.Filter{second}
		}
		c.part(t, g, parts...)
		return
	}
	s := c.newGroup(b, []nostr.Filter{f}, g.index)
	s.confirmed = g.confirmed
	c.part(t, g, s)
	t.open--
	if _, _, ok := valueOf(f); ok {
		s.suspect = true
		t.suspects = append(t.suspects, s)
	} else {
		c.lose(t, s)
	}
	c.judge(t)
}

func (c *Conn) part(t *trial, g *group, parts ...*group) {
	for _, p := range parts {
		p.trial, p.limits = t, g.limits
	}
	t.open += len(parts) - 1
	t.batch.replace(g, parts...)
}

// accepted takes note that a REQ was not refused.
func (c *Conn) accepted(p *page) {
	g, t := p.group, p.group.batch.trial
	if g.answered {
		return
	}
	g.answered = true
	c.history.refused.take(g.asked)
	if t == nil {
		return
	}
	if g.trial == t {
		g.trial = nil
		t.open--
		t.row = 0
		t.filters = max(t.filters, len(p.filters))
		t.bytes = max(t.bytes, filters.MessageBytes(p.sub, p.filters))
		if g.plain != nil {
			c.speak(t, g)
		}
	}
	c.judge(t)
}

// decided takes note that a part has failed for another reason than its filters.
func (c *Conn) decided(g *group) {
	t := g.trial
	if t == nil || t.batch.abandoned {
		return
	}
	g.trial = nil
	t.open--
	t.spoiled = true
	c.judge(t)
}
