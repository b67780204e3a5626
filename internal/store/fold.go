package store

import (
	"time"

	"github.com/ngit-sync/ngit-sync/relay"
)

// fate is what the ledger and the pending table say of one id, while changes are applied to it in order. It begins as
// what the database says, and only changes touch the rest.
type fate struct {
	exists      bool // in the ledger
	disposition relay.Disposition
	waits       bool // in the pending table

	changed bool   // entry and at are to be written
	facts   *facts // for a ledger row that is not there yet
	entry   entry
	fresh   bool      // a change made the row, also where there was one that a change before it removed
	seen    time.Time // when it did
	at      time.Time // last change

	wait  *relay.Waiting // to be written; nil: as in the database
	whole bool           // wait brings the event
	stray bool           // a Park without event found no row to change
}

// apply changes the fate as one op says.
//
// The rules: Record sets the ledger row and leaves the pending row alone; Amend does so with a row that is there. Park adds
// or changes the pending row and makes the ledger say pending or held. Unpark removes the pending row, and the ledger row if
// it still says so: nobody knows that event any more. Forget removes both.
func (f *fate) apply(o *op) {
	switch o.verb {
	case record:
		f.set(o, o.entry)
	case amend:
		if f.exists {
			f.set(o, o.entry)
		}
	case bury: // is no row of the ledger
	case park:
		f.park(o)
	case unpark:
		f.waits, f.wait, f.whole = false, nil, false
		if f.disposition == relay.Parked || f.disposition == relay.Held {
			f.drop()
		}
	case forget:
		f.waits, f.wait, f.whole = false, nil, false
		f.drop()
	}
}

// offer lets a refused event be offered again. What is as in the database is changed there.
func (f *fate) offer(from time.Time) {
	if f.changed && (f.disposition == relay.Rejected || f.disposition == relay.OwnLimit) {
		f.entry.offer.Due = from
	}
}

func (f *fate) set(o *op, e entry) {
	if !f.exists {
		f.fresh, f.seen = true, o.at
	}
	if f.entry.source != "" {
		e.source = f.entry.source // who brought it first
	}
	f.exists, f.changed, f.disposition, f.entry, f.at = true, true, e.disposition, e, o.at
	if o.facts != nil {
		f.facts = o.facts
	}
}

func (f *fate) park(o *op) {
	w := *o.wait
	switch {
	case w.Event != nil:
		f.whole = true
	case !f.waits:
		f.stray = true
		return
	case f.wait != nil:
		w.Event = f.wait.Event
	}
	f.waits, f.wait = true, &w
	d := relay.Parked
	if w.Cause == relay.CauseHeld {
		d = relay.Held
	}
	f.set(o, entry{disposition: d, reason: clip(w.Reason), source: w.Source})
}

func (f *fate) drop() {
	*f = fate{wait: f.wait, whole: f.whole, waits: f.waits, stray: f.stray}
}
