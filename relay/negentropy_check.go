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
	case r.dated && (r.common <= 1 || f.Since != nil && r.common <= int64(*f.Since)):
	default:
		r.stage = negChecking
		return
	}
	c.complete(g)
}

// maxChecks is how many questions one check may take.
const maxChecks = 8

// below asks for one event older than all that was listed, or for as many as were listed and one more when nobody knows how old those
// are. A listed event that was in the works already shows its age only here: more are asked for below it each time.
func (r *reconciliation) below(f nostr.Filter, most int) nostr.Filter {
	f.Limit = r.listed + 1
	if r.dated {
		f.Limit = 1 << (3 * r.checks)
		until := nostr.Timestamp(r.common - 1)
		f.Until = &until
	}
	f.Limit = min(f.Limit, most)
	return f
}

// checkEvent takes the answer. An event that is never synced may be missing in one answer and not in the other.
func (c *Conn) checkEvent(p *page, e *event.Event, now time.Time) {
	r, f := p.group.neg, p.filters[0]
	switch {
	case !c.matches(p.group.timeless(), e):
		return
	case f.Until != nil && e.CreatedAt > *f.Until:
		r.astray = true
		return
	case !r.lists(e.ID) && untouchable(e, now) == "":
		r.capped = true
	}
	r.deeper = true
	r.date(e)
}

// checked ends the check, or goes on below what it has shown.
func (c *Conn) checked(g *group, now time.Time) {
	n, r := &c.neg, g.neg
	f := g.asked[0]
	deeper := r.deeper && (f.Since == nil || r.common > int64(*f.Since)) && r.common > 1
	r.deeper = false
	switch {
	case r.capped:
		c.fallBack(g, fallbackCapped)
		c.abstain(fallbackCapped, "capped: it has events that it does not list", now)
	case r.astray, deeper && r.checks >= maxChecks:
		c.fallBack(g, fallbackUnserved) // nobody knows whether all was listed
	case deeper:
		r.checks++
	default:
		n.checked[shapeOf(f)] = true
		n.proven = max(n.proven, r.listed)
		c.complete(g)
	}
}

// complete ends a group that was reconciled.
func (c *Conn) complete(g *group) {
	g.neg.stage, g.neg.needs = negDone, nil
	c.finish(g)
}
