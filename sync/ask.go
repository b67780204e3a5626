package sync

import (
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/relay"
)

// planBatches asks what comes next, as long as the connection has fewer than OpenBatches unanswered: batches that
// wait, layer 1, the difference wanted - pending - confirmed, ancestors, then the running pass. The daily pass, which
// may take hours, and rotations have places of their own.
func (e *Engine) planBatches(r *remote, now time.Time) {
	if r.limited(now) {
		return
	}
	for {
		daily := r.askingDaily()
		front, back := r.asking()-daily < e.cfg.OpenBatches, daily < e.cfg.OpenBatches
		b := r.nextWaiting(now, front, back)
		if b == nil && front {
			b = e.nextAnnounced(r, now)
		}
		if b == nil && front {
			b = e.nextDifference(r)
		}
		if b == nil && front {
			b = e.nextAncestors(r)
		}
		if b == nil && front {
			b = e.nextOfPass(r, r.look, now)
		}
		if b == nil && front {
			b = e.nextOfPass(r, r.pass, now)
		}
		if b == nil && back {
			b = e.nextOfPass(r, r.daily, now)
		}
		if b == nil {
			break
		}
		e.ask(b, now)
	}
	for _, x := range []*rotation{&r.heat, &r.warmth} {
		for x.pass != nil && x.pass.open == 0 {
			b := e.nextOfPass(r, x.pass, now)
			if b == nil {
				break
			}
			e.ask(b, now)
		}
	}
}

// nextWaiting takes the first batch that was cut off, or failed and is due.
func (r *remote) nextWaiting(now time.Time, front, back bool) *batch {
	for i, b := range r.waiting {
		if room := (b.ofDaily() && back) || (!b.ofDaily() && front); room && !b.retryAt.After(now) {
			r.waiting = append(r.waiting[:i:i], r.waiting[i+1:]...)
			return b
		}
	}
	return nil
}

// nextDifference makes a batch of what has never been asked.
func (e *Engine) nextDifference(r *remote) *batch {
	c := newChunker(e.cfg.BatchChunks, e.cfg.TagsPerFilter)
	if !r.announcementsAsked {
		c.add(askAnnouncements, nil, Span{})
	}
	for len(r.todo) > 0 {
		w := r.todo[0]
		switch wanted := r.wants[w.repo.ref] == w; {
		case wanted && !w.repo.surveyed: // unlike when it was queued, or after a long absence
			r.unread[w] = true
		case wanted && !fillMissing(c, w):
			return e.newBatch(r, c, nil)
		}
		w.queued = false
		r.todo = r.todo[1:]
	}
	r.todo = nil
	return e.newBatch(r, c, nil)
}

// fillMissing reports whether all that the want lacks fitted, and marks as asked what did.
func fillMissing(c *chunker, w *want) bool {
	if !w.statesAsked {
		if !c.add(askStates, w, Span{0, 1}) {
			return false
		}
		w.statesAsked = true
	}
	if !w.listed {
		return true
	}
	return fillProgress(c, w, askCoords, &w.coords, len(w.repo.coords)) &&
		fillProgress(c, w, askRoots, &w.roots, len(w.repo.roots))
}

func fillProgress(c *chunker, w *want, k kind, p *progress, total int) bool {
	for _, s := range p.asked.Missing(uint32(total)) {
		for s.From < s.To {
			n := c.take(k, w, s)
			if n == 0 {
				return false
			}
			p.asked.Add(Span{s.From, s.From + n})
			s.From += n
		}
	}
	return true
}

func (e *Engine) nextOfPass(r *remote, p *pass, now time.Time) *batch {
	if p == nil || p.issued {
		return nil
	}
	c := p.partial
	if p.partial = nil; c == nil {
		c = newChunker(e.cfg.BatchChunks, e.cfg.TagsPerFilter)
	}
	e.fill(p, c, r, now)
	if p.waits(now) {
		p.partial = c
		return nil
	}
	b := e.newBatch(r, c, p)
	if b == nil {
		if p.issued && p.open == 0 {
			e.endPass(r, p)
		}
		return nil
	}
	p.open++
	b.since = p.since
	return b
}

func (e *Engine) newBatch(r *remote, c *chunker, p *pass) *batch {
	if len(c.groups) == 0 {
		return nil
	}
	e.lastSaved++
	b := &batch{number: e.lastSaved, remote: r, groups: c.groups, pass: p, wanted: c.groups[0].kind == askLacks}
	b.claim()
	return b
}

// ask puts a batch to the connection. A batch with nothing left to ask has ended.
func (e *Engine) ask(b *batch, now time.Time) {
	r := b.remote
	e.prune(b)
	if b.started.IsZero() || !b.settledAny() {
		b.started, b.head = now, false
	}
	fs, slots := e.question(b)
	if len(fs) == 0 {
		e.finish(b)
		return
	}
	e.lastBatch++
	b.ask = e.lastBatch
	e.asks[b.ask] = &ask{batch: b, slots: slots, started: b.started}
	r.open[b] = true
	e.emit(Tell{r.conn, relay.AskBatch{Batch: relay.Batch{
		ID: b.ask, Filters: fs, Mode: relay.Historic, Background: b.pass != nil && b.pass.background(), Wanted: b.wanted,
		Sample: b.pass != nil && b.pass.samples,
	}}})
}

