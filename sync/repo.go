package sync

import (
	"cmp"
	"maps"
	"slices"

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
	roots   []event.ID // in the order learned; numbers of Coverage
	wants   map[relayurl.URL]*want
	capped  bool // more roots exist than RootsPerRepo
}

// want is what one relay should give of one repo, and how much of that is confirmed.
type want struct {
	repo   *repo
	remote *remote
	listed bool // an announcement of the repo names the relay; else only states are asked there
	queued bool // stands in remote.todo

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
	w.states, w.statesAsked = false, false
	w.coords, w.roots = progress{}, progress{}
}

func (w *want) row() SaveCoverage {
	return SaveCoverage{Relay: w.remote.url, Repo: w.repo.ref, States: w.states, Coords: w.coords.confirmed, Roots: w.roots.confirmed}
}

// reshape brings the repos with these refs in line with the index, after announcements came or went.
func (e *Engine) reshape(refs []event.Ref) {
	for _, ref := range refs {
		now, wanted := e.index.Repo(ref)
		r := e.repos[ref]
		switch {
		case wanted && r == nil:
			r = &repo{ref: ref, wants: map[relayurl.URL]*want{}}
			e.repos[ref] = r
			e.shape(r, now)
		case wanted:
			e.shape(r, now)
		case r != nil:
			e.dropRepo(r)
		}
	}
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
	}
	for _, c := range removed {
		e.untag(c, r)
	}
	e.saveRepo(r, now)
	e.askOwn(added)

	listed := make(map[relayurl.URL]bool, len(now.Relays))
	for _, u := range now.Relays {
		if e.cfg.excluded(u) {
			continue
		}
		listed[u] = true
		if m := e.remote(u); m != nil {
			e.join(r, m, true)
		}
	}
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
			w.remote.live.AddRepos(w.liveCoords(added))
			e.queue(w)
		}
	}
}

// sortedWants lists the wants of the repo by relay.
func (r *repo) sortedWants() []*want {
	return slices.SortedFunc(maps.Values(r.wants), func(a, b *want) int { return cmp.Compare(a.remote.url, b.remote.url) })
}

