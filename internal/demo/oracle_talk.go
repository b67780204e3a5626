package demo

import (
	"maps"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// talk is what belongs to a project and is accepted, by the layers of DESIGN §5.
type talk struct {
	events  map[event.ID]*event.Event // all of it
	roots   map[event.ID]bool
	authors map[event.PubKey]bool // whose deletions are asked for
}

// conversations accepts what names the project or a root of it, then what names a comment or a status, then what these rest on; each
// only as far as it lies on a relay of the project and that relay gives it.
func (o *oracle) conversations(p *project) {
	p.talk = talk{events: map[event.ID]*event.Event{}, roots: map[event.ID]bool{}, authors: maps.Clone(p.members)}
	for o.accept(p, p.direct) {
	}
	for _, e := range p.events {
		p.authors[e.PubKey] = true
	}
	comments := o.comments(p)
	o.accept(p, func(_ contents, e *event.Event) bool {
		return slices.Contains([]int{1, 7, 1111, 1985, 9735}, e.Kind) && names(e, comments, "e", "q")
	})
	lacking := map[event.ID]bool{}
	for id, e := range p.events {
		if p.roots[id] || o.isComment(e.Kind) {
			for _, below := range e.References().IDs {
				lacking[below] = true
			}
		}
	}
	o.accept(p, func(_ contents, e *event.Event) bool { return lacking[e.ID] })
	if o.lenient {
		for _, e := range p.events {
			p.authors[e.PubKey] = true
		}
	}
}

// accept takes what belongs to the project by a rule, and reports whether there was anything new.
func (o *oracle) accept(p *project, rule func(r contents, e *event.Event) bool) bool {
	found := false
	for _, r := range o.relays {
		if !p.relays[r.name] {
			continue
		}
		if o.lenient {
			r.guarded, r.longest = false, 0
		}
		for _, e := range r.events {
			if p.events[e.ID] == nil && carried(e) && (!r.guarded || stated(e.Kind)) && rule(r, e) {
				p.events[e.ID], found = e, true
				o.want(e)
			}
		}
	}
	return found
}

// direct are layers 2 and 3. A root is one that tags a coordinate of ours, or none and another root.
func (p *project) direct(r contents, e *event.Event) bool {
	about := false
	for _, ref := range e.References().Refs {
		about = about || p.covers(ref) && (r.longest == 0 || len(ref.String()) <= r.longest)
	}
	within := names(e, p.roots, "e", "E", "q")
	if event.IsRoot(e.Kind) && (p.tagged(e) || within && len(values(e, "a")) == 0) && (about || within) {
		p.roots[e.ID] = true
	}
	return about || within
}

func (p *project) covers(ref event.Ref) bool {
	return ref.Kind == event.KindAnnouncement && ref.D == p.d && p.members[ref.PubKey]
}

func (p *project) tagged(e *event.Event) bool {
	return slices.ContainsFunc(values(e, "a"), func(v string) bool {
		ref, err := event.ParseRef(v)
		return err == nil && p.covers(ref)
	})
}

// comments are what layer 3b looks around.
func (o *oracle) comments(p *project) map[event.ID]bool {
	out := map[event.ID]bool{}
	for id, e := range p.events {
		if o.isComment(e.Kind) {
			out[id] = true
		}
	}
	return out
}

// isComment reports comments and statuses. Notes and the old replies may count as comments.
func (o *oracle) isComment(kind int) bool {
	return kind == event.KindComment || kind >= event.KindStatusOpen && kind <= event.KindStatusDraft || o.lenient && (kind == kindNote || kind == 1622)
}

// carried reports an event that is synced like any other: announcements, states and deletions have rules of their own, and
// some are never synced.
func carried(e *event.Event) bool {
	switch e.Kind {
	case event.KindAnnouncement, event.KindState, event.KindDeletion, event.KindVanish, event.KindGiftWrap, event.KindAuth:
		return false
	}
	return (e.Kind < 20000 || e.Kind >= 30000) && !e.Protected() && !e.Expired(time.Now())
}

// stated reports the kinds that a guarded relay is asked for (DESIGN §5, dialect). It keeps notes to itself.
func stated(kind int) bool {
	return kind >= event.KindPatch && kind <= event.KindPRUpdate || kind >= event.KindStatusOpen && kind <= event.KindStatusDraft ||
		slices.Contains([]int{event.KindIssue, 5, 7, 62, 1111, 1622, 1624, 1985, 7321, 9735, 9841, 9842}, kind)
}

// names reports whether an event has one of the ids in one of the tags.
func names(e *event.Event, ids map[event.ID]bool, tags ...string) bool {
	for _, tag := range tags {
		for _, v := range values(e, tag) {
			if id, err := event.ParseID(v); err == nil && ids[id] {
				return true
			}
		}
	}
	return false
}

// deletions takes out of what is wanted what its author has deleted, as far as the deletion is found: by the author, or by what it
// names. It gives those that name something of ours, and may be on the own relay.
func (o *oracle) deletions() map[event.ID]bool {
	ours := map[event.ID]bool{}
	for id := range o.wanted {
		ours[id] = true
	}
	out := map[event.ID]bool{}
	for _, r := range o.relays {
		for _, e := range r.events {
			if e.Kind == event.KindDeletion && o.hears(r, e) && o.concerns(e, ours) {
				out[e.ID] = true
				o.obey(e)
			}
		}
	}
	return out
}

// hears reports whether a deletion is found on a relay.
func (o *oracle) hears(r contents, e *event.Event) bool {
	for _, p := range o.projects {
		if p.relays[r.name] && (p.authors[e.PubKey] || names(e, p.roots, "e") || names(e, o.comments(p), "e") ||
			slices.ContainsFunc(e.References().Refs, p.covers)) {
			return true
		}
	}
	return false
}

// concerns reports whether a deletion names something of ours.
func (o *oracle) concerns(e *event.Event, ours map[event.ID]bool) bool {
	return names(e, ours, "e") || slices.ContainsFunc(e.References().Refs, func(ref event.Ref) bool {
		return slices.ContainsFunc(o.projects, func(p *project) bool { return p.d == ref.D && p.members[ref.PubKey] })
	})
}

// obey takes out what one deletion names and its author wrote: by id, or by coordinate up to its own time (NIP-09).
func (o *oracle) obey(deletion *event.Event) {
	refs := deletion.References()
	for id, want := range o.wanted {
		e := want.Event
		if e.PubKey != deletion.PubKey {
			continue
		}
		if slices.Contains(refs.IDs, id) ||
			event.IsReplaceable(e.Kind) && slices.Contains(refs.Refs, e.Coordinate()) && e.CreatedAt <= deletion.CreatedAt {
			delete(o.wanted, id)
		}
	}
}
