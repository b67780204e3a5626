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

// verify asks for the unseen of a batch by id, and reports whether there is anything to ask.
func (c *Conn) verify(b *batchRun) bool {
	u := b.unseen
	if u == nil || u.verified || b.abandoned || b.err != "" || len(u.ids) == 0 {
		return false
	}
	u.verified = true
	g := c.newGroup(b, []nostr.Filter{{}}, nil)
	g.neg = &reconciliation{stage: negFetching, verify: true, fetch: fetch{fresh: slices.SortedFunc(maps.Keys(u.ids), compareID)}}
	b.add(g)
	return true
}

// verified ends the asking, some of which brought nothing.
func (c *Conn) verified(g *group) {
	if g.neg.failures > 0 {
		g.batch.fail(errVerify.Error())
	}
	c.complete(g)
}
