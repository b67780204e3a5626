package sync

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Engine decides what is wanted, what is asked, and what is confirmed. It is a value: it does no I/O and starts
// nothing. One goroutine calls its methods; each call may add effects, which Take hands out.
type Engine struct {
	cfg     Config
	log     *zap.Logger
	metrics *Metrics
	rng     *rand.Rand

	index     *nip34.Index
	outside   nip34.Foreign // announcements in it that are not in scope
	repos     map[event.Ref]*repo
	tagged    map[event.Ref][]*repo // coordinate -> repos that it belongs to
	names     names
	roots     []rootEvent               // by number
	shared    map[filters.Value][]*repo // roots of several repos, their homes
	orphans   map[event.ID][]orphan     // by parent
	orphaned  int
	saved     map[event.Ref]savedRepo
	seen      map[event.Ref]uint64              // announcement -> last picture that held it
	announced map[event.ID]bool                 // announcements that selfsub has shown
	held      map[event.Ref]event.ID            // announcements that the own relay has accepted and does not serve yet
	next      map[event.Ref]*nip34.Announcement // newer than the one that it serves, and held
	withdrawn withdrawn
	relays    map[relayurl.URL]*remote
	operator  []*remote
	election  election

	loaded  bool // the first picture of the own relay is complete
	ownUp   bool
	stopped bool

	unsurveyed []*repo // whose share of the own relay is to be read; may hold some that are gone
	surveying  []*repo // of the open AskOwn

	awaited map[event.ID][]*remote // accepted by the own relay, to come back through selfsub
	lacking map[event.ID][]*repo   // ancestors that nobody has
	lackDay time.Time              // when those were last given up that are too old

	recalls    map[recallKey]*recall // open or fresh
	recalling  map[uint64]*recall    // open, by number
	lastRecall uint64

	recallsTidied time.Time

	outage      health.Outage
	outageSince time.Time // as it was judged last, zero: none
	judgeAt     time.Time // when to look at it again, zero for when a dial ends
	failedAt    time.Time // the last dial that did
	open        int       // relays connected
	hosts       map[string]*host

	conns   map[relay.ConnID]*remote
	asks    map[relay.BatchID]*ask
	dialing int
	dialers []*remote // due, waiting for a free dial
	timers  timers
	dirty   []*remote

	lastConn  relay.ConnID
	lastBatch relay.BatchID
	lastSaved uint64

	out   []Effect
	rests relay.Seq // of the rows queued since the last Take
	rows  []Row
	views views
}

// New makes an engine from stored state. It fails on rows that no engine can have written.
func New(cfg Config, state *State, log *zap.Logger, metrics *Metrics, now time.Time) (*Engine, error) {
	e := &Engine{
		cfg: cfg, log: log, metrics: metrics, rng: rand.New(rand.NewPCG(cfg.Seed, 1)),
		index: nip34.NewIndex(cfg.Rules), outside: nip34.NewForeign(foreignKept, foreignBytes), repos: map[event.Ref]*repo{}, tagged: map[event.Ref][]*repo{},
		names:  names{newNumbers[event.Ref](), newNumbers[string](), newNumbers[event.ID]()},
		shared: map[filters.Value][]*repo{}, orphans: map[event.ID][]orphan{}, saved: map[event.Ref]savedRepo{}, seen: map[event.Ref]uint64{},
		held: map[event.Ref]event.ID{}, next: map[event.Ref]*nip34.Announcement{}, withdrawn: newWithdrawn(), relays: map[relayurl.URL]*remote{}, election: newElection(),
		awaited: map[event.ID][]*remote{}, announced: map[event.ID]bool{}, lacking: map[event.ID][]*repo{},
		recalls: map[recallKey]*recall{}, recalling: map[uint64]*recall{},
		hosts: map[string]*host{}, conns: map[relay.ConnID]*remote{}, asks: map[relay.BatchID]*ask{}, views: newViews(now),
	}
	for _, u := range cfg.Bootstrap {
		e.operate(u, Bootstrap)
	}
	for _, u := range cfg.Pinned {
		e.operate(u, Pinned)
	}
	if err := e.load(state, now); err != nil {
		return nil, fmt.Errorf("stored state: %w", err)
	}
	return e, nil
}

func (e *Engine) operate(u relayurl.URL, o Origin) {
	if e.relays[u] == nil && !e.cfg.Own(u) {
		e.newRemote(u, o)
	}
}