// settle takes in how far an ask has got, confirms the groups that are complete and stores the resume point.
func (e *Engine) settle(a *ask, s relay.Settled, now time.Time) {
	b := a.batch
	r := b.remote
	late := b.ask != s.Batch // an older connection's: what came after it is not in it
	for i, end := range s.Filters {
		if i >= len(a.slots) {
			break
		}
		sl := a.slots[i]
		if sl.part >= len(sl.group.parts) {
			continue
		}
		p := &sl.group.parts[sl.part]
		ok := end.Done && !end.Failed
		switch {
		case sl.head:
			p.headDone = p.headDone || (ok && !late)
		case ok:
			p.done = true
		case end.Until > 0 && (p.until == 0 || end.Until < p.until):
			p.until = end.Until
		}
	}
	head := b.head
	if late && !b.ended && b.settledAny() {
		b.head, b.started = true, earliest(a.started, b.started)
		head = head || r.phase.Open() // else the pass of the next connection closes the gap of what is confirmed now
	}
	e.weigh(b, s, now)
	kept := b.groups[:0]
	for _, g := range b.groups {
		if !g.complete(head) || e.stale(g, r) {
			kept = append(kept, g)
			continue
		}
		if b.pass == nil {
			e.persist(b.confirm(g)...)
			if at := earliest(a.started, b.started); r.polled || r.overflows() {
				r.heat.goBack(at)
				r.warmth.goBack(at)
				r.unsafe = true
			}
		}
	}
	b.groups = kept
	r.credit(s.New, now)
	if b.catchesUp(a) {
		e.metrics.gap(r.url, s.New)
	}
	e.await(r, s.Learned)
	if s.Final || s.New > 0 {
		r.lastSettled = now
	}
	if len(b.groups) == 0 && b.ask != s.Batch && !b.ended {
		// a late answer of an older connection completed it
		if b.ask != 0 {
			e.emit(Tell{r.conn, relay.CancelBatch{ID: b.ask}})
			delete(e.asks, b.ask)
		}
		e.finish(b)
		return
	}
	if b.kept() && !s.Final && !b.ended && b.settledAny() {
		b.saved = true
		e.persist(b.row())
	}
}

// catchesUp reports a batch that goes over what was confirmed and is asked live: not one of a rotation, which polls what is not live,
// and not one about replies to replies, deletions or ancestors, which are never live as such.
func (b *batch) catchesUp(a *ask) bool {
	if b.pass == nil || (b.pass.kind != catchUp && b.pass.kind != daily) {
		return false
	}
	return !slices.ContainsFunc(a.slots, func(s slot) bool { return s.group.kind > askRoots })
}

// finish ends a batch that has nothing left to ask.
func (e *Engine) finish(b *batch) {
	r := b.remote
	b.ask, b.ended = 0, true
	delete(r.open, b)
	if b.saved {
		e.persist(DropBatch{Relay: r.url, Number: b.number})
	}
	for i, w := range r.waiting {
		if w == b {
			r.waiting = append(r.waiting[:i:i], r.waiting[i+1:]...)
			break
		}
	}
	e.metrics.batch("ok")
	e.passBatchEnded(b)
	e.touch(r)
}

func (e *Engine) passBatchEnded(b *batch) {
	r := b.remote
	p := b.pass
	if p == nil || *r.slot(p.kind) != p {
		return
	}
	p.open--
	if p.issued && p.open == 0 {
		e.endPass(r, p)
	}
}

// failed puts what did not end of a batch aside until its retry.
func (e *Engine) failed(b *batch, result, why string, now time.Time) {
	r := b.remote
	b.ask = 0
	delete(r.open, b)
	if b.rotates() { // the next one asks for it
		b.ended, b.pass.failed = true, true
		r.lastNote = why
		e.passBatchEnded(b)
		e.touch(r)
		return
	}
	b.err = why
	b.retryAt = now.Add(health.Doubled(e.cfg.RetryBase, b.attempt, e.cfg.RetryMax))
	b.attempt++
	r.waiting = append(r.waiting, b)
	if b.kept() {
		b.saved = true
		e.persist(b.row())
	}
	e.metrics.batch(result)
	r.lastNote = why
	e.touch(r)
}

// again puts a batch that was answered in full, and has more to ask since, in front of those that wait.
func (e *Engine) again(b *batch) {
	r := b.remote
	b.ask, b.retryAt = 0, time.Time{}
	delete(r.open, b)
	r.waiting = slices.Insert(r.waiting, 0, b)
	if b.kept() {
		b.saved = true
		e.persist(b.row())
	}
	e.touch(r)
}

// suspend keeps the unfinished batches of a connection that ended: they go on where they settled, and look again at
// what came after their start.
func (e *Engine) suspend(r *remote) {
	for _, p := range r.passes() {
		e.dropPass(r, p)
	}
	cut := r.openBatches()
	clear(r.open)
	for _, b := range cut {
		b.ask, b.retryAt = 0, time.Time{}
	}
	r.waiting = append(cut, r.waiting...)
	for _, b := range r.waiting {
		b.retryAt = time.Time{}
		if b.settledAny() {
			b.lookAgain()
		}
	}
}

// lookAgain makes a batch that was cut off ask for what came after its start, from the top.
func (b *batch) lookAgain() {
	b.head = true
	for _, g := range b.groups {
		for i := range g.parts {
			g.parts[i].headDone = false
		}
	}
}
