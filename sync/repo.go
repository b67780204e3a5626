package sync

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// repo is one wanted repository: an announcement that is accepted by itself, with its maintainers' coordinates and
// the root events that tag any of them.
type repo struct {
	ref     event.Ref
	coords  []event.Ref // in the order learned; numbers of Coverage
	current map[event.Ref]bool
	roots   []filters.Value // in the order learned; numbers of Coverage
	active  int64           // of the root about which something was said last, unix seconds
	wants   map[relayurl.URL]*want
	named   []*candidate // relays that its announcements name
	capped  bool         // more roots exist than RootsPerRepo

	surveyed bool // the ledger has what the own relay holds of it; before, remote relays are not asked for its history
	toSurvey bool // stands in Engine.unsurveyed
	changed  bool // has other coordinates than the open AskOwn asks about

	lacks     map[event.ID]time.Time // ancestors that nobody has, by when they were noted
	lackDay   time.Time
	lackCount int // noted on that day
}

// want is what one relay should give of one repo, and how much of that is confirmed.
type want struct {
	repo   *repo
	remote *remote
	listed bool // an announcement of the repo names the relay, and the own relay serves the repo's; else only states are asked there
	queued bool // stands in remote.todo
	around bool // replies to replies, deletions and ancestors were asked for

	states      bool // confirmed
	statesAsked bool
	coords      progress
	roots       progress
}

// progress keeps, for one numbered sequence, what is confirmed and what has been asked (confirmed or pending).
type progress struct{ confirmed, asked Coverage }

func (w *want) missing() bool {
	if !w.statesAsked {
		return true
	}
	if !w.listed {
		return false
	}
	return w.coords.asked.Incomplete(uint32(len(w.repo.coords))) || w.roots.asked.Incomplete(uint32(len(w.repo.roots)))
}

func (w *want) forget() {
	w.states, w.statesAsked, w.around = false, false, false
	w.coords, w.roots = progress{}, progress{}
}

func (w *want) row() SaveCoverage {
	return SaveCoverage{Relay: w.remote.url, Repo: w.repo.ref, States: w.states, Coords: w.coords.confirmed, Roots: w.roots.confirmed, Around: w.around}
}

// reshape brings the repos with these refs in line with the index, after announcements came or went.
func (e *Engine) reshape(refs []event.Ref) {
	for _, ref := range refs {
		now, wanted := e.index.Repo(ref)
		r := e.repos[ref]
		switch {
		case wanted && r == nil:
			e.shape(e.newRepo(ref, nil), now)
		case wanted:
			e.shape(r, now)
		case r != nil:
			e.dropRepo(r)
		}
	}
}

func (e *Engine) newRepo(ref event.Ref, coords []event.Ref) *repo {
	r := &repo{ref: ref, coords: coords, wants: map[relayurl.URL]*want{}}
	e.repos[ref] = r
	e.names.identifiers.use(ref.D)
	return r
}

