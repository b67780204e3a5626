package relay

import (
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
)

// bare reports a filter that relays refuse which want kinds stated: it has none, or kind 1 among others.
func bare(f nostr.Filter) bool {
	return f.Kinds == nil || (len(f.Kinds) > 1 && slices.Contains(f.Kinds, nostr.KindTextNote))
}

// stated gives a bare filter as such relays take it, and kind 1 apart. Any other filter is returned alone.
func stated(f nostr.Filter) []nostr.Filter {
	if f.Kinds == nil || !bare(f) {
		return filters.WithKinds(f)
	}
	notes := f
	f.Kinds = slices.DeleteFunc(slices.Clone(f.Kinds), func(k int) bool { return k == nostr.KindTextNote })
	notes.Kinds = []int{nostr.KindTextNote}
	return []nostr.Filter{f, notes}
}

// states reports a filter whose kinds are to be stated here. One by ids is not, before it was refused: what it asks for may be of
// any kind.
func (c *Conn) states(f nostr.Filter) bool {
	return c.limits.StateKinds && bare(f) && (f.IDs == nil || c.history.refused.idsToo)
}

// barred takes a CLOSED whose prefix speaks of who asks, and reports whether there is more to be done. Relays that guard kind 1
// answer so to filters that may bring it: such a REQ is asked once more, and then with its kinds stated, until that was in
// vain on this connection.
func (c *Conn) barred(p *page, reason string, now time.Time) bool {
	g, r := p.group, &c.history.refused
	b, t := g.batch, g.trial
	if len(g.index) == 0 || b.extra >= maxExtra {
		return false
	}
	ids := slices.ContainsFunc(g.asked, func(f nostr.Filter) bool { return f.IDs != nil })
	hope := !r.inVain[ids] && slices.ContainsFunc(g.asked, func(f nostr.Filter) bool { return bare(f) && !r.since(shapeOf(f), 0) })
	switch {
	case !slices.ContainsFunc(g.asked, func(f nostr.Filter) bool { return !isNotes(f) }):
		return c.barredNotes(p, reason, now)
	case t != nil && g.plain != nil:
		r.inVain[ids] = r.inVain[ids] || t.barred
		return false
	case t != nil && hope:
		t.barred, t.reason = true, reason
		c.closePage(p, false, now)
		c.stateKinds(t, g)
	case t != nil:
		return false
	case b.trial != nil || g.limits != c.history.limits:
		b.extra++
		c.closePage(p, false, now) // it waits for what is found out, or was asked before it was
	case !hope:
		return false
	default:
		b.trial = &trial{batch: b, reason: reason, began: r.answers, open: 1, again: true, barred: true}
		g.trial = b.trial
		c.closePage(p, false, now)
	}
	return true
}

// stateKinds asks for the bare filters of a group with their kinds stated, and leaves the others for afterwards.
func (c *Conn) stateKinds(t *trial, g *group) {
	var plain, with, rest []nostr.Filter
	var index, others []int
	for i, f := range g.asked {
		if bare(f) {
			plain, with, index = append(plain, f), append(with, stated(f)[0]), append(index, g.index[i])
		} else {
			rest, others = append(rest, f), append(others, g.index[i])
		}
	}
	part := c.newGroup(t.batch, with, index)
	part.plain = plain
	c.part(t, g, part)
	if len(rest) > 0 {
		t.batch.add(c.newGroup(t.batch, rest, others))
	}
}

// barredNotes handles filters for kind 1 alone. Where the same lists are taken with other kinds, it is kind 1 that is not given:
// the first group of a connection is asked once more for that, behind the others of its batch.
func (c *Conn) barredNotes(p *page, reason string, now time.Time) bool {
	g, r := p.group, &c.history.refused
	t, others := g.trial, true
	for _, f := range g.asked {
		shape, with := shapeOf(f), f
		with.Kinds = []int{nostr.KindReaction}
		if r.since(shape, 0) {
			return false
		}
		others = others && r.since(shapeOf(with), 0)
	}
	aside := others && (g.again || t != nil || r.guarded)
	if g.again && !aside {
		return false
	}
	c.closePage(p, false, now)
	g.again, g.trial = true, nil
	if aside {
		for _, f := range g.asked {
			r.giveUp(shapeOf(f))
		}
		c.setAside(g, reason)
	}
	if t != nil {
		t.open--
		t.spoiled = true
		c.judge(t)
	}
	return true
}

// unanswered reports groups that have shown nothing yet, but for those that wait for the others.
func (b *batchRun) unanswered() bool {
	return slices.ContainsFunc(b.groups, func(g *group) bool { return !g.over && !g.answered && !g.again && !g.suspect })
}

// refusedIDs takes a CLOSED for a REQ that fetches by ids, and reports whether there is more to be done: a relay that wants kinds stated may
// want them here too. What is fetched has those of the filter that listed it.
func (c *Conn) refusedIDs(p *page, reason string, now time.Time) bool {
	r := &c.history.refused
	switch {
	case p.ids == nil || prefixOf(reason) == rateLimited:
		return false
	case p.filters[0].Kinds != nil:
		r.inVain[true] = r.inVain[true] || !r.idsTaken
		r.idsToo = !r.inVain[true]
		return false
	case !c.limits.StateKinds || p.group.asked[0].Kinds == nil || r.inVain[true]:
		return false
	}
	r.idsToo = true
	c.closePage(p, false, now)
	c.fetchAgain(p)
	return true
}
