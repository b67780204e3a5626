package relay

import (
	"errors"
	"maps"
	"slices"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// A batch that is compared finds out which ids of our side the relay does not have. Where a filter is reconciled those are few from the
// start: what is not listed. Where it is paged all of our side waits to be shown. What is left of both at the end is asked for by id, because a
// relay need not index every tag that a filter asks by; what does not come then either is absent.

// mostUnseen bounds what a batch remembers of our side, some 50 MB.
const mostUnseen = 1_000_000

var errVerify = errors.New("it does not answer which ids it has")

// unseen are ids of our side that the relay has not shown so far. A nil one takes none.
type unseen struct {
	ids      map[event.ID]struct{}
	verified bool // they were asked for by id
}

func (u *unseen) add(id event.ID) {
	if u != nil && len(u.ids) < mostUnseen {
		u.ids[id] = struct{}{}
	}
}

func (u *unseen) drop(id event.ID) {
	if u != nil {
		delete(u.ids, id)
	}
}

// absent are the ids that the relay does not have, sorted.
func (b *batchRun) absent() []event.ID {
	if b.unseen == nil || b.abandoned || b.err != "" {
		return nil
	}
	return slices.SortedFunc(maps.Keys(b.unseen.ids), compareID)
}

// withOurs gives those of some groups that are to be paged whose ids are noted; the others are paged when they are.
func (c *Conn) withOurs(groups []*group) []*group {
	if groups[0].batch.unseen == nil {
		return groups
	}
	var ready []*group
	for _, g := range groups {
		switch {
		case g.neg.noted:
			ready = append(ready, g)
		case !g.neg.paged:
			g.neg.paged, g.neg.set, g.neg.stage = true, nil, negLoading
			c.load([]*group{g})
		}
	}
	return ready
}

// verify asks for the unseen of a batch by id, or for what it doubts, and reports whether there is anything to ask.
func (c *Conn) verify(b *batchRun) bool {
	var ids map[event.ID]struct{}
	var asked *bool
	switch {
	case b.abandoned:
	case b.sample != nil && c.neg.off == "":
		ids, asked = b.sample.doubted, &b.sample.asked
	case b.unseen != nil && b.err == "":
		ids, asked = b.unseen.ids, &b.unseen.verified
	}
	if len(ids) == 0 || *asked {
		return false
	}
	*asked = true
	f := nostr.Filter{}
	if c.limits.StateKinds {
		f = stated(f)[0]
	}
	g := c.newGroup(b, []nostr.Filter{f}, nil)
	g.neg = &reconciliation{stage: negFetching, verify: true, fetch: fetch{fresh: slices.SortedFunc(maps.Keys(ids), compareID)}}
	b.add(g)
	return true
}

// verified ends the asking. What is asked for with kinds stated may be there and be of another kind.
func (c *Conn) verified(g *group) {
	switch b := g.batch; {
	case b.sample != nil:
		c.suspect(b)
	case len(g.neg.missing) > 0 && (g.neg.failures > 0 || c.history.refused.idsToo):
		b.fail(errVerify.Error())
	}
	c.complete(g)
}
