package sync

import (
	"maps"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
)

// An own relay may accept an announcement and serve it only once it has the git data, which it fetches by what a state says (GRASP-01).
// So the states of such a repo are asked for, at all relays that the announcement names. The rest waits: the own relay refuses it until
// the announcement is served.

// isHeld reports that the own relay does not serve the announcement yet.
func (e *Engine) isHeld(ref event.Ref) bool {
	_, held := e.held[ref]
	return held
}

// holds takes in what the own relay has accepted and does not serve. Where it serves an older version, that one counts until the newer
// is shown.
func (e *Engine) holds(h relay.Holds) {
	still := map[event.ID]bool{}
	var add []*nip34.Announcement
	for _, a := range h.Announcements {
		still[a.ID] = true
		last, known := e.index.Newest(a.Ref)
		switch {
		case e.withdrawn.covers(a), known && !a.Supersedes(last):
		case known && !e.isHeld(a.Ref):
			e.next[a.Ref] = a
		default:
			e.held[a.Ref] = a.ID
			add = append(add, a)
		}
	}
	e.reshape(e.apply(add, nil))
	if !h.All {
		return
	}
	for _, ref := range sortedRefs(slices.Collect(maps.Keys(e.held))) {
		if id := e.held[ref]; !still[id] { // it was given up just before the last end
			e.released(relay.Released{ID: id, Ref: ref})
		}
	}
}

// released takes in that an announcement is not held any more.
func (e *Engine) released(r relay.Released) {
	if a := e.next[r.Ref]; a != nil && a.ID == r.ID {
		delete(e.next, r.Ref)
	}
	switch {
	case e.held[r.Ref] != r.ID: // a newer one is, or it was shown
	case r.Served:
		delete(e.held, r.Ref)
		e.reshape(e.index.RootsOf(r.Ref))
	default:
		e.unwant(r.Ref)
	}
}

// shown notes that the own relay serves announcements, and gives the repos of those that it held. Where it serves an older one than it
// holds, the older counts.
func (e *Engine) shown(as []*nip34.Announcement) (served []event.Ref) {
	for _, a := range as {
		if next := e.next[a.Ref]; next != nil && !next.Supersedes(a) {
			delete(e.next, a.Ref)
		}
		if !e.isHeld(a.Ref) {
			continue
		}
		if last, known := e.index.Newest(a.Ref); known && last.Supersedes(a) {
			e.unwant(a.Ref)
			e.next[a.Ref] = last
			continue
		}
		delete(e.held, a.Ref)
		served = append(served, e.index.RootsOf(a.Ref)...)
	}
	return served
}

// holdsNext takes in a newer version that the own relay holds, since it serves none any more.
func (e *Engine) holdsNext(ref event.Ref) {
	if a := e.next[ref]; a != nil {
		delete(e.next, ref)
		e.holds(relay.Holds{Announcements: []*nip34.Announcement{a}})
	}
}
