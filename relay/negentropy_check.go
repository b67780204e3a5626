package relay

import (
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// A store's query limit that holds for reconciliations too makes a relay list its newest events only, and say nothing. So the
// first reconciliation of a shape, and whichever lists at least as much as any before, is checked by one question below the
// oldest event that it listed. (As much as before may be just what the limit is.)

// fetched ends a group whose events are there, or has it checked.
func (c *Conn) fetched(g *group, now time.Time) {
	n, r := &c.neg, g.neg
	f := g.asked[0]
	if r.more {
		c.split(g, now)
		return
	}
	switch {
	case n.checked[shapeOf(f)] && (r.listed == 0 || r.listed < n.proven):
	case !r.dated && r.listed > idsPerREQ: // all of it was in the works already, which is rare: nobody knows how old it is
	case r.dated && (r.common <= 1 || f.Since != nil && r.common <= int64(*f.Since)):
	default:
		r.stage = negChecking
		return
	}
	c.complete(g)
}

// below asks for one event older than all that was listed. When nobody knows how old that is, it asks for one more than
// was listed.
func (r *reconciliation) below(f nostr.Filter) nostr.Filter {
	f.Limit = r.listed + 1
	if r.dated {
		f.Limit = 1
		until := nostr.Timestamp(r.common - 1)
		f.Until = &until
	}
	return f
}

// checkEvent takes the answer. An event that is never synced may be missing in one answer and not in the other.
func (c *Conn) checkEvent(p *page, e *event.Event, now time.Time) {
	r, f := p.group.neg, p.filters[0]
	switch {
	case f.Until != nil && e.CreatedAt > *f.Until, !c.matches(p.group.timeless(), e), untouchable(e, now) != "":
		return
	}
	if !r.lists(e.ID) {
		r.capped = true
	}
}

// checked ends the check.
func (c *Conn) checked(g *group, now time.Time) {
	n, r := &c.neg, g.neg
	if r.capped {
		c.fallBack(g, fallbackCapped)
		c.abstain(fallbackCapped, "capped: it has events that it does not list", now)
		return
	}
	n.checked[shapeOf(g.asked[0])] = true
	n.proven = max(n.proven, r.listed)
	c.complete(g)
}

// complete ends a group that was reconciled.
func (c *Conn) complete(g *group) {
	g.neg.stage, g.neg.needs = negDone, nil
	c.finish(g)
}