// load fills both maps. Rows that went to the store are not sent there again.
func (e *Engine) load(state *State, now time.Time) error {
	for _, row := range state.Relays {
		if e.relays[row.URL] == nil && !e.cfg.excluded(row.URL) {
			origin := Discovered
			if row.Paired {
				origin = Paired
			}
			if r := e.newRemote(row.URL, origin); origin == Discovered && !row.Place.IsZero() {
				r.place = row.Place
				e.election.placed++
			}
		}
	}
	coords := map[event.Ref][]event.Ref{}
	var stored []*nip34.Announcement
	for _, row := range state.Repos {
		a, err := nip34.ParseAnnouncement(row.Announcement)
		if err != nil {
			return fmt.Errorf("announcement of %s: %w", row.Ref, err)
		}
		if !row.Full {
			e.held[row.Ref] = row.Announcement.ID
		}
		coords[row.Ref] = row.Coordinates
		stored = append(stored, a)
	}
	changed := e.apply(stored, nil)
	for _, ref := range changed {
		// the stored order of coordinates comes first: Coverage counts in it
		if _, wanted := e.index.Repo(ref); wanted && e.repos[ref] == nil {
			e.newRepo(ref, coords[ref])
		}
	}
	e.reshape(changed)
	for _, row := range state.Repos {
		e.saved[row.Ref] = savedRepo{row.Announcement.ID, len(row.Coordinates), row.Surveyed, row.Full}
	}
	e.loadSurveyed(state.Repos)
	for _, row := range state.Roots {
		r := e.repos[row.Repo]
		if r == nil {
			continue
		}
		if int(row.N) != len(r.roots) {
			return fmt.Errorf("roots of %s: number %d follows %d", row.Repo, row.N, len(r.roots)-1)
		}
		active := max(row.Active, row.CreatedAt)
		active += activeStep - 1 - active%activeStep // later in the same step was not stored
		if v := e.home(r, row.ID, min(active, now.Unix())); row.Gone {
			e.roots[v].active = goneRoot
		}
	}
	for _, row := range state.Lacks {
		if r := e.repos[row.Repo]; r != nil {
			e.lack(r, row.ID, row.At)
		}
	}
	for _, row := range state.Coverage {
		e.loadCoverage(row)
	}
	for _, row := range state.Relays {
		if r := e.relays[row.URL]; r != nil {
			r.health, r.cursor, r.lastFull, r.passSince = row.Health, row.Cursor, row.LastFull, row.PassSince
			r.gave, r.gaveAt = row.Gave, row.GaveAt
			r.announcements, r.announcementsAsked = row.Announcements, row.Announcements
			if !row.Announcements { // never, or under another scope
				r.learned.NoAnnouncements = time.Time{}
			}
			r.disconnectedAt = row.Cursor // what happened after it is unknown
			r.heat.since, r.warmth.since, r.learned = row.PolledHot, row.PolledWarm, row.Learned
			r.polled = !row.PolledWarm.IsZero() // nobody knows what was live before
		}
	}
	e.loadBatches(state.Batches)
	for _, r := range e.sortedRelays() {
		r.todo = nil
		clear(r.unread)
		for _, w := range r.sortedWants() {
			w.queued = false
			e.queue(w)
		}
		r.bare = slices.DeleteFunc(r.bare, func(w *want) bool { return w.around })
	}
	e.out, e.rows = nil, nil // what was stored needs no storing
	return nil
}

func (e *Engine) loadCoverage(row SaveCoverage) {
	r := e.repos[row.Repo]
	if r == nil {
		return
	}
	w := r.wants[row.Relay]
	if w == nil {
		return
	}
	if row.Coords.Count > uint32(len(r.coords)) || row.Roots.Count > uint32(len(r.roots)) {
		return // it rests on numbers that were lost: ask again
	}
	w.states, w.statesAsked, w.around = row.States, row.States, row.Around && w.listed
	w.coords = progress{row.Coords, row.Coords.clone()}
	w.roots = progress{row.Roots, row.Roots.clone()}
}

func (e *Engine) loadBatches(rows []SaveBatch) {
	for _, row := range rows {
		e.lastSaved = max(e.lastSaved, row.Number)
		r := e.relays[row.Relay]
		if r == nil {
			continue
		}
		b, err := r.restore(row)
		if err != nil {
			e.log.Warn("stored batch is asked afresh", zap.Error(err))
			continue
		}
		e.prune(b)
		if len(b.groups) == 0 {
			continue
		}
		b.claim()
		r.waiting = append(r.waiting, b)
	}
}

func (e *Engine) sortedRelays() []*remote {
	return slices.SortedFunc(maps.Values(e.relays), func(a, b *remote) int { return cmp.Compare(a.url, b.url) })
}

func (e *Engine) sortedRepos() []event.Ref { return sortedRefs(slices.Collect(maps.Keys(e.repos))) }

// Take hands out the effects so far, stored rows first among equals: rows go before the commands that follow from
// them.
func (e *Engine) Take() []Effect {
	if len(e.rows) > 0 {
		e.out = append(e.out, Persist{Rows: e.rows, Rests: e.rests})
		e.rows = nil
	}
	out := e.out
	e.out = nil
	return out
}

func (e *Engine) emit(x Effect) { e.out = append(e.out, x) }

func (e *Engine) persist(rows ...Row) { e.rows = append(e.rows, rows...) }

// touch makes plan look at the relay before the current input is done.
func (e *Engine) touch(r *remote) {
	if !r.dirty {
		r.dirty = true
		e.dirty = append(e.dirty, r)
	}
}

// flush plans every relay that the current input touched.
func (e *Engine) flush(now time.Time) {
	e.seat(now)
	for len(e.dirty) > 0 {
		r := e.dirty[0]
		e.dirty = e.dirty[1:]
		r.dirty = false
		if e.relays[r.url] != r {
			continue
		}
		e.plan(r, now)
		if r.unsafe {
			r.unsafe = false
			e.persist(r.row())
		}
		e.views.changed[r.url] = r
	}
	e.dirty = nil
	e.election.review.schedule(e.loaded, now)
	e.survey()
}
