package relay

import (
	"fmt"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// resolve does what an answer of the own relay asks for (DESIGN §6, Answers). The work is not in flight any more.
func (c *core) resolve(w *work, answer class, reason string) {
	switch answer {
	case classStored:
		c.stored(w)
		c.conclude(w, Stored, reason)
	case classDuplicate:
		c.conclude(w, Stored, reason)
	case classHeld:
		c.hold(w, reason)
	case classSuperseded:
		c.conclude(w, Superseded, reason)
	case classDeleted:
		c.conclude(w, Tombstone, reason)
	case classOwnLimit:
		c.refuse(w, OwnLimit, answer, reason)
	case classPermanent:
		c.refuse(w, Rejected, answer, reason)
	case classLimited:
		c.limited(w, reason)
	case classAuth:
		c.unwelcome(w, reason)
	case classMissing:
		c.missing(w, reason)
	case classNotNow:
		c.notNow(w, reason)
	case classTransient:
		c.retry(w, reason)
	case classUnknown:
		c.doubt(w, reason)
	}
}

// stored counts an event that the own relay did not have before.
func (c *core) stored(w *work) {
	c.storedCount++
	c.o.Metrics.stored(w.mode)
	if t := w.finder(); t != nil {
		t.stored++
	}
	for _, t := range w.joins {
		if w.event.Kind == event.KindAnnouncement || event.IsRoot(w.event.Kind) {
			t.learned = append(t.learned, w.event.ID)
		}
	}
}

// finder is the tally that an event is counted in as new: of who brought it first, or of the live events of that relay when they
// brought it too. Nil when it came from the pending table.
func (w *work) finder() *tally {
	if len(w.joins) == 0 {
		return nil
	}
	first := w.joins[0]
	for _, t := range w.joins {
		if t.series.batch == 0 && t.series.conn == first.series.conn {
			return t
		}
	}
	return first
}

// conclude ends a work with a row of the ledger.
func (c *core) conclude(w *work, d Disposition, reason string) {
	if d == Stored {
		if by := c.buried(w.event); by != "" { // since it was sent
			d, reason = Tombstone, by
			c.tellDeleted(Deletion{Author: w.event.PubKey}, []event.ID{w.event.ID})
		}
	}
	o := offerAfter(c.now, d, w.offers)
	before := c.known[w.event.ID]
	c.know(w.event.ID, d)
	c.setOffer(w.event.ID, o)
	c.seq = c.o.Ledger.Record(Entry{Event: w.event, Disposition: d, Reason: reason, Source: w.source, At: c.now, Offer: o})
	if d == Tombstone {
		c.wakeDeletions(w.event.ID)
	}
	if d == Stored {
		c.accepted(w)
		c.noteTaken(acceptedEvent(w.event, w.refs))
		if addressed(w.event.Kind) {
			c.reoffer(w.event.Coordinate())
		}
	}
	c.enterBook(w.source, w.event.ID, before)
	if d == Irrelevant && w.event.Kind == event.KindAnnouncement {
		for _, t := range w.joins {
			t.outside++
		}
	}
	if w.row != nil {
		c.unpark(w.row)
	}
	c.close(w)
}

// park ends a work with a row of the pending table. The batch that brought it is settled by that. Without room for the row the
// event stays in the queue, and is judged again in a while.
func (c *core) park(w *work, p Waiting) {
	r := c.enrow(w, p)
	if r == nil {
		w.due = c.now.Add(storeRetry)
		if p.Due.After(w.due) {
			w.due = earliest(p.Due, c.now.Add(parkedBase))
		}
		c.delay(w)
		return
	}
	if r.cause.forRoom() {
		c.pool.lineUp(r)
	}
	c.close(w)
	c.trim()
}

// enrow gives a work a row of the pending table, or changes the one that it has; nil when the store has no room for it.
func (c *core) enrow(w *work, p Waiting) *row {
	p.Event, p.ID, p.Kind, p.Source, p.Size, p.Since = w.event, w.event.ID, w.event.Kind, w.source, w.event.Size, c.now
	switch {
	case p.Cause == CauseHeld:
	case w.isHeld() && (p.Cause == CauseRetry || p.Cause.forRoom()):
		p = w.stillHeld(c.now, p)
	default:
		p.Tries = w.tries
	}
	old := w.row
	had := old != nil && !old.gone
	if had && old.cause.forRoom() == p.Cause.forRoom() { // else it begins to wait for something of its own
		p.Since = old.since
	}
	if !had || !old.same(&p) {
		seq, taken := c.o.Ledger.Park(p)
		if !taken {
			return nil
		}
		c.seq = seq
	}
	if had {
		c.index(old).remove(p.ID, old.needs)
	}
	c.know(p.ID, parkedAs(p.Cause))
	r := c.pool.put(p)
	r.vouched, r.blame = r.vouched || w.vouched, w.blame
	c.index(r).add(p.ID, r.needs)
	if p.Cause.forRoom() {
		_, _, r.repo = w.lane()
		r.live = w.mode == Live
		r.behind = r.behind || w.stage == waiting
	}
	return r
}

// parkedAs is what the ledger says of a parked event.
func parkedAs(cause Cause) Disposition {
	if cause == CauseHeld {
		return Held
	}
	return Parked
}

// orphan parks an event until something that it references is accepted. Judging and parking happen in one step, so
// nothing can be accepted in between.
func (c *core) orphan(w *work, reason string) {
	if r := w.row; r != nil && !r.gone && r.cause == CauseParent {
		c.needs.add(r.id, r.needs) // still the same row
		c.close(w)
		return
	}
	c.park(w, Waiting{Cause: CauseParent, Needs: w.needs(), Reason: reason})
}

// missing handles a refusal that something which the event references could lift. When that was accepted after the event was
// sent, the refusal is out of date.
func (c *core) missing(w *work, reason string) {
	if w.lifted && w.tries+1 < maxTries {
		w.tries++
		w.stage = waiting
		c.again = append(c.again, w)
		return
	}
	c.park(w, Waiting{Cause: CauseParent, Needs: w.needs(), Reason: reason})
}

// notNow keeps an event that is dated ahead until its time.
func (c *core) notNow(w *work, reason string) {
	at := w.event.CreatedAt.Time()
	if at.Sub(c.now) > maxFuture {
		c.conclude(w, Rejected, fmt.Sprintf("dated more than 7 days ahead: %s", reason))
		return
	}
	due := at.Add(-c.o.FutureSkew)
	if soon := c.now.Add(futureMin); due.Before(soon) {
		due = soon
	}
	w.tries++
	c.park(w, Waiting{Cause: CauseFuture, Due: due, Reason: reason})
}

// retry tries again after a while: from the queue at first, then from the pending table.
func (c *core) retry(w *work, reason string) {
	w.tries++
	if w.tries < maxTries {
		w.due = c.now.Add(health.Doubled(retryBase, w.tries-1, retryMax))
		c.delay(w)
		return
	}
	due := c.now.Add(health.Doubled(parkedBase, w.tries-maxTries, parkedMax))
	c.park(w, Waiting{Cause: CauseRetry, Due: due, Reason: reason})
}

// doubt tries an event a few times more that is refused without a known reason. Time-outs and lost connections do not count among
// these: they say nothing of the event.
func (c *core) doubt(w *work, reason string) {
	if w.doubts++; w.doubts >= maxTries {
		c.refuse(w, Rejected, classUnknown, reason)
		return
	}
	w.due = c.now.Add(health.Doubled(retryBase, w.doubts-1, retryMax))
	c.delay(w)
}

// accepted makes known that the own relay has an event: to scope, and to what waited for it.
func (c *core) accepted(w *work) {
	e := w.event
	switch e.Kind {
	case event.KindAnnouncement:
		if a, err := w.parsed(); err == nil {
			c.announced([]*nip34.Announcement{a}, nil)
		}
		c.lift(c.needs.refs[e.Coordinate()])
	case event.KindState:
		c.replaced(e.Coordinate(), version{int64(e.CreatedAt), e.ID})
		c.lift(c.needs.refs[e.Coordinate()])
	case event.KindDeletion, event.KindVanish:
		c.bury(deletionOf(e))
	default:
		if event.IsAddressable(e.Kind) {
			c.inquire(inquest{Deletion: Deletion{Author: e.PubKey, Until: int64(e.CreatedAt), Refs: []event.Ref{e.Coordinate()}}, newer: e.ID})
		}
	}
	c.lift(c.needs.ids[e.ID])
}

// close ends a work: its places are free, its tallies count down, and what waited for it is judged again.
func (c *core) close(w *work) {
	w.stage = done
	delete(c.works, w.event.ID)
	c.queue.Remove(w.place)
	c.bytes -= w.event.Weight()
	c.withdraw(w)
	if w.row != nil {
		c.woken--
	}
	c.settle(w)
	c.again = append(c.again, w.waiters...)
	w.waiters = nil
}

// settle frees the places of a work, and counts down its tallies.
func (c *core) settle(w *work) {
	c.credit.free(w.spots.historic...)
	c.live -= len(w.spots.live)
	for _, s := range w.spots.live {
		s.live--
	}
	joins := w.joins
	w.spots, w.joins = spots{}, nil
	for _, t := range joins {
		t.open--
		t.seq = c.seq
		c.report(t.series)
	}
}

// know sets what is known of an id.
func (c *core) know(id event.ID, d Disposition) {
	if c.known[id] == Irrelevant {
		c.outside--
	}
	if d == Irrelevant {
		c.outside++
	}
	if refused(c.known[id]) && !refused(d) {
		delete(c.offers, id)
	}
	c.known[id] = d
	c.letGo(id, d)
}

// unknow forgets what was known of an id.
func (c *core) unknow(id event.ID) {
	if c.known[id] == Irrelevant {
		c.outside--
	}
	delete(c.known, id)
	delete(c.offers, id)
	c.letGo(id, Unknown)
}

// forget takes ids out of the ledger, so that they are judged afresh when they come again.
func (c *core) forget(ids ...event.ID) {
	for _, id := range ids {
		c.unknow(id)
	}
	c.seq = c.o.Ledger.Forget(ids)
}
