package relay

import (
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// When an event that the own relay holds is offered again, counted from the last time; daily after that. It is given up with the age
// of its row (PublisherOptions.PendingAge).
var heldAgain = [...]time.Duration{time.Hour, 4 * time.Hour}

const heldDaily = 24 * time.Hour

// hold keeps an event that the own relay has and does not serve yet, as ngit-grasp does until the git data arrives. It counts as
// accepted. Its row is there to offer it again, until the own relay shows it or says that it has it.
func (c *core) hold(w *work, reason string) {
	if by := c.buried(w.event); by != "" { // since it was sent
		c.conclude(w, Tombstone, by)
		return
	}
	n := 0
	if w.isHeld() {
		n = w.row.tries + 1
	} else {
		if a := w.announcement; a != nil { // before what it takes the place of is let go
			c.tellHeld([]*nip34.Announcement{a}, false)
		}
		c.accepted(w)
		c.noteTaken(acceptedEvent(w.event, w.refs))
	}
	wait := heldDaily
	if n < len(heldAgain) {
		wait = heldAgain[n]
	}
	c.park(w, Waiting{Cause: CauseHeld, Due: c.now.Add(wait), Tries: n, Needs: repoOf(w), Reason: reason})
}

// tellHeld has the engine ask for the states of repos whose announcement is held: without one the own relay cannot know what git data it
// waits for.
func (c *core) tellHeld(as []*nip34.Announcement, all bool) {
	as = slices.DeleteFunc(as, func(a *nip34.Announcement) bool { return c.onHold[a.ID] == a.Ref })
	for _, a := range as {
		c.onHold[a.ID] = a.Ref
	}
	if all || len(as) > 0 {
		c.do(tell{Holds{Announcements: as, All: all}})
	}
}

// letGo tells the engine that an announcement is not held any more. One that is superseded made way for a version that is served, or
// the engine knows of one that is held in its place.
func (c *core) letGo(id event.ID, d Disposition) {
	if ref, held := c.onHold[id]; held && d != Held {
		delete(c.onHold, id)
		c.do(tell{Released{ID: id, Ref: ref, Served: d == Stored || d == Superseded}})
	}
}

// isHeld reports that the own relay holds the event since an earlier offer.
func (w *work) isHeld() bool { return w.row != nil && !w.row.gone && w.row.cause == CauseHeld }

// stillHeld is the row of a held event that could not be offered again just now: it stays held, whatever was in the way.
func (w *work) stillHeld(now time.Time, p Waiting) Waiting {
	p.Cause, p.Due, p.Tries, p.Needs = CauseHeld, now.Add(parkedMax), w.row.tries, w.row.needs
	return p
}

// repoOf gives the announcements and states of an event's repo. When another one of these is stored, what is held may be served by now.
func repoOf(w *work) event.References {
	refs := w.refs.Refs
	if addressed(w.event.Kind) {
		refs = []event.Ref{event.RepoRef(w.event.PubKey, w.event.D())}
	}
	var of event.References
	for _, ref := range refs {
		if ref.Kind == event.KindAnnouncement {
			of.Refs = append(of.Refs, ref, event.Ref{Kind: event.KindState, PubKey: ref.PubKey, D: ref.D})
		}
	}
	return of
}

// index is where the needs of a row stand.
func (c *core) index(r *row) needs {
	if r.cause == CauseHeld {
		return c.held
	}
	return c.needs
}

// reoffer has held events offered again: the announcement or the state of their repo is on the own relay.
func (c *core) reoffer(ref event.Ref) {
	for id := range c.held.refs[ref] {
		if r := c.pool.rows[id]; r != nil && c.works[id] == nil {
			c.pool.wake(r)
		}
	}
}

// loadHeld takes held events of the store into scope: the own relay does not show them. It gives the announcements among them.
func (c *core) loadHeld(rows []Waiting) (as []*nip34.Announcement) {
	for _, p := range rows {
		if c.buried(p.Event) != "" {
			continue
		}
		switch p.Event.Kind {
		case event.KindAnnouncement:
			if a, err := nip34.ParseAnnouncement(p.Event); err == nil {
				c.announced([]*nip34.Announcement{a}, nil)
				as = append(as, a)
			}
		case event.KindState:
			c.replaced(p.Event.Coordinate(), version{int64(p.Event.CreatedAt), p.Event.ID})
		}
	}
	return as
}

// confirm records without its content that the own relay has an event which the ledger knows.
func (c *core) confirm(id event.ID) {
	c.seq = c.o.Ledger.Amend([]event.ID{id}, Stored, "on the own relay", c.now)
	if r := c.pool.rows[id]; r != nil {
		c.unpark(r)
	}
}
