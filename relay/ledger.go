package relay

import (
	"context"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Seq numbers the rows given to the store, in order. A confirm that rests on a row is committed in the same
// or a later transaction than it (DESIGN §9). 0 rests on nothing.
type Seq uint64

// Disposition is what became of an event.
type Disposition uint8

// Dispositions, as stored. Values are part of the database format: append only.
const (
	Unknown    Disposition = iota
	Stored                 // the own relay has it
	Held                   // accepted, not served yet (purgatory)
	Superseded             // a newer replaceable is there
	Tombstone              // deleted; never again
	Rejected               // refused for good, with reason
	OwnLimit               // over a limit of the own relay's operator
	Irrelevant             // outside our scope
	Parked                 // waits in the pending table
)

// String is the value of the metric label and of the `explain` output.
func (d Disposition) String() string {
	return [...]string{"unknown", "stored", "held", "superseded", "tombstone", "rejected", "own-limit", "irrelevant", "pending"}[d]
}

// Entry is one row of the ledger.
type Entry struct {
	Event       *event.Event
	Disposition Disposition
	Reason      string
	Source      relayurl.URL
	At          time.Time
	Offer       Offer // of Rejected and OwnLimit
}

// Offer says of a refused event how often it was offered again, and when that may be the next time.
type Offer struct {
	Count int       // 0 after the first refusal
	Due   time.Time // the id does not count as known from then on; zero: never
}

// Cause says why an event waits in the pending table.
type Cause uint8

// Causes, as stored. Values are part of the database format: append only.
const (
	CauseParent Cause = iota + 1 // what it references is not there yet
	CausePace                    // the own relay is slower than we are
	CauseRetry                   // a transient refusal
	CauseFuture                  // created_at lies ahead
	CauseDown                    // the own relay is away
	CauseHeld                    // the own relay has it and does not serve it yet; the ledger says held, not pending
)

// String is the value shown to operators.
func (c Cause) String() string {
	return [...]string{"", "parent", "pace", "retry", "future", "own relay down", "held"}[c]
}

// timed reports the causes that have a due.
func (c Cause) timed() bool { return c == CauseRetry || c == CauseFuture || c == CauseHeld }

// Waiting is one row of the pending table.
type Waiting struct {
	Event *event.Event // nil when loaded as index only
	ID    event.ID
	Kind  int
	Index *WaitingIndex // of the event; nil when it is there
	// Needs is what would lift a CauseParent, or have a CauseHeld offered again at once. Of CausePace and CauseDown it says that the
	// event was not judged yet, and rests on these.
	Needs  event.References
	Cause  Cause
	Reason string
	Due    time.Time // for CauseRetry, CauseFuture and CauseHeld
	Tries  int       // sendings that failed; of CauseHeld, how often it was offered again
	Since  time.Time
	Source relayurl.URL
	Size   int
}

// forRoom reports the causes that say nothing of the event: it waits until the own relay takes more.
func (c Cause) forRoom() bool { return c == CausePace || c == CauseDown }

// WaitingIndex is what is kept in memory of a waiting event, beside its kind.
type WaitingIndex struct {
	Author    event.PubKey
	CreatedAt int64 // Unix seconds
}

// Ledger is what the publisher needs of the store. Full and those that give a Seq never block: they queue rows, which are
// written in the order given. The others may wait for the database and are called from helper goroutines only; they
// see rows that are not written yet.
type Ledger interface {
	// Record says what became of an event. Without room its row is lost; what rests on the number is then not confirmed.
	Record(Entry) Seq
	// Park is false when there is no room for the row: the caller keeps the event.
	Park(Waiting) (Seq, bool)
	Unpark(event.ID) Seq
	Forget(ids []event.ID) Seq
	// Amend changes what became of ids that have a row; the pending rows stay.
	Amend(ids []event.ID, d Disposition, reason string, at time.Time) Seq
	// OfferRefused lets all events be offered again from a moment on that are rejected, or over a limit of the own relay's.
	OfferRefused(from time.Time) Seq
	// Full reports that rows pile up unwritten: nothing more should be asked for.
	Full() bool
	// Bury keeps graves; one of the same author and target takes the place of the one before. Exhume forgets them.
	Bury(graves []Grave) Seq
	Exhume(graves []Grave) Seq
	// LoadKnown calls yield for every ledger row, irrelevant ones included.
	LoadKnown(ctx context.Context, yield func(event.ID, Disposition)) error
	// LoadBooked calls yield for every ledger row that is irrelevant, rejected, over a limit of the own relay's, superseded or a
	// tombstone, with who brought it, the oldest first.
	LoadBooked(ctx context.Context, yield func(id event.ID, d Disposition, source relayurl.URL)) error
	// Refused lists up to n rejected and irrelevant rows that have not changed since a moment, in the order of rows beyond a
	// position, and the position to go on from; fewer than n are the last.
	Refused(ctx context.Context, before time.Time, beyond int64, n int) (ids []event.ID, position int64, err error)
	// LoadOffers calls yield for every ledger row of an event that may be offered again.
	LoadOffers(ctx context.Context, yield func(event.ID, Offer)) error
	// LoadWaiting calls yield for every pending row, without its event.
	LoadWaiting(ctx context.Context, yield func(Waiting)) error
	// WaitingEvents reads pending rows with their events; ids that are gone are left out.
	WaitingEvents(ctx context.Context, ids []event.ID) ([]Waiting, error)
	// IrrelevantAddressed lists irrelevant rows of kinds 30617 and 30618 by an author with an identifier.
	IrrelevantAddressed(ctx context.Context, pk event.PubKey, d string) ([]event.ID, error)
	// LoadGraves calls yield for every grave.
	LoadGraves(ctx context.Context, yield func(Grave)) error
	// Authors gives who wrote the events of those ids that have a row.
	Authors(ctx context.Context, ids []event.ID) (map[event.ID]event.PubKey, error)
	// Written lists the rows of d.Author that d covers, whatever became of them; a bounded number. Of kinds 5 and 62 a request to
	// vanish covers the first and a deletion none.
	Written(ctx context.Context, d Deletion) ([]event.ID, error)
}