// shape updates coordinates and relays of one repo.
func (e *Engine) shape(r *repo, now nip34.Repo) {
	current := make(map[event.Ref]bool, len(now.Coordinates))
	var added, removed []event.Ref
	var returned []uint32 // was no part of the repo for a while: nobody listened, and filters left it out
	for _, c := range now.Coordinates {
		current[c] = true
		if !r.current[c] {
			added = append(added, c)
		}
		switch n := slices.Index(r.coords, c); {
		case n < 0:
			r.coords = append(r.coords, c)
		case !r.current[c] && r.current != nil:
			returned = append(returned, uint32(n))
		}
	}
	for c := range r.current {
		if !current[c] {
			removed = append(removed, c)
		}
	}
	r.current = current
	for _, c := range added {
		e.tagged[c] = append(e.tagged[c], r)
		e.names.coords.use(c)
	}
	if len(added) > 0 {
		e.resurvey(r)
	}
	e.saveRepo(now)

	var before []*want // that ask for what is added; new ones ask for everything
	for _, w := range r.sortedWants() {
		if w.listed {
			before = append(before, w)
		}
	}
	listed := make(map[relayurl.URL]bool, len(now.Relays))
	named := make([]relayurl.URL, 0, len(now.Relays))
	for _, u := range now.Relays {
		if e.cfg.excluded(u) {
			continue
		}
		listed[u], named = true, append(named, u)
		if m := e.relays[u]; m != nil {
			e.join(r, m, true)
		}
	}
	e.nominate(r, named)
	for _, m := range e.operator {
		e.join(r, m, listed[m.url])
	}
	for _, w := range r.sortedWants() {
		u := w.remote.url
		if len(added) > 0 && w.statesAsked {
			// somebody joined: what he had signed before was none of ours when it passed by
			w.states, w.statesAsked = false, false
			e.persist(w.row())
		}
		for _, n := range returned {
			w.coords.confirmed.Remove(Span{n, n + 1})
			w.coords.asked.Remove(Span{n, n + 1})
			e.persist(w.row())
		}
		if !listed[u] && !w.remote.operator() {
			e.leave(w)
		} else {
			e.deafen(w, removed, nil)
			if slices.Contains(before, w) {
				e.listen(w.remote, filters.Repos, e.numbered(added)...)
			}
			e.queue(w)
		}
	}
	for _, c := range removed {
		e.untag(c, r)
	}
}

// numbered gives the numbers of coordinates that are in use.
func (e *Engine) numbered(refs []event.Ref) []filters.Value {
	out := make([]filters.Value, 0, len(refs))
	for _, c := range refs {
		if v, ok := e.names.coords.of[c]; ok {
			out = append(out, v)
		}
	}
	return out
}

// sortedWants lists the wants of the repo by relay.
func (r *repo) sortedWants() []*want {
	return slices.SortedFunc(maps.Values(r.wants), func(a, b *want) int { return cmp.Compare(a.remote.url, b.remote.url) })
}

// currentCoords are the coordinates that still belong to the repo, in the order learned.
func (r *repo) currentCoords() []event.Ref {
	out := make([]event.Ref, 0, len(r.current))
	for _, c := range r.coords {
		if r.current[c] {
			out = append(out, c)
		}
	}
	return out
}

// members are the maintainers other than the owner.
func (r *repo) members() []event.PubKey {
	var out []event.PubKey
	for _, c := range r.currentCoords() {
		if c.PubKey != r.ref.PubKey {
			out = append(out, c.PubKey)
		}
	}
	return out
}

// join makes a relay wanted for a repo, or changes how.
func (e *Engine) join(r *repo, m *remote, listed bool) {
	listed = listed && !e.isHeld(r.ref)
	w := r.wants[m.url]
	if w == nil {
		w = &want{repo: r, remote: m}
		r.wants[m.url] = w
		m.wants[r.ref] = w
		d := e.names.identifiers.of[r.ref.D]
		if m.identifiers[d]++; m.identifiers[d] == 1 {
			e.listen(m, filters.States, d)
		}
	}
	if listed && !w.listed {
		w.listed = true
		e.listen(m, filters.Repos, e.numbered(r.currentCoords())...)
		e.listen(m, filters.Roots, r.roots...)
		m.bare = append(m.bare, w)
	}
	if !listed && w.listed {
		w.listed, w.around = false, false
		e.deafen(w, r.currentCoords(), r.roots)
		w.coords, w.roots = progress{}, progress{} // nobody listens from here on
		e.persist(w.row())
	}
	e.queue(w)
}

// leave ends a want; the relay goes after the grace time when it was its last one.
func (e *Engine) leave(w *want) {
	m, r := w.remote, w.repo
	delete(r.wants, m.url)
	delete(m.wants, r.ref)
	delete(m.unread, w)
	m.tidy()
	e.deafen(w, r.coords, r.roots)
	e.persist(SaveCoverage{Relay: m.url, Repo: r.ref}) // should the relay be named again, nothing is confirmed
	d := e.names.identifiers.of[r.ref.D]
	if m.identifiers[d]--; m.identifiers[d] == 0 {
		delete(m.identifiers, d)
		m.ignore(filters.States, d)
	}
	e.touch(m)
}

