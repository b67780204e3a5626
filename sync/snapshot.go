package sync

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Snapshot is what others see of the engine. Its values are never changed after it is handed out.
type Snapshot struct {
	At        time.Time
	Started   time.Time
	Loaded    bool // the first picture of the own relay is complete
	OwnUp     bool // the own relay can be read
	Repos     int
	Roots     int
	Connected int
	Outage    time.Time // since when our own network seems to be down (local_outage); zero: it is not
	Dead      int
	Waiting   []*RelayView // the best of the discovered relays that have no place and that nothing is kept of, best first
	NoPlace   int          // all discovered relays without a place
	Relays    []*RelayView // sorted by URL
}

// RelayView is one relay of a Snapshot.
type RelayView struct {
	URL            relayurl.URL
	Name           string // hostile text
	Origin         Origin
	Phase          Phase
	Since          time.Time
	Health         health.Status
	Failures       int
	UpSince        time.Time
	LastFailure    string // hostile text
	LastFailureAt  time.Time
	LastCause      health.Cause
	NextDial       time.Time
	Repos          int // named by an announcement
	LiveFilters    int
	ByID           int           // wanted values that are live
	Polled         int           // wanted values beyond the live budget
	Wide           bool          // wide filters stand in for them
	PollEvery      time.Duration // of what is polled and was active in the last day; 0 before the second rotation
	Aside          int           // values that the relay refuses
	BatchesPending int
	BatchesFailed  int
	NextRetry      time.Time
	Unasked        int // repos with something still to be asked
	Stored         int
	Cursor         time.Time
	LastFull       time.Time
	NextFull       time.Time
	Doing          string
	NoPlace        bool   // it is not dialled; Doing says why
	Note           string // the last refusal or failure; hostile text
	Mode           string // how history is asked: "negentropy" or "paged"
	ModeWhy        string // hostile text
	Changes        []Change
}

type views struct {
	started time.Time
	changed map[relayurl.URL]*remote
	relays  map[relayurl.URL]*RelayView
}

func newViews(now time.Time) views {
	return views{started: now, changed: map[relayurl.URL]*remote{}, relays: map[relayurl.URL]*RelayView{}}
}

// Snapshot copies what has changed since the last one.
func (e *Engine) Snapshot(now time.Time) *Snapshot {
	for u, r := range e.views.changed {
		if e.relays[u] == r {
			e.views.relays[u] = e.view(r, now)
			e.metrics.relay(e.views.relays[u], r.everUp || r.pinned())
		} else if e.relays[u] == nil {
			delete(e.views.relays, u)
		}
	}
	clear(e.views.changed)
	s := &Snapshot{
		At: now, Started: e.views.started, Loaded: e.loaded, OwnUp: e.ownUp,
		Repos: len(e.repos), Roots: len(e.names.roots.of), Waiting: e.election.review.waiting, NoPlace: e.election.review.without, Outage: e.outageSince,
		Relays: make([]*RelayView, 0, len(e.views.relays)),
	}
	for _, v := range e.views.relays {
		s.Relays = append(s.Relays, v)
		if v.Phase.Open() {
			s.Connected++
		}
		if v.Health == health.Dead {
			s.Dead++
		}
	}
	slices.SortFunc(s.Relays, func(a, b *RelayView) int { return strings.Compare(string(a.URL), string(b.URL)) })
	e.metrics.totals(s)
	return s
}

func (e *Engine) view(r *remote, now time.Time) *RelayView {
	at := now
	if !e.outageSince.IsZero() {
		at = e.outageSince // nobody becomes dead by our fault
	}
	v := &RelayView{
		URL: r.url, Name: r.name, Origin: r.origin, Phase: r.phase, Since: r.since,
		Health: e.cfg.Health.Status(r.health, at), Failures: r.health.Failures,
		Repos: len(r.wants), Polled: r.notLive(), Wide: r.wide, PollEvery: r.heat.took, Aside: len(r.aside),
		BatchesPending: len(r.open), BatchesFailed: len(r.waiting), Unasked: len(r.todo) + len(r.unread),
		Stored: r.stored, Cursor: r.cursor, LastFull: r.lastPass(), NextFull: r.nextFull,
		Note: r.lastNote, Changes: slices.Clone(r.changes),
	}
	if r.live != nil {
		v.LiveFilters, v.ByID = r.live.Filters(), r.byID()
	}
	v.UpSince = r.health.UpSince
	v.Mode, v.ModeWhy = r.mode(now)
	if r.health.Failures > 0 {
		v.LastFailure, v.LastFailureAt, v.LastCause = r.health.Reason, r.health.LastFailure, r.health.Cause
	}
	if r.phase == Disconnected {
		v.NextDial = r.health.NotBefore
	}
	for _, b := range r.waiting {
		v.NextRetry = earliest(v.NextRetry, b.retryAt)
	}
	v.Doing = doing(r, e.waits(r), now)
	if v.NoPlace = !r.operator() && r.place.IsZero(); v.NoPlace {
		v.Doing, v.NextDial = cmp.Or(e.election.candidates[r.url].why, "waiting for a place"), time.Time{}
	}
	return v
}

// doing says in a few words what the relay is at.
func doing(r *remote, waitsForHost bool, now time.Time) string {
	switch {
	case r.phase == Disconnected && r.queuedFor:
		return "waiting for a free dial"
	case r.phase == Disconnected && waitsForHost:
		return "waiting: two connections to this host are open"
	case r.phase == Disconnected && now.Before(r.health.DroppedUntil):
		return "dropped for its offences"
	case r.phase == Disconnected && now.Before(r.health.NotBefore):
		return "waiting for the next dial"
	case r.phase == Disconnected:
		return "not connected"
	case r.phase == Connecting:
		return "dialling"
	case r.limited(now):
		return "cooling down"
	case r.pass != nil && r.pass.kind == catchUp:
		return "catching up on an absence"
	case r.pass != nil:
		return "daily catch-up"
	case r.asking() > 0 || len(r.todo) > 0:
		return "fetching history"
	case len(r.unread) > 0:
		return "waiting until the own relay is read"
	case len(r.waiting) > 0:
		return "waiting to retry"
	case r.phase == Syncing:
		return "second look"
	}
	return "live"
}
