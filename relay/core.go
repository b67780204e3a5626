package relay

import (
	"container/list"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
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
	offers      map[event.ID]Offer // of refused ones that may be offered again
	irrelevant  *idBook
	refusals    *idBook // rejected, over a limit, superseded
	tombs       *idBook
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
	ready    turns[*work]          //
	tallies  tallies               //
	credit   *credit               //
	rooms    []room                // asked for, at most one of a connection
	live     int                   // live places taken up
	bytes    int64                 // of all works
	arrivals uint64                //

	pool    *pool
	needs   needs
	held    needs       // of held rows: what has them offered again
	woken   int         // works from the pending table
	reading bool        // the pending table is being read
	lookups []event.Ref // maintainers' coordinates whose irrelevant events are to be forgotten
	looking bool        // the first of lookups is being read
	pruneAt time.Time   // when old refusals are forgotten, zero while that is being done
	pruned  int64       // position in the ledger up to which they were
	readAt  time.Time   // not before, after a failed read of the store
	roomAt  time.Time   // when the store is looked at again, which has no room for what is asked; zero: it has

	trickleAt time.Time // when woken rows may be read next while the queue is heavy
	pressedAt time.Time // since when there is no room for what somebody waits for, zero when there is
	spillAt   time.Time // not before, after nothing could be spilled
	agedAt    time.Time // when works may be too old to hold up marks, zero: never

	graves        graves
	unasked       []*work   // deletions whose targets are to be looked up
	askingAuthors bool      // some are being looked up
	inquests      []inquest // rows that are to be found; the first one is being looked up if inquiring
	inquiring     bool

	link     link
	speed    speed
	remindAt time.Time // the next word in the log on the limited rate, zero when it is not limited
	distrust distrust

	onHold  map[event.ID]event.Ref // held announcements that the engine knows of
	losses  losses
	unsure  []AcceptedEvent           // of the survey, whose ancestors it may show yet
	taken   taken                     // not told yet
	foreign map[ConnID]*foreignWindow // of connections whose wide filters brought foreign events
	charged map[ConnID]time.Time      // last report of a false signature, of connections that brought one
}

// action is something that the core wants done.
type action interface{ action() }

type (
	// verify asks for a check of a signature; verified brings the result.
	verify struct {
		event  *event.Event
		source relayurl.URL
		live   bool
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
	// readAuthors asks who wrote events, for deletions that name them; gotAuthors brings it.
	readAuthors struct {
		works []*work
		ids   []event.ID
	}
	// readWritten asks for the rows that a deletion covers; gotWritten brings them.
	readWritten struct{ by Deletion }
)

func (verify) action()         {}
func (publish) action()        {}
func (tell) action()           {}
func (grant) action()          {}
func (readWaiting) action()    {}
func (readIrrelevant) action() {}
func (readAuthors) action()    {}
func (readWritten) action()    {}

// newCore gives a core that knows nothing yet. Of the ledger it uses only what never blocks.
func newCore(o PublisherOptions) *core {
	o = o.withDefaults()
	return &core{
		o: o, log: o.Log,
		scope:      newScope(o.Rules, o.ForeignRepos, foreignBytes),
		known:      make(map[event.ID]Disposition),
		offers:     make(map[event.ID]Offer),
		irrelevant: newIDBook(o.IrrelevantPerSource, o.IrrelevantIDs),
		refusals:   newIDBook(o.RefusedIDs, o.RefusedIDs),
		tombs:      newIDBook(o.Tombstones, o.Tombstones),
		loaded:     o.PublishAtOnce,
		works:      make(map[event.ID]*work),
		versions:   make(map[event.Ref][]*work),
		repos:      make(map[string][]*work),
		tallies:    make(tallies),
		credit:     newCredit(o.QueueEvents, o.ConnEvents),
		pool:       newPool(),
		needs:      newNeeds(),
		held:       newNeeds(),
		graves:     newGraves(),
		link:       newLink(o.EventsPerSecond),
		onHold:     make(map[event.ID]event.Ref),
		losses:     make(losses),
		foreign:    make(map[ConnID]*foreignWindow),
		charged:    make(map[ConnID]time.Time),
	}
}

// take gives the actions since the last take.
func (c *core) take() []action {
	out := c.out
	c.out = nil
	return out
}

func (c *core) do(a action) { c.out = append(c.out, a) }

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
	delete(c.foreign, conn)
	delete(c.charged, conn)
	c.rooms = slices.DeleteFunc(c.rooms, func(r room) bool { return r.conn == conn })
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
	c.prune()
	c.remind()
	c.pump()
}

// pump does what the input has made possible.
func (c *core) pump() {
	for {
		c.advance()
		if c.link.draining || !c.now.Before(c.taken.due) {
			c.tellTaken()
		}
		c.askStore()
		c.giveCredit()
		if !c.relieve() {
			break
		}
	}
	l := &c.link
	c.speed.note(c.now, 0, l.up && l.halted == "" && (len(l.flights) > 0 || c.ready.size > 0))
}

// advance judges and sends.
func (c *core) advance() {
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
			return
		}
	}
}

// roomCheck is how often a store that has no room is looked at again.
const roomCheck = time.Second

// giveCredit grants what there is room for, here and in the store: what comes needs rows.
func (c *core) giveCredit() {
	c.giveRoom()
	c.credit.lapse(c.now)
	c.roomAt = time.Time{}
	for c.bytes < c.o.QueueBytes && len(c.credit.asked) > 0 {
		if c.o.Ledger.Full() {
			c.roomAt = c.now.Add(roomCheck)
			return
		}
		r, ok := c.credit.grant(c.now)
		if !ok {
			return
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
	if at2 := c.pool.sweepAt; at2.After(c.now) && c.pool.room.counts[behindClass] > 0 {
		at = earliest(at, at2)
	}
	if c.trickleAt.After(c.now) && c.trickles() && c.heavy() {
		at = earliest(at, c.trickleAt)
	}
	at = earliest(at, c.agedAt)
	at = earliest(at, c.remindAt)
	if p := c.pressed(); p.any() {
		at = earliest(at, c.relieveAt(p))
	}
	at = earliest(at, c.link.checkAt)
	at = earliest(at, c.roomAt)
	if len(c.credit.asked) > 0 {
		at = earliest(at, c.credit.lapseAt())
	}
	at = earliest(at, c.pruneAt)
	at = earliest(at, c.taken.due)
	return earliest(at, c.sendAt())
}
