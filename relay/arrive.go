package relay

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// deliver takes one event from a connection.
func (c *core) deliver(now time.Time, d Delivery) {
	c.now = now
	if d.Batch != 0 {
		c.credit.spend(d.Conn)
	}
	t := c.tallies.current(d.Conn, d.Batch)
	t.series.source = d.Source
	c.admit(d, t)
	c.pump()
}

// admit decides on a delivery that nothing has been counted for yet but its place in the historic queue.
func (c *core) admit(d Delivery, t *tally) {
	e := d.Event
	if reason := untouchable(e, c.now); reason != "" {
		if reason == dropExpired {
			c.expired(e)
		}
		c.dropped(d, reason)
		return
	}
	if e.Kind == event.KindAnnouncement {
		t.announcements++
	}
	if disposition, ok := c.knows(e.ID); ok {
		if !c.reopened(d, disposition) {
			if e.Kind == event.KindAnnouncement && disposition == Irrelevant {
				t.outside++
			}
			t.seq = c.seq // its row was given to the ledger at some time before
			c.vacate(d)
			return
		}
		c.forget(e.ID)
	}
	if w := c.works[e.ID]; w != nil {
		c.join(w, d, t)
		return
	}
	d.Wide = d.Wide && !addressed(e.Kind) // these are judged by their own coordinate
	if d.Wide && c.loaded && c.stray(refsOf(e)) {
		c.dropped(d, dropForeign)
		c.countForeign(d.Conn)
		return
	}
	if c.crowded(d, t) {
		return
	}
	c.begin(d, t)
}

// reopened reports whether the outcome of a known event does not hold any more: its author has joined a maintainer set
// since it was irrelevant, or it is asked for now. Asked for, a parked event is taken up from the pending table.
func (c *core) reopened(d Delivery, disposition Disposition) bool {
	e := d.Event
	switch {
	case addressed(e.Kind):
		return disposition == Irrelevant && c.scope.index.Covers(e.Coordinate())
	case d.Wanted && disposition == Parked:
		c.vouch(e.ID)
	}
	return d.Wanted && disposition == Irrelevant
}

// untouchable gives the reason why an event is never synced, empty when it may be (DESIGN §5). It needs no record: the
// event itself says so.
func untouchable(e *event.Event, now time.Time) string {
	switch {
	case event.NeverSynced(e.Kind):
		return dropKind
	case e.Protected():
		return dropProtected
	case e.Expired(now):
		return dropExpired
	}
	return ""
}

// crowded makes room for a live event, and drops it when there is none in the pending table either. Its connection's cursor stays before
// it then. A connection gets as much of the live queue as is left free beside it, so a flood over one leaves room for the others.
func (c *core) crowded(d Delivery, t *tally) bool {
	s := t.series
	full := func() bool { return c.live+s.live >= c.o.LiveEvents || c.bytes >= 2*c.o.QueueBytes }
	if d.Batch != 0 || !full() {
		return false
	}
	if !c.now.Before(c.spillAt) {
		p := pressure{live: max(c.o.LiveEvents/4, 1)}
		if over := c.bytes - 2*c.o.QueueBytes; over >= 0 {
			p.bytes = over + c.o.QueueBytes/2
		}
		if c.spillMost(p) == 0 {
			c.spillAt = c.now.Add(spillAgain)
		}
	}
	if !full() {
		return false
	}
	if !s.broken {
		s.broken = true
		c.log.Warn("live events are dropped, the queue is full", zap.String("relay", string(d.Source)))
	}
	c.dropped(d, dropFull)
	return true
}

func (c *core) dropped(d Delivery, reason string) {
	c.o.Metrics.dropped(reason)
	c.vacate(d)
}

// vacate gives up the place of a delivery that no event takes up.
func (c *core) vacate(d Delivery) {
	if d.Batch != 0 {
		c.credit.free(d.Conn)
	}
}

// occupy counts the place of a delivery that stays until the outcome of w.
func (c *core) occupy(w *work, d Delivery, s *series) {
	if d.Batch != 0 {
		w.spots.historic = append(w.spots.historic, d.Conn)
		return
	}
	w.spots.live = append(w.spots.live, s)
	s.live++
	c.live++
}

