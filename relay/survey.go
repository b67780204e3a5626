package relay

import (
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// unsureKept bounds the events of a survey whose ancestors are looked for when it is over.
const unsureKept = 10_000

// surveyed takes events that the own relay holds of wanted repos. Signatures are not checked: whether it has them is all that is recorded,
// and that it says itself. over ends the survey: what its events reference and it has not shown is lacking.
func (c *core) surveyed(now time.Time, events []*event.Event, over bool) {
	c.now = now
	for _, e := range events {
		c.holds(e)
	}
	if over {
		for _, e := range c.unsure {
			c.noteTaken(e)
		}
		c.unsure = nil
	}
	c.pump()
}

// holds records one event that the own relay has. It is not sent, and not counted as an event that came.
func (c *core) holds(e *event.Event) {
	if untouchable(e, c.now) != "" || (addressed(e.Kind) && !c.scope.index.Covers(e.Coordinate())) {
		return
	}
	before, open := c.known[e.ID], c.works[e.ID] != nil
	c.seen(e.ID)
	switch e.Kind {
	case event.KindState:
		c.replaced(e.Coordinate(), version{int64(e.CreatedAt), e.ID})
		c.lift(c.needs.refs[e.Coordinate()])
	case event.KindDeletion:
		c.bury(deletionOf(e))
	}
	// Announcements and roots are known from the picture, without a row.
	pictured := e.Kind == event.KindAnnouncement || event.IsRoot(e.Kind)
	if open || before == Parked || (before == Stored && !pictured) {
		return // recorded already, or with what becomes of it now
	}
	c.seq = c.o.Ledger.Record(Entry{Event: e, Disposition: Stored, Reason: "on the own relay", Source: c.o.Own, At: c.now})
	a := acceptedEvent(e, e.References())
	if len(c.unsure) < unsureKept && len(c.lacks(a)) > 0 { // newest come first, what they reference behind them
		c.unsure = append(c.unsure, a)
		return
	}
	c.noteTaken(a)
}

// lost forgets events that the own relay had and has no longer, so that they are new when they come again. It gives their number. What it
// says it takes and does not keep stays known for a while, see losses.
func (c *core) lost(now time.Time, ids []event.ID) int {
	c.now = now
	var gone []event.ID
	for _, id := range ids {
		if c.known[id] == Stored && c.works[id] == nil {
			gone = append(gone, id)
		}
	}
	if kept := c.losses.sift(now, gone, len(c.known)-c.outside); len(kept) < len(gone) {
		c.log.Warn("own relay loses events again that it took again; they wait", zap.Int("events", len(gone)-len(kept)))
		gone = kept
	}
	if len(gone) > 0 {
		c.forget(gone...)
		c.o.Metrics.lost(len(gone))
	}
	c.pump()
	return len(gone)
}