// tidyAt is how many wants that are gone may stand in the queues of a relay.
const tidyAt = 64

// tidy takes wants that are gone out of the queues: a relay that is away empties none.
func (r *remote) tidy() {
	for _, q := range []*[]*want{&r.todo, &r.bare} {
		if len(*q) > 2*len(r.wants)+tidyAt {
			seen := map[*want]bool{}
			*q = slices.DeleteFunc(*q, func(w *want) bool {
				was := seen[w]
				seen[w] = true
				return was || r.wants[w.repo.ref] != w
			})
		}
	}
}

// deafen stops listening for what no other want of the relay listens for: repos share coordinates and roots.
func (e *Engine) deafen(w *want, coords []event.Ref, roots []filters.Value) {
	m := w.remote
	if m.live == nil {
		return
	}
	shared := func(r *repo) bool {
		o := m.wants[r.ref]
		return r != w.repo && o != nil && o.listed
	}
	for _, c := range coords {
		if !slices.ContainsFunc(e.tagged[c], shared) {
			m.ignore(filters.Repos, e.numbered([]event.Ref{c})...)
		}
	}
	for _, v := range roots {
		if !slices.ContainsFunc(e.homesOf(v), shared) {
			m.ignore(filters.Roots, v)
		}
	}
}

func (e *Engine) dropRepo(r *repo) {
	for _, w := range r.sortedWants() {
		e.leave(w)
	}
	e.nominate(r, nil)
	for c := range r.current {
		e.untag(c, r)
	}
	for _, v := range r.roots {
		e.unhome(v, r)
	}
	for id := range r.lacks {
		e.unlack(r, id)
	}
	e.names.identifiers.leave(e.names.identifiers.of[r.ref.D])
	delete(e.repos, r.ref)
	delete(e.saved, r.ref)
	e.persist(DropRepo{r.ref})
	for _, other := range e.tagged[r.ref] { // its announcement is a maintainer's of another repo
		if now, ok := e.index.Repo(other.ref); ok {
			e.saveRepo(now)
		}
	}
}

// saveRepo stores the announcements that make a repo, those that are new or newer.
func (e *Engine) saveRepo(now nip34.Repo) {
	for _, c := range now.Coordinates {
		e.saveAnnouncement(c)
	}
}

// saveAnnouncement stores what has changed of an announcement and of the repo that it makes by itself.
func (e *Engine) saveAnnouncement(c event.Ref) {
	a, ok := e.index.Newest(c)
	if !ok {
		return
	}
	row := SaveRepo{Ref: c, Announcement: a.Event, Full: !e.isHeld(c)}
	if own := e.repos[c]; own != nil {
		row.Coordinates, row.Surveyed = own.coords, own.surveyed
	}
	key := savedRepo{a.Event.ID, len(row.Coordinates), row.Surveyed, row.Full}
	if e.saved[c] != key {
		e.saved[c] = key
		e.persist(row)
	}
}

// savedRepo tells one stored version of an announcement from another.
type savedRepo struct {
	id       event.ID
	coords   int
	surveyed bool
	full     bool
}

func (e *Engine) untag(c event.Ref, r *repo) {
	e.names.coords.leave(e.names.coords.of[c])
	if rest := slices.DeleteFunc(e.tagged[c], func(x *repo) bool { return x == r }); len(rest) > 0 {
		e.tagged[c] = rest
	} else {
		delete(e.tagged, c)
	}
}

// queue puts a want with something missing where plan will find it, once its repo is surveyed.
func (e *Engine) queue(w *want) {
	switch {
	case w.queued || !w.missing():
	case !w.repo.surveyed:
		w.remote.unread[w] = true
	default:
		w.queued = true
		w.remote.todo = append(w.remote.todo, w)
	}
	e.touch(w.remote)
}
