package sync

import "github.com/ngit-sync/ngit-sync/internal/event"

// chunker fills the groups of one batch.
type chunker struct {
	groups []*group
	max    int // groups
	per    int // values of one group
	sizes  map[*group]uint32
	last   map[kind]*group
}

func newChunker(groups, per int) *chunker {
	return &chunker{max: groups, per: per, sizes: map[*group]uint32{}, last: map[kind]*group{}}
}

// add takes a whole span or nothing.
func (c *chunker) add(k kind, w *want, s Span) bool {
	if k == askAnnouncements {
		c.groups = append(c.groups, &group{kind: k})
		return true
	}
	return c.take(k, w, s) == s.To-s.From
}

// take puts as much of the span as fits into one group and returns how much that was.
func (c *chunker) take(k kind, w *want, s Span) uint32 {
	g, room := c.group(k)
	if g == nil {
		return 0
	}
	n := min(s.To-s.From, room)
	c.sizes[g] += n
	g.items = append(g.items, item{w, Span{s.From, s.From + n}})
	return n
}

// takeIDs puts as many ids as fit into groups of their own and returns the rest.
func (c *chunker) takeIDs(k kind, ids []event.ID) []event.ID {
	for len(ids) > 0 {
		g, room := c.group(k)
		if g == nil {
			break
		}
		n := min(len(ids), int(room))
		c.sizes[g] += uint32(n)
		g.ids = append(g.ids, ids[:n]...)
		ids = ids[n:]
	}
	return ids
}

// takeKeys is takeIDs for authors of deletions.
func (c *chunker) takeKeys(keys []event.PubKey) []event.PubKey {
	for len(keys) > 0 {
		g, room := c.group(askDeletions)
		if g == nil {
			break
		}
		n := min(len(keys), int(room))
		c.sizes[g] += uint32(n)
		g.keys = append(g.keys, keys[:n]...)
		keys = keys[n:]
	}
	return keys
}

// group is one of the kind with room for values, nil when the batch is full. What is asked for as an ancestor is in scope whatever it is,
// so nothing else shares a batch with it.
func (c *chunker) group(k kind) (g *group, room uint32) {
	if len(c.groups) > 0 && (c.groups[0].kind == askLacks) != (k == askLacks) {
		return nil, 0
	}
	g = c.last[k]
	if g == nil || c.sizes[g] >= uint32(c.per) {
		if len(c.groups) >= c.max {
			return nil, 0
		}
		g = &group{kind: k}
		c.groups = append(c.groups, g)
		c.last[k] = g
	}
	return g, uint32(c.per) - c.sizes[g]
}
