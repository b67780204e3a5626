package relay

import (
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

const (
	idsPerREQ   = 300
	idBytes     = 67   // of one id in a filter
	leastIDs    = 20   // a relay that gives fewer at a time is asked for them again and again
	awaitIDs    = 1200 // asked of the publisher at once
	maxRounds   = 8    // of asking for what was listed and did not come
	maxBarren   = 3    // REQs in a row that bring nothing of what was listed
	fetchSpare  = 8    // events that come twice
	maxFailures = 5    // REQs of one filter that are refused or not answered
)

// fetchLimits is what a connection has shown of how many ids a REQ may name.
type fetchLimits struct {
	most   int   // 0: nothing was learned
	sure   bool  // what did not come was not for the sake of its number
	probe  *page // asks for what was left out, alone
	wanted *group
}

// fetch is the part of a reconciliation that gets the events.
type fetch struct {
	todo     []event.ID     // not asked of anyone yet
	fresh    []event.ID     // that nobody here has: to be asked for
	missing  []event.ID     // asked for in this round, and not given
	shared   []event.ID     // that other groups of the connection were asking for
	behind   []*group       // those groups
	ahead    []*group       // groups that wait so for this one
	pages    map[*page]bool // that are out, the one that waits for credit included
	round    int
	served   int // events of this round
	barren   int
	failures int
}

// lacking takes the publisher's answer. It may be for a group that has ended meanwhile.
func (c *Conn) lacking(ids []event.ID, now time.Time) {
	g := c.neg.awaiting
	c.neg.awaiting = nil
	if g != nil && !g.over && g.neg != nil && g.neg.stage == negFetching {
		c.allot(g, ids)
	}
	c.advanceAll(now)
}

func (c *Conn) advanceAll(now time.Time) {
	for _, b := range slices.Clone(c.history.batches) {
		for _, g := range slices.Clone(b.groups) {
			if g.neg != nil && g.neg.stage == negFetching {
				c.advance(g, now)
			}
		}
	}
}

// allot gives a group the ids that it asks for. What another group of the connection is asking for by now, as an event
// matches several filters, is looked at again when that one has come to its end: it has mostly come by then.
func (c *Conn) allot(g *group, ids []event.ID) {
	r := g.neg
	shared := make(map[event.ID]bool, len(ids))
	for _, id := range ids {
		shared[id] = false
	}
	for _, b := range c.history.batches {
		for _, x := range b.groups {
			if x == g || !x.asking() || b.background && !g.batch.background {
				continue
			}
			before := len(r.shared)
			claim := func(id event.ID) {
				if taken, listed := shared[id]; listed && !taken {
					shared[id] = true
					r.shared = append(r.shared, id)
				}
			}
			for _, id := range x.neg.fresh {
				claim(id)
			}
			for p := range x.neg.pages {
				for id, missing := range p.ids {
					if missing {
						claim(id)
					}
				}
			}
			if len(r.shared) > before && !slices.Contains(r.behind, x) {
				r.behind, x.neg.ahead = append(r.behind, x), append(x.neg.ahead, g)
			}
		}
	}
	for _, id := range ids {
		if !shared[id] {
			r.fresh = append(r.fresh, id)
		}
	}
}

// asking reports whether ids of a group are asked for, or will be without anybody's help.
func (g *group) asking() bool {
	r := g.neg
	return !g.over && r != nil && r.stage == negFetching && len(r.todo)+len(r.fresh)+len(r.pages) > 0
}

// advance does what is next for a group whose events are fetched, when it is not a matter of a page.
func (c *Conn) advance(g *group, now time.Time) {
	r := g.neg
	n := &c.neg
	if g.over || r.stage != negFetching {
		return
	}
	if len(r.shared) > 0 && !slices.ContainsFunc(r.behind, (*group).asking) {
		r.todo = append(r.todo, r.shared...)
		r.shared, r.behind = nil, nil
	}
	if n.awaiting == nil && len(r.todo) > 0 && len(r.fresh) < idsPerREQ {
		k := min(awaitIDs, len(r.todo))
		n.awaiting = g
		ids := r.todo[:k:k]
		r.todo = r.todo[k:]
		c.o.Sink.Await(c.o.ID, g.batch.id, ids, n.lack)
	}
	switch {
	case n.awaiting == g || g.asking() || len(r.shared) > 0:
	case r.verify && (len(r.missing) == 0 || g.batch.sample != nil):
		c.verified(g)
	case len(r.missing) == 0:
		c.fetched(g, now)
	case r.barren < maxBarren && r.failures < maxFailures && r.round < maxRounds && (r.round == 0 || r.served > 0):
		r.round++
		r.todo, r.missing, r.served = r.missing, nil, 0
		c.advance(g, now)
	case r.verify:
		c.verified(g)
	default:
		c.unserved(g)
	}
}

// fetchable reports whether a page of the group may be asked for.
func (c *Conn) fetchable(g *group) bool {
	r := g.neg
	switch r.stage {
	case negChecking:
		return len(r.pages) == 0
	case negFetching:
		l := &c.neg.fetching
		return len(r.fresh) > 0 && (l.wanted == nil && l.probe == nil || l.wanted == g)
	case negLoading, negReady, negTalking, negDone:
	}
	return false
}

// fetchPage is the next page of a group that is fetched or checked.
func (c *Conn) fetchPage(g *group) *page {
	r := g.neg
	p := &page{group: g}
	if r.stage == negChecking {
		f := r.below(g.asked[0], pageLimit(c.limits.PageLimit))
		p.filters, p.credit, p.check = []nostr.Filter{f}, f.Limit+fetchSpare, true
	} else {
		k := min(len(r.fresh), c.idsAtOnce())
		l := &c.neg.fetching
		if l.wanted == g {
			k = min(k, l.most)
			l.wanted, l.probe, l.most = nil, p, 0
		}
		p.ids = make(map[event.ID]bool, k)
		f := nostr.Filter{IDs: make([]string, k), Limit: k}
		for i, id := range r.fresh[:k] {
			f.IDs[i] = id.String()
			p.ids[id] = true
		}
		r.fresh = r.fresh[k:]
		if c.states(f) {
			f.Kinds = g.asked[0].Kinds
		}
		p.filters, p.credit = []nostr.Filter{f}, k+fetchSpare
	}
	if r.pages == nil {
		r.pages = map[*page]bool{}
	}
	r.pages[p] = true
	return p
}

func (c *Conn) idsAtOnce() int {
	k := min(idsPerREQ, c.limits.PageLimit, (filters.Usable(c.limits.MessageBytes)-100)/idBytes)
	if most := c.neg.fetching.most; most > 0 && c.neg.fetching.wanted == nil {
		k = min(k, most)
	}
	return max(1, k)
}

// fetchEvent takes one event of a page of ids, or of the check.
func (c *Conn) fetchEvent(p *page, f Frame) {
	g := p.group
	e := c.parse(f, Negentropy)
	readable := e != nil
	if !readable {
		if e = event.Glance(f.Event); e == nil {
			p.unread++
			return
		}
	}
	if p.check {
		c.checkEvent(p, e, f.At)
		return
	}
	g.batch.unseen.drop(e.ID)
	missing, asked := p.ids[e.ID]
	switch {
	case !asked:
		c.strayEvent(p, f.At)
		return
	case !missing:
		return // twice
	}
	p.ids[e.ID] = false
	if g.neg.verify {
		if s := g.batch.sample; s != nil {
			s.given = append(s.given, e)
		}
		return
	}
	if !readable {
		return
	}
	if !c.matches(g.timeless(), e) {
		c.strayEvent(p, f.At) // listed for a filter that it does not match
		return
	}
	g.neg.date(e)
	for _, x := range g.neg.ahead {
		if x.neg != nil && x.neg.lists(e.ID) {
			x.neg.date(e)
		}
	}
	if c.untouched(e, f.At) || !g.batch.once.first(e.ID) {
		return
	}
	p.delivered++
	c.deliverPaged(p, Delivery{
		Conn: c.o.ID, Source: c.o.URL, Batch: g.batch.id, Mode: Negentropy, Event: e, At: f.At,
	})
}

// date notes how old what the relay listed is.
func (r *reconciliation) date(e *event.Event) {
	if at := int64(e.CreatedAt); !r.dated || at < r.common {
		r.common, r.dated = at, true
	}
}

// lists reports an id that the relay listed and that was not ours.
func (r *reconciliation) lists(id event.ID) bool {
	_, ok := slices.BinarySearchFunc(r.needs, id, compareID)
	return ok
}

func (c *Conn) strayEvent(p *page, now time.Time) {
	c.o.Metrics.dropped(OffenceOffFilter)
	if p.foreign++; p.foreign >= maxForeign {
		c.cutOff(p, OffenceOffFilter, "events that were not asked for", now)
	}
}

// fetchEOSE ends a page of ids, or the check. What was asked for and did not come is asked again, alone at first: the relay may give
// fewer at a time than we asked for.
func (c *Conn) fetchEOSE(p *page, f Frame) {
	g := p.group
	p.ended = true
	c.closePage(p, true, f.At)
	if p.foreign > 0 {
		c.offendOnce(g, OffenceOffFilter)
	}
	if p.check {
		c.checked(g, f.At)
		return
	}
	r, l := g.neg, &c.neg.fetching
	missing := p.left()
	got := len(p.ids) - len(missing)
	if len(missing) <= p.unread {
		missing = nil // they came, and cannot be kept
	}
	r.served += got
	if got > 0 || len(missing) == 0 {
		r.barren = 0
	} else {
		r.barren++
	}
	switch {
	case l.probe == p:
		l.probe = nil
		if l.sure = got == 0; !l.sure {
			l.most = max(got, l.most, leastIDs)
			c.log.Debug("fewer ids at a time", zap.Int("most", l.most))
		}
		r.missing = append(r.missing, missing...)
	case len(missing) > 0 && got > 0 && !l.sure && l.most == 0 && l.probe == nil && l.wanted == nil:
		l.wanted, l.most = g, got
		r.fresh = append(missing, r.fresh...)
	default:
		r.missing = append(r.missing, missing...)
	}
	if r.barren >= maxBarren {
		r.missing = append(append(r.missing, r.fresh...), r.todo...)
		r.fresh, r.todo = nil, nil
	}
	c.advanceAll(f.At)
}

// left are the ids that have not come.
func (p *page) left() []event.ID {
	var out []event.ID
	for id, missing := range p.ids {
		if missing {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, compareID)
	return out
}

// fetchAgain puts back what a page was to fetch that the relay had no room for.
func (c *Conn) fetchAgain(p *page) {
	if c.neg.fetching.probe == p {
		c.neg.fetching.probe = nil
	}
	if r := p.group.neg; r != nil {
		r.fresh = append(p.left(), r.fresh...)
	}
}

// fetchFailed takes a page of ids, or the check, that was refused or not answered.
func (c *Conn) fetchFailed(p *page, why string, tell bool, now time.Time) {
	g := p.group
	c.closePage(p, tell, now)
	if p.check {
		g.neg.astray = true
		c.checked(g, now)
		return
	}
	r, l := g.neg, &c.neg.fetching
	if l.probe == p {
		l.probe = nil
	}
	c.log.Debug("fetch failed", zap.String("why", why))
	r.missing = append(r.missing, p.left()...)
	if r.failures++; r.failures >= maxFailures {
		r.missing = append(append(r.missing, r.fresh...), r.todo...)
		r.fresh, r.todo = nil, nil
	}
	c.advanceAll(now)
}

// leaveFetch forgets what a group wants of the connection.
func (c *Conn) leaveFetch(g *group) {
	l := &c.neg.fetching
	if l.wanted == g {
		l.wanted, l.most = nil, 0
	}
}

// dropReconciliation takes everything of a reconciliation off the wire.
func (c *Conn) dropReconciliation(g *group, now time.Time) {
	if s := c.neg.session; s != nil && s.group == g {
		c.endSession(now)
	}
	for p := range g.neg.pages {
		if c.neg.fetching.probe == p {
			c.neg.fetching.probe = nil
		}
		c.closePage(p, true, now)
	}
	c.leaveFetch(g)
	g.neg = nil
}
