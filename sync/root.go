package sync

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// rootEvent is what is kept of a root event, by its number in names.
type rootEvent struct {
	home   *repo // the first repo that it belongs to
	active int64 // created_at of the newest event that is known to tag it, at least its own; unix seconds
}

// homes are the repos of a root event, empty when it is not known or deleted.
func (e *Engine) homes(id event.ID) []*repo {
	v, ok := e.names.roots.of[id]
	if !ok || e.gone(v) {
		return nil
	}
	return e.homesOf(v)
}

func (e *Engine) homesOf(v filters.Value) []*repo {
	if more := e.shared[v]; more != nil {
		return more
	}
	if home := e.roots[v].home; home != nil {
		return []*repo{home}
	}
	return nil
}

// home adds a root to a repo as its next number.
func (e *Engine) home(r *repo, id event.ID, active int64) filters.Value {
	v := e.names.roots.use(id)
	if int(v) == len(e.roots) {
		e.roots = append(e.roots, rootEvent{})
	}
	x := &e.roots[v]
	switch {
	case e.names.roots.uses[v] == 1:
		*x = rootEvent{home: r, active: active}
	case e.shared[v] == nil:
		e.shared[v] = []*repo{x.home, r}
	default:
		e.shared[v] = append(e.shared[v], r)
	}
	x.active = max(x.active, active)
	r.roots = append(r.roots, v)
	r.active = max(r.active, x.active)
	return v
}

// unhome takes a root out of a repo that is dropped.
func (e *Engine) unhome(v filters.Value, r *repo) {
	rest := slices.DeleteFunc(slices.Clone(e.homesOf(v)), func(x *repo) bool { return x == r })
	if e.names.roots.leave(v) {
		e.roots[v] = rootEvent{}
		return
	}
	e.roots[v].home = rest[0]
	if delete(e.shared, v); len(rest) > 1 {
		e.shared[v] = rest
	}
}

// addRoot numbers a root event in every repo that it tags; one without a known coordinate inherits the
// repos of a root that it references (DESIGN §7).
func (e *Engine) addRoot(id event.ID, createdAt int64, refs event.References, now time.Time) {
	for _, c := range refs.Refs {
		for _, r := range e.tagged[c] {
			e.number(r, id, createdAt, now)
		}
	}
	if len(refs.Refs) > 0 {
		if len(e.homes(id)) > 0 {
			e.dropOrphans(id) // they have their numbers
		}
		return
	}
	for _, parent := range refs.IDs {
		homes := slices.Clone(e.homes(parent))
		for _, r := range homes {
			e.number(r, id, createdAt, now)
		}
		if len(homes) == 0 {
			e.keepOrphan(parent, orphan{id, createdAt}) // pages come newest first
		}
	}
}

// numberOf gives the number of a root of the repo.
func (r *repo) numberOf(v filters.Value) uint32 { return uint32(slices.Index(r.roots, v)) }

// orphan is a root that names only roots, none of which is known yet.
type orphan struct {
	id        event.ID
	createdAt int64
}

// orphansKept bounds the orphans in all.
const orphansKept = 10_000

func (e *Engine) keepOrphan(parent event.ID, o orphan) {
	if slices.Contains(e.orphans[parent], o) {
		return
	}
	for other := range e.orphans { // any: the picture of the next day shows it again
		if e.orphaned < orphansKept {
			break
		}
		e.dropOrphans(other)
	}
	e.orphaned++
	e.orphans[parent] = append(e.orphans[parent], o)
}

// dropOrphans forgets those that wait for a parent.
func (e *Engine) dropOrphans(parent event.ID) {
	e.orphaned -= len(e.orphans[parent])
	delete(e.orphans, parent)
}

func (e *Engine) number(r *repo, id event.ID, createdAt int64, now time.Time) {
	if v, known := e.names.roots.of[id]; e.withdrawn.ids[id] || known && (e.gone(v) || slices.Contains(e.homesOf(v), r)) {
		return
	}
	if len(r.roots) >= e.cfg.RootsPerRepo {
		if !r.capped {
			r.capped = true
			e.log.Warn("repo has more root events than limits.roots_per_repo; what is said about the others is not asked for",
				zap.Stringer("repo", r.ref), zap.Int("roots", len(r.roots)))
		}
		return
	}
	n := uint32(len(r.roots))
	v := e.home(r, id, min(createdAt, now.Unix()))
	e.persist(SaveRoot{Repo: r.ref, N: n, ID: id, CreatedAt: createdAt, Active: e.roots[v].active})
	for _, w := range r.sortedWants() {
		if w.listed {
			e.listen(w.remote, filters.Roots, v)
			e.queue(w)
		}
	}
	for _, o := range e.orphans[id] {
		e.number(r, o.id, o.createdAt, now)
	}
}

// stir notes that something was said about a root. A root that had been silent for long may have missed what is said outside the
// live filters: where it is not live it is asked from the top.
func (e *Engine) stir(id event.ID, createdAt int64, now time.Time) {
	v, ok := e.names.roots.of[id]
	if !ok || e.gone(v) {
		return
	}
	x := &e.roots[v]
	before := x.active
	x.active = max(before, min(createdAt, now.Unix()))
	if x.active == before {
		return
	}
	woken := before < now.Add(-hot).Unix() && x.active >= now.Add(-hot).Unix()
	for _, r := range e.homesOf(v) {
		r.active = max(r.active, x.active)
		moved := x.active/activeStep != before/activeStep
		if !moved && !woken {
			continue
		}
		n := r.numberOf(v)
		if moved {
			e.persist(SaveRoot{Repo: r.ref, N: n, ID: id, CreatedAt: before, Active: x.active})
		}
		if woken {
			e.wakeRoot(r, v, n)
		}
	}
}

// activeStep is the grain of stored activity, in seconds.
const activeStep = 3600

// wakeRoot has a root that has become active asked anew where it is not live, and offers it a place among what is.
func (e *Engine) wakeRoot(r *repo, v filters.Value, n uint32) {
	for _, w := range r.sortedWants() {
		m := w.remote
		if !w.listed || (m.live != nil && m.live.Has(filters.Roots, v)) {
			continue
		}
		if m.live != nil {
			m.offer(v)
		}
		if w.roots.confirmed.Has(n) {
			w.roots.confirmed.Remove(Span{n, n + 1})
			w.roots.asked.Remove(Span{n, n + 1})
			e.persist(w.row())
			e.queue(w)
		}
	}
}
