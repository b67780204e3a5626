package relay

import (
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
)

// Each page of a filter says where the next one begins. From a relay that is far away that makes a page for each round trip, and the line is
// idle in between. There a filter with very many events is asked for in stretches of time, some of them at once.

// farAway is how long the line is idle at least before what comes from a relay that counts as far away.
const farAway = 20 * time.Millisecond

// line is what a connection has seen of the last time that it was idle, with a page under way.
type line struct {
	idle  time.Duration
	woke  time.Time // when something came
	whole bool      // a stretch has failed: no filter is divided any more
}

// heard takes the first frame of a page, and when the last frame of any other came.
func (l *line) heard(sent, last, now time.Time) {
	if idle := min(now.Sub(sent), now.Sub(last)); idle >= farAway {
		l.idle, l.woke = idle, now
	}
}

// divides reports that the line was idle for longer than it has been busy since, and that more could be asked than there is. A relay that has
// complained, or has not kept to the rules, gets no question beyond those that must be.
func (c *Conn) divides(g *group, now time.Time) bool {
	h := &c.history
	if h.line.whole || len(g.index) == 0 || g.batch.background || now.Sub(h.line.woke) >= h.line.idle {
		return false
	}
	if g.bad || g.cuts > 0 || h.eose.late || !c.limitedAt.IsZero() {
		return false
	}
	if _, ok := c.bucket.ready(now); !ok {
		return false
	}
	return c.live.onWire+c.neg.onWire()+h.open() < c.limits.Subscriptions
}

// open is how many groups have pages, or wait for them.
func (h *history) open() (n int) {
	for _, b := range h.batches {
		if !b.background {
			n += b.open
		}
	}
	return n
}

// divide has a group go on further below, and another one ask for what it leaves out.
func (c *Conn) divide(g *group) {
	var fs []nostr.Filter
	var index []int
	var above []int64
	for _, w := range g.pager.Divide() {
		fs, index, above = append(fs, w.Filter), append(index, g.index[w.Index]), append(above, w.Until)
	}
	if len(fs) == 0 {
		return
	}
	w := c.newGroup(g.batch, fs, index)
	w.pager.Continue(g.pager)
	w.above, w.answered = above, true
	b := g.batch
	b.groups = slices.Insert(b.groups, slices.Index(b.groups, g), w)
	b.open++
}

// forget takes a window that was answered in full out of its batch, but for its gaps: the groups below it say the rest of its filters. It
// reports false for one that has failed.
func (b *batchRun) forget(g *group) bool {
	ends := g.ends()
	switch {
	case g.above == nil:
		return true
	case slices.ContainsFunc(ends, func(e FilterEnd) bool { return e.Failed }):
		return false
	}
	for i, e := range ends {
		if e.Gap && !slices.Contains(b.gaps, g.index[i]) {
			b.gaps = append(b.gaps, g.index[i])
		}
	}
	b.groups = slices.DeleteFunc(b.groups, func(o *group) bool { return o == g })
	return true
}
