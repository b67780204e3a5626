package relay

import (
	"time"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// Report is what the engine hears of a connection, in one channel and in the order it happened.
type Report interface{ Conn() ConnID }

// Up says that the handshake is done and what the relay states; what was learned of it is not applied.
type Up struct {
	ID     ConnID
	At     time.Time
	Limits Limits
	Login  bool   // it says that it asks for a login (NIP-42), which remote relays do not get
	Name   string // of the NIP-11 document: hostile text, at most 64 bytes, empty when there is none
}

// Down says that the connection, or the attempt to make it, ended. It is the last report of its
// connection, except for Settled.
type Down struct {
	ID      ConnID
	At      time.Time
	Failure *health.Failure
}

// Settled says that every event before a mark has an outcome. Final is set by the last mark of a batch.
// Settled is matched by its batch and counts even after its connection is gone (DESIGN §3, device 3).
type Settled struct {
	ID            ConnID
	Batch         BatchID
	At            time.Time
	Final         bool
	Filters       []FilterEnd // index-aligned with Batch.Filters; the state as of this mark
	Learned       []event.ID  // announcements and roots that the own relay accepted newly, since the last mark of this batch
	New           int         // events stored newly since the last mark of this batch
	Announcements int         // announcements that came since then, known ones included
	Outside       int         // of these, out of scope
	Seq           Seq         // the last ledger or pending row this mark rests on
	Err           string      // why filters failed, empty when none did
}

// FilterEnd is how far one filter of a batch has got.
type FilterEnd struct {
	Done   bool
	Failed bool  // ended without being answered in full
	Until  int64 // everything at or above this created_at has settled; 0 before the first page
	Gap    bool  // a second that held more events than can be paged was stepped over
}

// LiveSettled moves the cursor: every live event that arrived before At has its outcome, and all wanted live
// subscriptions were open then. At is the moment of the connection's last frame or pong (DESIGN §4).
type LiveSettled struct {
	ID  ConnID
	At  time.Time
	Seq Seq // the last ledger or pending row of those events, 0 when there were none
	New int // events stored newly since the last live mark
}

// Closed says that the relay ended a live subscription.
type Closed struct {
	ID     ConnID
	At     time.Time
	Sub    string
	Reason string // hostile text
}

// Limited says that the relay asks us to slow down.
type Limited struct {
	ID            ConnID
	At            time.Time
	Reason        string // hostile text
	REQsPerMinute int    // the pace from here on
}

// Evidence says what a refusal taught of the relay's limits, beyond its document. What is zero was not learned.
type Evidence struct {
	ID            ConnID
	At            time.Time
	Reason        string // hostile text
	Subscriptions int    // no more than these may be open at a time
	FiltersPerREQ int
	MessageBytes  int
	StateKinds    bool   // filters without kinds are refused
	Negentropy    bool   // it answers NIP-77
	NoNegentropy  string // why it is paged; hostile text, at most 200 bytes
	Late          bool   // stored events come behind EOSE: what batches that are over have asked is to be asked again
	Withholds     bool   // with NoNegentropy: it lists less than it shows, on purpose or not; what it has listed before proves nothing
	Tag, Value    string // a filter with this one value under this tag name ("a", "e") is refused, and others are not
}

// Foreign says that the wide filters bring more than they are worth: over five foreign events a second for ten minutes.
type Foreign struct {
	ID ConnID
	At time.Time
}

// Accepted says what the own relay has taken, or was found to have. It belongs to no connection; ConnID is 0.
type Accepted struct {
	Events []AcceptedEvent
	Seq    Seq // the last row of these events
}

// AcceptedEvent is what the engine needs of one.
type AcceptedEvent struct {
	ID        event.ID
	Kind      int
	CreatedAt int64
	Refs      event.References
	Lacks     []event.ID // ids in e, E and q that nobody knows here; of roots, statuses and comments only; at most 10
}

// Holds says that the own relay has accepted announcements and does not serve them yet; with All that there are no others. It belongs
// to no connection; ConnID is 0.
type Holds struct {
	Announcements []*nip34.Announcement
	All           bool
}

// Released says that the own relay holds an announcement no longer. It belongs to no connection; ConnID is 0.
type Released struct {
	ID     event.ID
	Ref    event.Ref
	Served bool // it, or a newer version; else it was given up
}

// Deleted says what an author has deleted, as the own relay has his deletion: of IDs those that he wrote and the ledger has. It
// belongs to no connection; ConnID is 0.
type Deleted struct{ Deletion }

// Conn is the generation that the report belongs to.
func (r Up) Conn() ConnID          { return r.ID }
func (r Down) Conn() ConnID        { return r.ID }
func (r Settled) Conn() ConnID     { return r.ID }
func (r LiveSettled) Conn() ConnID { return r.ID }
func (r Closed) Conn() ConnID      { return r.ID }
func (r Limited) Conn() ConnID     { return r.ID }
func (r Evidence) Conn() ConnID    { return r.ID }
func (r Foreign) Conn() ConnID     { return r.ID }
func (Accepted) Conn() ConnID      { return 0 }
func (Deleted) Conn() ConnID       { return 0 }
func (Holds) Conn() ConnID         { return 0 }
func (Released) Conn() ConnID      { return 0 }
