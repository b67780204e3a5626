package relay

import (
	"container/list"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// core decides what becomes of every event, and when it is sent. It is a value: inputs are methods that carry the time,
// outputs are actions that the shell carries out, and rows given to the ledger's queue. It starts no goroutine, waits for
// nothing and reads no clock. Answers to actions come back as inputs, in any order.
//
// Every delivery runs through the same stations: it is untouchable (never synced), known, or joins the work on its id;
// else its signature is checked, and only then scope decides, because whatever is recorded is recorded by id. What is in
// scope is sent when nothing it references is still open (order.go), and ends with the own relay's answer, in the
// ledger or in the pending table (outcome.go).
type core struct {
	o   PublisherOptions
	log *zap.Logger
	now time.Time // of the input being handled
	out []action

	scope       *scope
	known       map[event.ID]Disposition
	irrelevant  *irrelevantBook
	outside     int // ids known to be irrelevant
	seq         Seq // of the last row given to the ledger
	storedCount int // events that the own relay took newly
	loaded      bool

	works    map[event.ID]*work
	queue    list.List             // of *work, in order of arrival
	versions map[event.Ref][]*work // announcements and states, by coordinate
	repos    map[string][]*work    // announcements, by identifier
	again    []*work               // to be judged before the current input is over
	delayed  byDue                 //
	ready    readyQueue            //
	tallies  tallies               //
	credit   *credit               //
	live     int                   // live places taken up
	bytes    int64                 // of all works
	arrivals uint64                //

	pool    *pool
	needs   needs
	woken   int         // works from the pending table
	reading bool        // the pending table is being read
	lookups []event.Ref // maintainers' coordinates whose irrelevant events are to be forgotten
	looking bool        // the first of lookups is being read
	readAt  time.Time   // not before, after a failed read of the store

	link link
}

// action is something that the core wants done.
type action interface{ action() }

type (
	// verify asks for a check of a signature; verified brings the result.
	verify struct {
		event *event.Event
		live  bool
	}
	// publish puts a message on the socket to the own relay; answered, or ownDown, follows.
	publish struct{ msg []byte }
	// tell reports to the engine.
	tell struct{ report Report }
	// grant gives credit.
	grant struct{ to chan<- struct{} }
	// readWaiting asks for rows of the pending table; read brings them.
	readWaiting struct{ ids []event.ID }
	// readIrrelevant asks for irrelevant events by coordinate; found brings them.
	readIrrelevant struct{ ref event.Ref }
)

func (verify) action()         {}
func (publish) action()        {}
func (tell) action()           {}
func (grant) action()          {}
func (readWaiting) action()    {}
func (readIrrelevant) action() {}

// newCore gives a core that knows nothing yet. Of the ledger it uses only what never blocks.
func newCore(o PublisherOptions) *core {
	o = o.withDefaults()
	return &core{
		o: o, log: o.Log,
		scope:      newScope(o.Rules, o.ForeignRepos),
		known:      make(map[event.ID]Disposition),
		irrelevant: newIrrelevantBook(o.IrrelevantPerSource, o.IrrelevantIDs),
		loaded:     o.PublishAtOnce,
		works:      make(map[event.ID]*work),
		versions:   make(map[event.Ref][]*work),
		repos:      make(map[string][]*work),
		tallies:    make(tallies),
		credit:     newCredit(o.QueueEvents),
		pool:       newPool(),
		needs:      newNeeds(),
		link:       newLink(o.EventsPerSecond),
	}
}

// take gives the actions since the last take.
func (c *core) take() []action {
	out := c.out
	c.out = nil
	return out
}

func (c *core) do(a action) { c.out = append(c.out, a) }

// deliver takes one event from a connection.
func (c *core) deliver(now time.Time, d Delivery) {
	c.now = now
	if d.Batch != 0 {
		c.credit.spend(d.Conn)
	}
	c.admit(d, c.tallies.current(d.Conn, d.Batch))
	c.pump()
}

// admit decides on a delivery that nothing has been counted for yet but its place in the historic queue.
func (c *core) admit(d Delivery, t *tally) {
	e := d.Event
	if reason := untouchable(e, c.now); reason != "" {
		c.dropped(d, reason)
		return
	}
	if disposition, ok := c.known[e.ID]; ok {
		if disposition != Irrelevant || !addressed(e.Kind) || !c.scope.index.Covers(e.Coordinate()) {
			t.seq = c.seq // its row was given to the ledger at some time before
			c.vacate(d)
			return
		}
		// Its author has joined a maintainer set since it was refused.
		c.forget(e.ID)
	}
	if w := c.works[e.ID]; w != nil {
		c.join(w, d, t)
		return
	}
	if c.crowded(d, t) {
		return
	}
	c.begin(d, t)
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

// crowded drops a live event that there is no room for. Its connection's cursor stays before it.
func (c *core) crowded(d Delivery, t *tally) bool {
	if d.Batch != 0 || (c.live < c.o.LiveEvents && c.bytes < 2*c.o.QueueBytes) {
		return false
	}
	if !t.series.broken {
		t.series.broken = true
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
		c.credit.free(1)
	}
}

// occupy counts the place of a delivery that stays until the outcome of w.
func (c *core) occupy(w *work, d Delivery) {
	if d.Batch != 0 {
		w.spots.historic++
		return
	}
	w.spots.live++
	c.live++
}

// quit takes the place of one delivery off a work that goes on without it.
func (c *core) quit(w *work, d Delivery) {
	if d.Batch != 0 {
		w.spots.historic--
		return
	}
	w.spots.live--
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
		c.occupy(w, d)
		w.rivals = append(w.rivals, rival{d, t})
		return
	}
	for _, joined := range w.joins {
		if joined == t {
			c.vacate(d)
			return
		}
	}
	t.open++
	c.occupy(w, d)
	w.joins = append(w.joins, t)
}

// begin starts the work on an id.
func (c *core) begin(d Delivery, t *tally) {
	w := &work{event: d.Event, mode: d.Mode, source: d.Source, at: d.At, joins: []*tally{t}}
	t.open++
	c.occupy(w, d)
	c.enter(w)
	c.do(verify{event: w.event, live: d.Batch == 0})
}

func (c *core) enter(w *work) {
	c.arrivals++
	w.n = c.arrivals
	w.place = c.queue.PushBack(w)
	c.works[w.event.ID] = w
	c.bytes += int64(w.event.Size)
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
		w.refs = e.References()
		for _, r := range w.rivals {
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
	charged := make(map[ConnID]bool, 1)
	for _, t := range w.joins {
		c.o.Metrics.dropped(dropSignature)
		if conn := t.series.conn; !charged[conn] {
			charged[conn] = true
			c.do(tell{Offended{ID: conn, At: c.now, Kind: OffenceSignature}})
		}
	}
	rivals := w.rivals
	w.rivals = nil
	for _, r := range rivals {
		c.quit(w, r.delivery)
	}
	c.close(w)
	for _, r := range rivals {
		r.tally.open--
		c.admit(r.delivery, r.tally)
		c.report(r.tally.series)
	}
}

// mark follows the events that it counts.
func (c *core) mark(now time.Time, m Mark) {
	c.now = now
	t := c.tallies.current(m.Conn, m.Batch)
	t.mark, t.blind = &m, t.series.broken
	c.report(t.series)
	c.pump()
}

func (c *core) report(s *series) {
	for _, r := range c.tallies.settled(s, c.now) {
		c.do(tell{r})
	}
}

// gone ends a connection.
func (c *core) gone(now time.Time, conn ConnID) {
	c.now = now
	c.credit.gone(conn)
	c.tallies.gone(conn)
	c.pump()
}

// reserve asks for credit.
func (c *core) reserve(now time.Time, r request) {
	c.now = now
	c.credit.reserve(r)
	c.pump()
}

// release gives credit back.
func (c *core) release(now time.Time, conn ConnID, n int) {
	c.now = now
	c.credit.release(conn, n)
	c.pump()
}

// tick is called at the moment that next gave, or later.
func (c *core) tick(now time.Time) {
	c.now = now
	c.overdue()
	c.pool.wakeDue(now)
	c.trim()
	c.pump()
}

// pump does what the input has made possible.
func (c *core) pump() {
	for {
		for len(c.delayed) > 0 && !c.delayed[0].due.After(c.now) {
			c.popDelayed()
		}
		for len(c.again) > 0 {
			w := c.again[0]
			c.again[0] = nil
			c.again = c.again[1:]
			c.judge(w)
		}
		if !c.sendNext() {
			break
		}
	}
	c.askStore()
	for c.bytes < c.o.QueueBytes {
		r, ok := c.credit.grant()
		if !ok {
			break
		}
		c.do(grant{r.grant})
	}
}

// next is when tick wants to be called, zero when there is nothing to wait for.
func (c *core) next() time.Time {
	at := c.pool.next(c.o.PendingAge)
	if len(c.delayed) > 0 {
		at = earliest(at, c.delayed[0].due)
	}
	if c.wantsStore() {
		at = earliest(at, c.readAt)
	}
	at = earliest(at, c.link.checkAt)
	return earliest(at, c.sendAt())
}
