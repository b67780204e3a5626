package sync

import (
	"time"

	"github.com/ngit-sync/ngit-sync/relay"
)

// pass goes over everything that is confirmed at a relay: with since after a short absence, without it once a day. It
// forgets nothing; what it finds incomplete stays in its failed batches.
type pass struct {
	since  time.Time // zero: everything
	wants  []*want   // as of its start
	first  bool      // layer 1 was asked
	at     int       // next want
	stage  kind      // next kind of that want
	from   uint32    // next number of that kind
	issued bool      // every batch has been made
	open   int       // batches that have not ended well
}

// startPass begins a pass, in place of an unfinished one of the same relay: since then lies at or before the older
// one's, so it covers what that one would have.
func (e *Engine) startPass(r *remote, since time.Time) {
	if r.pass != nil {
		if r.pass.since.IsZero() {
			r.full, r.nextFull = false, since // it is due again afterwards
		}
		e.dropPassBatches(r)
	}
	r.pass = &pass{since: since, stage: askStates, wants: r.sortedWants()}
	if since.IsZero() {
		r.full = true
	} else {
		r.passSince, r.unsafe = since, true
	}
	e.touch(r)
}

// dropPassBatches ends the batches of an unfinished pass.
func (e *Engine) dropPassBatches(r *remote) {
	for _, b := range r.openBatches() {
		if b.pass == r.pass {
			if r.phase.Open() {
				e.emit(Tell{r.conn, relay.CancelBatch{ID: b.ask}})
			}
			delete(e.asks, b.ask)
			delete(r.open, b)
		}
	}
	kept := r.waiting[:0]
	for _, b := range r.waiting {
		if b.pass == nil {
			kept = append(kept, b)
		}
	}
	r.waiting = kept
	r.pass = nil
}

// endPass records that a pass went over everything with success.
func (e *Engine) endPass(r *remote) {
	since := r.pass.since
	r.pass = nil
	if !since.IsZero() {
		r.passSince = time.Time{}
		if r.nextCursor.After(r.cursor) {
			r.cursor = r.nextCursor
		}
		r.nextCursor = time.Time{}
		r.unsafe = true
	}
}

// fill adds what the pass asks next to a batch, until the batch is full or the pass is issued.
func (p *pass) fill(c *chunker) {
	if !p.first {
		p.first = true
		c.add(askAnnouncements, nil, Span{})
	}
	for p.at < len(p.wants) {
		w := p.wants[p.at]
		if w.remote.wants[w.repo.ref] == w && !p.fillWant(c, w) {
			return
		}
		p.at, p.stage, p.from = p.at+1, askStates, 0
	}
	p.issued = true
}

// fillWant reports whether all of the want fitted.
func (p *pass) fillWant(c *chunker, w *want) bool {
	if p.stage == askStates {
		if w.states && !c.add(askStates, w, Span{0, 1}) {
			return false
		}
		p.stage = askCoords
	}
	if p.stage == askCoords {
		if !p.fillSpans(c, w, askCoords, w.coords.confirmed) {
			return false
		}
		p.stage, p.from = askRoots, 0
	}
	return p.fillSpans(c, w, askRoots, w.roots.confirmed)
}

func (p *pass) fillSpans(c *chunker, w *want, k kind, have Coverage) bool {
	for _, s := range have.Spans() {
		s.From = max(s.From, p.from)
		for s.From < s.To {
			n := c.take(k, w, s)
			if n == 0 {
				return false
			}
			s.From += n
			p.from = s.From
		}
	}
	return true
}

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
	g := c.last[k]
	if g == nil || c.sizes[g] >= uint32(c.per) {
		if len(c.groups) >= c.max {
			return 0
		}
		g = &group{kind: k}
		c.groups = append(c.groups, g)
		c.last[k] = g
	}
	n := min(s.To-s.From, uint32(c.per)-c.sizes[g])
	c.sizes[g] += n
	g.items = append(g.items, item{w, Span{s.From, s.From + n}})
	return n
}
