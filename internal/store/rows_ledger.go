package store

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// Record says what became of an event; e.Event must be there. The first source and the first time of an id stay.
// The pending row, if there is one, stays too: Unpark removes it.
func (s *Store) Record(e relay.Entry) relay.Seq {
	return s.queue.pushOps(&op{
		verb: record, id: e.Event.ID, facts: factsOf(e.Event), at: moment(e.At),
		entry: entry{disposition: e.Disposition, reason: clip(e.Reason), source: e.Source, offer: e.Offer},
	})
}

// Park puts an event into the pending table, or changes its row there; without w.Event it only changes one. The ledger
// says pending from then on, or held with that cause. Without room for the row nothing happens, and Park is false.
func (s *Store) Park(w relay.Waiting) (relay.Seq, bool) {
	w.Index = nil
	o := &op{verb: park, id: w.ID, wait: &w, at: time.Now()}
	if w.Event != nil {
		o.id, w.ID, w.Kind = w.Event.ID, w.Event.ID, w.Event.Kind
		o.facts = factsOf(w.Event)
		if !w.Since.IsZero() {
			o.at = w.Since
		}
	}
	return s.queue.offer(o)
}

// Amend changes what became of ids that have a row; nothing else of it changes.
func (s *Store) Amend(ids []event.ID, d relay.Disposition, reason string, at time.Time) relay.Seq {
	ops := make([]*op, len(ids))
	for i, id := range ids {
		ops[i] = &op{verb: amend, id: id, at: moment(at), entry: entry{disposition: d, reason: clip(reason)}}
	}
	return s.queue.pushOps(ops...)
}

// Unpark removes a pending row. When nothing else was recorded of the event, it is not known any more.
func (s *Store) Unpark(id event.ID) relay.Seq {
	return s.queue.pushOps(&op{verb: unpark, id: id})
}

// Forget removes ids from the ledger and from the pending table.
func (s *Store) Forget(ids []event.ID) relay.Seq {
	ops := make([]*op, len(ids))
	for i, id := range ids {
		ops[i] = &op{verb: forget, id: id}
	}
	return s.queue.pushOps(ops...)
}

// OfferRefused lets all events be offered again from a moment on that are rejected, or over a limit of the own relay's. Explain
// shows it once it is written.
func (s *Store) OfferRefused(from time.Time) relay.Seq {
	return s.queue.pushRows([]*item{{offer: from}})
}

// Apply queues rows of the engine. Rows that confirm something and rest on a row that was dropped are not written.
func (s *Store) Apply(rows []sync.Row, rests relay.Seq) {
	items := make([]*item, len(rows))
	for i, row := range rows {
		items[i] = &item{row: row, rests: rests}
	}
	s.queue.pushRows(items)
}

// Recover says that nothing which is applied from now on rests on rows up to the given number, as Lost delivered it:
// what they were for has been unconfirmed and will be asked again. Confirms are taken again.
func (s *Store) Recover(upTo relay.Seq) { s.queue.pushRows([]*item{{recover: upTo}}) }

func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}
