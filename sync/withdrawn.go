package sync

import (
	"math"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
)

// withdrawn remembers what has been deleted on the own relay since the start: what it showed just before may still be on its way here.
type withdrawn struct {
	ids  map[event.ID]bool
	refs map[event.Ref]int64    // up to which created_at
	all  map[event.PubKey]int64 // likewise
}

// withdrawnKept bounds what is remembered of a kind.
const withdrawnKept = 100_000

func newWithdrawn() withdrawn {
	return withdrawn{map[event.ID]bool{}, map[event.Ref]int64{}, map[event.PubKey]int64{}}
}

func (w *withdrawn) note(d relay.Deletion) {
	if max(len(w.ids), len(w.refs), len(w.all)) >= withdrawnKept {
		*w = newWithdrawn() // at worst something stays wanted until the next picture
	}
	for _, id := range d.IDs {
		w.ids[id] = true
	}
	for _, ref := range d.Refs {
		w.refs[ref] = max(w.refs[ref], d.Until)
	}
	if d.All {
		w.all[d.Author] = max(w.all[d.Author], d.Until)
	}
}

func (w *withdrawn) covers(a *nip34.Announcement) bool {
	if w.ids[a.ID] {
		return true
	}
	until, ok := w.refs[a.Ref]
	if ok && a.CreatedAt <= until {
		return true
	}
	until, ok = w.all[a.Ref.PubKey]
	return ok && a.CreatedAt <= until
}

// deleted ends the wants of repos and roots that their author has deleted, and of what hangs on them. Versions of an announcement that
// are younger than the deletion stay (NIP-09).
func (e *Engine) deleted(d relay.Deletion) {
	e.withdrawn.note(d)
	for _, a := range e.index.By(d.Author) {
		if d.Covers(a.Ref, a.ID, a.CreatedAt) {
			e.unwant(a.Ref)
		}
	}
	for _, id := range d.IDs {
		e.dropRoot(id)
	}
}

// goneRoot stands in rootEvent.active of a root that its author has deleted. It keeps its number: Coverage counts by it.
const goneRoot = math.MinInt64

func (e *Engine) gone(v filters.Value) bool { return e.roots[v].active == goneRoot }

// dropRoot ends what is asked about a root.
func (e *Engine) dropRoot(id event.ID) {
	v, ok := e.names.roots.of[id]
	if !ok || e.gone(v) {
		return
	}
	active := e.roots[v].active
	for _, r := range e.homesOf(v) {
		e.persist(SaveRoot{Repo: r.ref, N: r.numberOf(v), ID: id, CreatedAt: active, Active: active, Gone: true})
		for _, w := range r.sortedWants() {
			if m := w.remote; w.listed && m.live != nil {
				m.ignore(filters.Roots, v)
				e.touch(m)
			}
		}
	}
	e.roots[v].active = goneRoot
}

// rootIDs are the roots of a repo that are not deleted.
func (e *Engine) rootIDs(r *repo) []event.ID {
	out := make([]event.ID, 0, len(r.roots))
	for _, v := range r.roots {
		if !e.gone(v) {
			out = append(out, e.names.roots.names[v])
		}
	}
	return out
}
