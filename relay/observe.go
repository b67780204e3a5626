package relay

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// Observed is what the own relay says it holds: the truth that scope rests on.
type Observed struct {
	Announcements []*nip34.Announcement // it has these, in scope or not
	Gone          []event.Ref           // it has no announcement under these any more
	Stored        []*event.Event        // it has these: roots
	Deletions     []*event.Event        // and these, by which something is a tombstone
	Loaded        bool                  // the first picture is complete with this
}

// observed takes facts of the own relay. Our own OKs have the same effect, at once.
func (c *core) observed(now time.Time, o Observed) {
	c.now = now
	for _, e := range o.Deletions {
		c.seen(e.ID)
		if e.Kind == event.KindDeletion || c.o.Rules.Vanishes(e) {
			c.bury(deletionOf(e))
		}
	}
	have := slices.DeleteFunc(slices.Clone(o.Announcements), func(a *nip34.Announcement) bool {
		_, gone := c.graves.covers(a.Event)
		return gone
	})
	c.announced(have, o.Gone)
	for _, a := range have {
		c.lift(c.needs.refs[a.Ref])
		if c.known[a.ID] != Stored {
			c.reoffer(a.Ref)
		}
		c.shown(a.Event, c.scope.index.Covers(a.Ref))
	}
	for _, e := range o.Stored {
		c.shown(e, c.related(e.References()))
	}
	if o.Loaded && !c.loaded {
		c.loaded = true
		c.pool.sweepAt = time.Time{}
		for e := c.queue.Front(); e != nil; e = e.Next() {
			if w := e.Value.(*work); w.stage == shelved {
				c.again = append(c.again, w)
			}
		}
	}
	c.pump()
}

// announced takes announcements that the own relay has, and forgets those that it has no longer.
func (c *core) announced(have []*nip34.Announcement, gone []event.Ref) {
	joined := c.scope.accept(have, gone)
	for _, a := range have {
		if c.scope.index.Covers(a.Ref) {
			c.replaced(a.Ref, version{a.CreatedAt, a.ID})
		}
	}
	c.joined(joined)
}

// shown takes an event that the own relay has. What is in scope and came to it without us is recorded: a deletion of it must find it.
func (c *core) shown(e *event.Event, ours bool) {
	before, open := c.known[e.ID], c.works[e.ID] != nil
	c.seen(e.ID)
	if ours && !open && (before == Unknown || before == Irrelevant) {
		c.seq = c.o.Ledger.Record(Entry{Event: e, Disposition: Stored, Reason: "on the own relay", Source: c.o.Own, At: c.now})
	}
}

// seen notes that the own relay has an event. What is queued for it is not sent any more.
func (c *core) seen(id event.ID) {
	before := c.known[id]
	c.know(id, Stored)
	c.lift(c.needs.ids[id])
	if w := c.works[id]; w != nil {
		switch w.stage {
		case waiting, ready, delayed, suspect:
			c.conclude(w, Stored, "on the own relay")
		default: // it is on its way, or judged soon
		}
		return
	}
	switch before {
	case Parked:
		if r := c.pool.rows[id]; r != nil {
			c.pool.wake(r) // its row goes when it has been read, without being sent
		}
	case Held, Rejected, OwnLimit:
		c.confirm(id)
	default:
	}
}

// joined takes note of coordinates that belong to accepted repos from now on. What was parked for them is woken; their
// announcements and states that were irrelevant are forgotten, so that they are new when they come again.
func (c *core) joined(refs []event.Ref) {
	for _, ref := range refs {
		c.lift(c.needs.refs[ref])
		c.lift(c.needs.refs[event.Ref{Kind: event.KindState, PubKey: ref.PubKey, D: ref.D}])
	}
	if c.outside > 0 {
		c.lookups = append(c.lookups, refs...)
	}
}

// lift tells events that something they need has been accepted: those in the pending table are woken, those in flight
// remember it for the case that they are refused.
func (c *core) lift(waiters map[event.ID]struct{}) {
	for id := range waiters {
		if w := c.works[id]; w != nil {
			w.lifted = true
		} else if r := c.pool.rows[id]; r != nil {
			c.pool.lift(r)
		}
	}
}

func (c *core) wantsStore() bool {
	return (!c.reading && c.wantsRows()) || (!c.looking && len(c.lookups) > 0) ||
		(!c.askingAuthors && len(c.unasked) > 0) || (!c.inquiring && len(c.inquests) > 0)
}

// askStore reads what is wanted of the store, one question of each sort at a time.
func (c *core) askStore() {
	if c.now.Before(c.readAt) {
		return
	}
	if !c.reading {
		if ids := c.takeRows(); len(ids) > 0 {
			c.reading = true
			c.do(readWaiting{ids})
		}
	}
	if !c.looking && len(c.lookups) > 0 {
		c.looking = true
		c.do(readIrrelevant{c.lookups[0]})
	}
	c.askLedger()
}

