package relay

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Bounds of what the engine hears of accepted events.
const (
	takenBatch = 256         // events of one Accepted
	takenWait  = time.Second // of the first of them
	takenRefs  = 50          // ids, and coordinates, of one event
	maxLacks   = 10          // of one event (DESIGN §5, ancestors)
)

// Kinds of replies beside comments.
const (
	kindNote  = 1    // NIP-01
	kindReply = 1622 // NIP-34, before comments took its place
)

// taken are accepted events that the engine has not heard of yet.
type taken struct {
	events []AcceptedEvent
	due    time.Time // zero when there are none
}

// acceptedEvent is what the engine hears of an event, but for what it lacks.
func acceptedEvent(e *event.Event, refs event.References) AcceptedEvent {
	refs = event.References{IDs: refs.IDs[:min(len(refs.IDs), takenRefs)], Refs: refs.Refs[:min(len(refs.Refs), takenRefs)]}
	return AcceptedEvent{ID: e.ID, Kind: e.Kind, CreatedAt: int64(e.CreatedAt), Refs: refs}
}

// noteTaken keeps for the engine that the own relay has an event.
func (c *core) noteTaken(e AcceptedEvent) {
	if len(c.taken.events) == 0 {
		c.taken.due = c.now.Add(takenWait)
	}
	e.Lacks = c.lacks(e)
	c.taken.events = append(c.taken.events, e)
	if len(c.taken.events) >= takenBatch {
		c.tellTaken()
	}
}

// tellTaken reports what is kept.
func (c *core) tellTaken() {
	if len(c.taken.events) > 0 {
		c.do(tell{Accepted{Events: c.taken.events, Seq: c.seq}})
		c.taken = taken{}
	}
}

// lacks gives the ancestors of an accepted event that are to be asked for: ids that it references and that nobody knows here.
// What is at hand, in the queue or parked because nothing that it references is known, is taken as asked for. An event that
// is in scope only as an ancestor has none: the depth ends there (DESIGN §5).
func (c *core) lacks(e AcceptedEvent) []event.ID {
	if !hasAncestors(e.Kind) || !c.related(e.Refs) {
		return nil
	}
	var lacks []event.ID
	found := 0
	for _, id := range e.Refs.IDs {
		if found == maxLacks {
			break
		}
		d := c.known[id]
		switch {
		case c.vouch(id):
			found++
		case d == Unknown || d == Irrelevant:
			lacks = append(lacks, id)
			found++
		}
	}
	return lacks
}

// hasAncestors reports the kinds whose e, E and q lead to what a conversation rests on.
func hasAncestors(kind int) bool {
	switch kind {
	case kindNote, event.KindComment, kindReply,
		event.KindStatusOpen, event.KindStatusMerged, event.KindStatusClosed, event.KindStatusDraft:
		return true
	}
	return event.IsRoot(kind)
}

// vouch takes an event that is at hand as an ancestor asked for: one in the queue, or a parked one, which is woken when it
// waits for a parent, once. It reports whether the event is at hand.
func (c *core) vouch(id event.ID) bool {
	if w := c.works[id]; w != nil {
		w.vouched = true
		return true
	}
	r := c.pool.rows[id]
	if r == nil {
		return false
	}
	if !r.vouched && (r.cause == CauseParent || r.behind) {
		c.pool.lift(r)
	}
	r.vouched = true
	return true
}
