package relay

import (
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

var errWithheld = errors.New("the relay lists events that it does not give")

// unserved are ids of a filter that were listed and not given. Any of them in a page of the filter shows that it can be got.
type unserved struct {
	ids   []event.ID // sorted
	found bool
}

// unserved pages a filter of which ids were listed and not given. Only if that brings none of them either the filter has failed.
func (c *Conn) unserved(g *group) {
	b, at := g.batch, g.index[0]
	if b.unserved == nil {
		b.unserved = map[int]*unserved{}
	}
	u := b.unserved[at]
	if u == nil {
		u = &unserved{}
		b.unserved[at] = u
	}
	u.ids = append(u.ids, g.neg.missing...)
	slices.SortFunc(u.ids, compareID)
	c.log.Debug("listed and not given", zap.Int("ids", len(g.neg.missing)))
	c.leaveFetch(g)
	c.fallBack(g, fallbackUnserved)
}

// found notes an event of a page that had been listed and not given.
func (b *batchRun) found(g *group, id event.ID) {
	for _, at := range g.index {
		if u := b.unserved[at]; u != nil && !u.found {
			_, u.found = slices.BinarySearchFunc(u.ids, id, compareID)
		}
	}
}

// withheld reports a filter of which nothing came that had been listed.
func (b *batchRun) withheld(at int) bool {
	u := b.unserved[at]
	return u != nil && !u.found
}
