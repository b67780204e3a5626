package sync

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Origin says why a relay is known.
type Origin uint8

// Origins of a relay.
const (
	Discovered Origin = iota // named by an accepted announcement
	Bootstrap
	Pinned
	Paired // by hand, and kept in the store
)

// String is the word shown on the status page.
func (o Origin) String() string { return [...]string{"discovered", "bootstrap", "pinned", "paired"}[o] }

// remote is everything the engine knows of one remote relay.
type remote struct {
	url     relayurl.URL
	origin  Origin
	phase   Phase
	since   time.Time // of the phase
	changes []Change
	health  health.State

	conn       relay.ConnID
	stated     relay.Limits    // by its document, or assumed
	learned    relay.Learned   // beyond that
	limits     relay.Limits    // that hold
	aside      map[string]bool // values that it refuses
	name       string
	everUp     bool
	reconciles bool // this connection answers NIP-77
	queuedFor  bool // stands in the queue for a dial
	counted    bool // its connection counts for its host
	leaving    bool // hung up to make way for others of its host

	wants       map[event.Ref]*want
	identifiers map[filters.Value]int32 // of wants, counted
	todo        []*want                 // with something missing; may hold wants that are gone
	unread      map[*want]bool          // with something missing, of repos that are not surveyed
	bare        []*want                 // that were never looked around; may hold wants that are gone, or were
	ancestors   []event.ID              // to be asked at once
	heat        rotation                // of what was active in the last day
	warmth      rotation                // of what was in the last month

	live       *filters.LiveSet // nil without a connection
	laidFor    filters.Budget   // of live
	laidAt     time.Time
	laid       int                    // filters at laidAt; bytes may have made them more than packed
	packed     int                    // the least that they could have been, by number of values
	polled     bool                   // not all of it was live at some time
	left       [3]int                 // wanted values that are not live, by family
	wide       bool                   // the wide filters stand in for them
	moved      map[filters.Value]bool // have become live and were not polled since
	offers     []filters.Value        // roots that want a place among those that are live
	closedSubs []string               // ended by the relay, opened again at reopenAt
	reopenAt   time.Time
	reopened   int // times in a row
	reopenedAt time.Time

	announcements      bool // layer 1 confirmed
	announcementsAsked bool
	announcedSince     time.Time // a fresh start of a sparse relay asks for those since then
	yield              yield     // of the history of announcements that is being asked
	open               map[*batch]bool
	waiting            []*batch // failed, or cut off by the end of a connection
	pass               *pass    // since
	daily              *pass    // everything, without since
	look               *pass    // around wants
	full               bool     // this connection's sync is without since; its end is a full sync

	taught      map[event.ID]bool // accepted by the own relay, not yet come back through selfsub
	lastSettled time.Time

	cursor         time.Time
	nextCursor     time.Time // settled while a pass with since is open
	passSince      time.Time
	disconnectedAt time.Time
	lastFull       time.Time
	nextFull       time.Time
	refill         bool // a full pass was asked for, by an order or a loss, and has not begun, or was cut off
	removeAt       time.Time
	place          time.Time // since when it has its place among those that are dialled; zero: none, or the operator named it
	gave           int       // events that the own relay took newly from it, ever
	gaveAt         time.Time // the last of them

	dirty    bool // stands in Engine.dirty
	unsafe   bool // its row differs from the stored one
	wakeAt   time.Time
	stored   int // events that the own relay took newly from it since the start
	lastNote string
}

// operator reports whether the operator named the relay: such a relay is never removed.
func (r *remote) operator() bool { return r.origin != Discovered }

// pinned reports relays that stay, whoever names them.
func (r *remote) pinned() bool { return r.origin == Pinned || r.origin == Paired }

func (r *remote) trust() relay.Trust {
	if r.operator() {
		return relay.Operator
	}
	return relay.Stranger
}

// row is what is stored of the relay.
func (r *remote) row() SaveRelay {
	return SaveRelay{
		URL: r.url, Health: r.health, Announcements: r.announcements, Cursor: r.cursor,
		DisconnectedAt: r.disconnectedAt, LastFull: r.lastFull, PassSince: r.passSince,
		PolledHot: r.heat.since, PolledWarm: r.warmth.since, Learned: r.learned, Paired: r.origin == Paired,
		Gave: r.gave, GaveAt: r.gaveAt, Place: r.place,
	}
}

// credit counts events that the own relay took newly from the relay.
func (r *remote) credit(n int, now time.Time) {
	if n == 0 {
		return
	}
	r.unsafe = r.unsafe || r.gave == 0 // what follows goes with the cursor
	r.stored, r.gave, r.gaveAt = r.stored+n, r.gave+n, now
}

// forget drops what is confirmed, so that everything is asked afresh; batches that are kept stay asked.
func (r *remote) forget() {
	r.announcements, r.announcementsAsked = false, false
	r.todo, r.bare = nil, nil
	for _, w := range r.sortedWants() {
		w.forget()
		w.queued = true
		r.todo = append(r.todo, w)
		if w.listed {
			r.bare = append(r.bare, w)
		}
	}
	r.heat, r.warmth = rotation{}, rotation{}
	for _, b := range r.waiting {
		b.claim()
	}
}

// sortedWants lists the wants in an order that does not depend on the map's.
func (r *remote) sortedWants() []*want {
	return slices.SortedFunc(maps.Values(r.wants), func(a, b *want) int { return a.repo.ref.Compare(b.repo.ref) })
}

// openBatches lists the running batches, oldest first.
func (r *remote) openBatches() []*batch {
	return slices.SortedFunc(maps.Keys(r.open), func(a, b *batch) int { return cmp.Compare(a.number, b.number) })
}

// newRemote makes the relay with this URL. A discovered one has no place yet.
func (e *Engine) newRemote(u relayurl.URL, o Origin) *remote {
	r := &remote{
		url: u, origin: o, stated: relay.AssumedLimits(), limits: relay.AssumedLimits(),
		wants: map[event.Ref]*want{}, unread: map[*want]bool{}, identifiers: map[filters.Value]int32{},
		open: map[*batch]bool{}, taught: map[event.ID]bool{},
	}
	e.relays[u] = r
	if r.operator() {
		e.operator = append(e.operator, r)
	}
	e.candidate(u).remote = r
	e.touch(r)
	return r
}

// remove forgets a relay that nothing is wanted from.
func (e *Engine) remove(r *remote, why string, now time.Time) {
	if r.phase == Connecting {
		e.dialed()
	}
	e.stepBack(r)
	if r.conn != 0 {
		delete(e.conns, r.conn)
		e.emit(Hangup{r.conn})
	}
	for id, a := range e.asks {
		if a.batch.remote == r {
			delete(e.asks, id)
		}
	}
	e.to(r, Removed, why, now)
	e.release(r)
	r.unsafe = false // its row goes
	delete(e.relays, r.url)
	c := e.election.candidates[r.url]
	c.remote = nil
	e.tidyCandidate(c)
	e.persist(DropRelay{r.url})
	e.metrics.forget(r.url)
	e.emit(Forget{r.url})
}