// liveCoords are the coordinates to subscribe to: none at a relay that no announcement names.
func (w *want) liveCoords(refs []event.Ref) []event.Ref {
	if !w.listed {
		return nil
	}
	return refs
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
	w := r.wants[m.url]
	if w == nil {
		w = &want{repo: r, remote: m}
		r.wants[m.url] = w
		m.wants[r.ref] = w
		if m.identifiers[r.ref.D]++; m.identifiers[r.ref.D] == 1 {
			m.live.AddStates([]string{r.ref.D})
		}
	}
	if listed && !w.listed {
		w.listed = true
		m.live.AddRepos(r.currentCoords())
		m.live.AddRoots(r.roots)
	}
	if !listed && w.listed {
		w.listed = false
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
	e.deafen(w, r.coords, r.roots)
	e.persist(SaveCoverage{Relay: m.url, Repo: r.ref}) // should the relay be named again, nothing is confirmed
	if m.identifiers[r.ref.D]--; m.identifiers[r.ref.D] == 0 {
		delete(m.identifiers, r.ref.D)
		m.live.RemoveStates([]string{r.ref.D})
	}
	e.touch(m)
}

// deafen stops listening for what no other want of the relay listens for: repos share coordinates and roots.
func (e *Engine) deafen(w *want, coords []event.Ref, roots []event.ID) {
	m := w.remote
	shared := func(r *repo) bool {
		o := m.wants[r.ref]
		return r != w.repo && o != nil && o.listed
	}
	m.live.RemoveRepos(slices.DeleteFunc(slices.Clone(coords), func(c event.Ref) bool { return slices.ContainsFunc(e.tagged[c], shared) }))
	m.live.RemoveRoots(slices.DeleteFunc(slices.Clone(roots), func(id event.ID) bool { return slices.ContainsFunc(e.homes[id], shared) }))
}

func (e *Engine) dropRepo(r *repo) {
	for _, w := range r.sortedWants() {
		e.leave(w)
	}
	for c := range r.current {
		e.untag(c, r)
	}
	for _, id := range r.roots {
		e.unhome(id, r)
	}
	delete(e.repos, r.ref)
	delete(e.saved, r.ref)
	e.persist(DropRepo{r.ref})
}

// saveRepo stores the announcements that make the repo, those that are new or newer.
func (e *Engine) saveRepo(r *repo, now nip34.Repo) {
	for _, c := range now.Coordinates {
		a, ok := e.index.Newest(c)
		if !ok {
			continue
		}
		row := SaveRepo{Ref: c, Announcement: a.Event, Full: true}
		if own := e.repos[c]; own != nil {
			row.Coordinates = own.coords
		}
		key := savedRepo{a.Event.ID, len(row.Coordinates)}
		if e.saved[c] != key {
			e.saved[c] = key
			e.persist(row)
		}
	}
}

// savedRepo tells one stored version of an announcement from another.
type savedRepo struct {
	id     event.ID
	coords int
}

func (e *Engine) untag(c event.Ref, r *repo) {
	if rest := slices.DeleteFunc(e.tagged[c], func(x *repo) bool { return x == r }); len(rest) > 0 {
		e.tagged[c] = rest
	} else {
		delete(e.tagged, c)
	}
}

func (e *Engine) unhome(id event.ID, r *repo) {
	if rest := slices.DeleteFunc(e.homes[id], func(x *repo) bool { return x == r }); len(rest) > 0 {
		e.homes[id] = rest
	} else {
		delete(e.homes, id)
	}
}

// addRoot numbers a root event in every repo that it tags; one without a known coordinate inherits the
// repos of a root that it references (DESIGN §7).
func (e *Engine) addRoot(id event.ID, createdAt int64, refs event.References) {
	for _, c := range refs.Refs {
		for _, r := range e.tagged[c] {
			e.number(r, id, createdAt)
		}
	}
	if len(refs.Refs) > 0 {
		return
	}
	for _, parent := range refs.IDs {
		for _, r := range slices.Clone(e.homes[parent]) {
			e.number(r, id, createdAt)
		}
		if len(e.homes[parent]) == 0 {
			e.keepOrphan(parent, orphan{id, createdAt}) // pages come newest first
		}
	}
}

// orphan is a root that names only roots, none of which is known yet.
type orphan struct {
	id        event.ID
	createdAt int64
}

// orphansKept bounds the orphans in all.
const orphansKept = 10_000

func (e *Engine) keepOrphan(parent event.ID, o orphan) {
	if e.orphaned < orphansKept && !slices.Contains(e.orphans[parent], o) {
		e.orphaned++
		e.orphans[parent] = append(e.orphans[parent], o)
	}
}

func (e *Engine) number(r *repo, id event.ID, createdAt int64) {
	if slices.Contains(e.homes[id], r) {
		return
	}
	if len(r.roots) >= e.cfg.RootsPerRepo {
		r.capped = true
		return
	}
	n := uint32(len(r.roots))
	r.roots = append(r.roots, id)
	e.homes[id] = append(e.homes[id], r)
	e.persist(SaveRoot{Repo: r.ref, N: n, ID: id, CreatedAt: createdAt})
	for _, w := range r.sortedWants() {
		if w.listed {
			w.remote.live.AddRoots([]event.ID{id})
			e.queue(w)
		}
	}
	for _, o := range e.orphans[id] {
		e.number(r, o.id, o.createdAt)
	}
}

// queue puts a want with something missing where plan will find it.
func (e *Engine) queue(w *want) {
	if !w.queued && w.missing() {
		w.queued = true
		w.remote.todo = append(w.remote.todo, w)
	}
	e.touch(w.remote)
}