// quit takes the place of one delivery off a work that goes on without it.
func (c *core) quit(w *work, d Delivery, s *series) {
	if d.Batch != 0 {
		i := slices.Index(w.spots.historic, d.Conn)
		w.spots.historic = slices.Delete(w.spots.historic, i, i+1)
		return
	}
	i := slices.Index(w.spots.live, s)
	w.spots.live = slices.Delete(w.spots.live, i, i+1)
	s.live--
	c.live--
}

// join makes a delivery wait for the outcome of the work on its id. Before the signature of that is checked, another
// signature is a rival: who sent a false one must not decide about the true one.
func (c *core) join(w *work, d Delivery, t *tally) {
	if w.stage == verifying && w.event.Sig != d.Event.Sig {
		if c.crowded(d, t) {
			return
		}
		t.open++
		c.occupy(w, d, t.series)
		c.bytes += d.Event.Weight()
		w.rivals = append(w.rivals, rival{d, t})
		return
	}
	w.regard(d)
	for _, joined := range w.joins {
		if joined == t {
			c.vacate(d)
			return
		}
	}
	t.open++
	if d.Batch != 0 {
		w.spots.historic = append(w.spots.historic, d.Conn) // the place was asked for; a live event that joins takes none
	}
	w.joins = append(w.joins, t)
}

// regard notes how one more delivery came.
func (w *work) regard(d Delivery) {
	w.vouched = w.vouched || d.Wanted
	w.wide = w.wide && d.Wide
}

// begin starts the work on an id.
func (c *core) begin(d Delivery, t *tally) {
	w := &work{
		event: d.Event, mode: d.Mode, source: d.Source, at: d.At, joins: []*tally{t}, vouched: d.Wanted, wide: d.Wide,
		offers: c.offered(d.Event.ID),
	}
	t.open++
	c.occupy(w, d, t.series)
	c.enter(w)
	c.do(verify{event: w.event, source: d.Source, live: d.Batch == 0})
}

func (c *core) enter(w *work) {
	c.arrivals++
	w.n = c.arrivals
	w.place = c.queue.PushBack(w)
	c.works[w.event.ID] = w
	if c.agedAt.IsZero() {
		c.agedAt = c.now.Add(spillAge)
	}
	c.bytes += w.event.Weight()
	if addressed(w.event.Kind) {
		ref := w.event.Coordinate()
		c.versions[ref] = append(c.versions[ref], w)
		if ref.Kind == event.KindAnnouncement {
			c.repos[ref.D] = append(c.repos[ref.D], w)
		}
	}
}

// verified brings the result of a check of e's signature.
func (c *core) verified(now time.Time, e *event.Event, ok bool) {
	c.now = now
	w := c.works[e.ID]
	if w == nil || w.stage != verifying || w.event != e {
		return // concluded meanwhile
	}
	if ok {
		w.stage = shelved
		w.refs = refsOf(e)
		for _, r := range w.rivals {
			c.bytes -= r.delivery.Event.Weight()
			w.regard(r.delivery)
			w.joins = append(w.joins, r.tally)
		}
		w.rivals = nil
		if c.loaded {
			c.again = append(c.again, w)
		}
	} else {
		c.forged(w)
	}
	c.pump()
}

// forged ends the work on an id whose signature is false, charges who sent it, and begins anew with the next rival.
func (c *core) forged(w *work) {
	counted := make(map[ConnID]bool, 1)
	for _, t := range w.joins {
		c.o.Metrics.dropped(dropSignature)
		if conn := t.series.conn; !counted[conn] {
			counted[conn] = true
			c.o.Relays.offence(t.series.source, OffenceSignature)
			c.charge(t.series)
		}
	}
	rivals := w.rivals
	w.rivals = nil
	for _, r := range rivals {
		c.bytes -= r.delivery.Event.Weight()
		c.quit(w, r.delivery, r.tally.series)
	}
	c.close(w)
	for _, r := range rivals {
		r.tally.open--
		c.admit(r.delivery, r.tally)
		c.report(r.tally.series)
	}
}

// charge reports a false signature, at most once in offenceEvery: an archive that was filled without checks may have a page of them, and is no
// flood.
func (c *core) charge(s *series) {
	last, ok := c.charged[s.conn]
	if s.gone || ok && c.now.Sub(last) < offenceEvery {
		return
	}
	c.charged[s.conn] = c.now
	c.do(tell{Offended{ID: s.conn, At: c.now, Kind: OffenceSignature}})
}