// read brings rows of the pending table. What was accepted while they were read is known by now, and judged by.
func (c *core) read(now time.Time, ids []event.ID, rows []Waiting, err error) {
	c.now = now
	c.reading = false
	defer c.pump()
	if err != nil {
		c.storeFailed("pending events cannot be read", err)
		for _, id := range ids {
			if r := c.pool.rows[id]; r != nil {
				r.woken = false
				c.pool.wake(r)
			}
		}
		return
	}
	for _, p := range rows {
		if r := c.pool.rows[p.ID]; r != nil && r.woken && p.Event != nil && c.works[p.ID] == nil {
			c.revive(r, p)
		}
	}
	for _, id := range ids {
		switch r := c.pool.rows[id]; {
		case r == nil || !r.woken:
		case c.works[id] != nil:
			r.woken = false // it is in the queue already
		default:
			c.evict(r) // the store does not have it any more
		}
	}
}

// revive puts an event of the pending table into the queue.
func (c *core) revive(r *row, p Waiting) {
	r.woken = false
	mode := Historic
	if r.live {
		mode = Live
	}
	w := &work{
		event: p.Event, mode: mode, source: p.Source, at: c.now, row: r, refs: refsOf(p.Event), stage: shelved,
		vouched: r.vouched, blame: r.blame,
	}
	switch r.cause {
	case CauseParent:
	case CauseHeld: // it was found in scope before it was parked
		w.vouched = true
	default:
		w.tries = r.tries
		w.vouched = w.vouched || !r.unjudged()
	}
	c.pool.unroom(r)
	w.waiters, r.waiters = r.waiters, nil
	for _, x := range w.waiters {
		x.on = &w.waiters
	}
	c.woken++
	c.enter(w)
	if c.loaded {
		c.again = append(c.again, w)
	}
}

// found brings the irrelevant events of a coordinate.
func (c *core) found(now time.Time, ids []event.ID, err error) {
	c.now = now
	c.looking = false
	defer c.pump()
	if err != nil {
		c.storeFailed("irrelevant events cannot be read", err)
		return
	}
	c.lookups = c.lookups[1:]
	var out []event.ID
	for _, id := range ids {
		if c.known[id] == Irrelevant {
			out = append(out, id)
		}
	}
	if len(out) > 0 {
		c.forget(out...)
	}
}

func (c *core) storeFailed(what string, err error) {
	c.readAt = c.now.Add(storeRetry)
	c.log.Warn("store cannot be read", zap.String("what", what), zap.Error(err))
}

// trim keeps the pending table within its bounds.
func (c *core) trim() {
	for r := c.pool.excess(c.now, &c.o); r != nil; r = c.pool.excess(c.now, &c.o) {
		c.evict(r)
	}
}

// evict gives a parked event up. It is not known any more, so a later pass fetches it again.
func (c *core) evict(r *row) {
	c.unpark(r)
	if d := c.known[r.id]; d == Parked || d == Held {
		c.unknow(r.id)
	}
}

// unpark takes a row off the pending table.
func (c *core) unpark(r *row) {
	if r.gone {
		return
	}
	if w := c.works[r.id]; r.cause == CauseHeld || w == nil || w.stage != flying {
		c.index(r).remove(r.id, r.needs) // in flight it still waits to hear of them
	}
	c.pool.remove(r)
	c.again = append(c.again, r.waiters...)
	r.waiters = nil
	c.seq = c.o.Ledger.Unpark(r.id)
}

// load fills a new core with what the store knows. A parked event whose need was met just before the last end is woken.
func (c *core) load(known func(yield func(event.ID, Disposition)), rows []Waiting, graves []Grave) {
	if gone := c.graves.load(graves); len(gone) > 0 {
		c.seq = c.o.Ledger.Exhume(gone)
	}
	known(func(id event.ID, d Disposition) {
		if d != Irrelevant { // these come by themselves, in order and with their sources
			c.know(id, d)
		}
	})
	c.pool.load(rows)
	for _, p := range rows {
		c.know(p.ID, parkedAs(p.Cause))
	}
	for _, p := range rows {
		r := c.pool.rows[p.ID]
		c.index(r).add(r.id, r.needs)
		if c.metBefore(r) {
			c.pool.lift(r)
		}
	}
}

// metBefore reports rows that wait for nothing that is still to come.
func (c *core) metBefore(r *row) bool {
	for _, id := range r.needs.IDs {
		if d := c.known[id]; d == Stored || d == Held || (d == Tombstone && r.deletes != nil) {
			return true
		}
	}
	return false
}
