package sync

import (
	"context"
	"time"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Store is what the engine needs of the database. Apply queues rows and never blocks; rests is the last
// ledger or pending row that they rest on: they are committed in the same or a later transaction.
// Rows are written in the order given. A store that runs out of room, or whose database refuses a row, drops some: from then on it writes
// no confirm that may rest on those, until Recover. Lost delivers the number of the newest; Flush waits until what was queued
// before is written or dropped.
type Store interface {
	Load(ctx context.Context) (*State, error)
	Apply(rows []Row, rests relay.Seq)
	Lost() <-chan relay.Seq
	Flush(ctx context.Context) error
	Recover(upTo relay.Seq)
}

// Ledger is what the engine asks of the ledger, through its Runner. Recall sees rows that are not written yet, and may wait for
// the database.
type Ledger interface {
	Recall(ctx context.Context, q RecallQuery) (Recalled, error)
}

// State is both maps as they were stored.
type State struct {
	Repos    []SaveRepo
	Roots    []SaveRoot // ordered by repo, then number
	Relays   []SaveRelay
	Coverage []SaveCoverage
	Batches  []SaveBatch
	Lacks    []SaveLack
}

// Row is one change of stored state.
type Row interface{ row() }

// SaveRepo inserts or replaces an announcement by its coordinate.
type SaveRepo struct {
	Ref          event.Ref
	Announcement *event.Event
	Full         bool        // served by the own relay; false: accepted, not served yet
	Coordinates  []event.Ref // of the repo's maintainers in the order learned; empty when the announcement is only a maintainer's
	Surveyed     bool        // the ledger has what the own relay holds of the repo; rests on those rows
}

// DropRepo removes an announcement and the roots and coverage of its repo.
type DropRepo struct{ Ref event.Ref }

// SaveRoot adds root number N (from 0, in the order learned) of a repo.
type SaveRoot struct {
	Repo      event.Ref
	N         uint32
	ID        event.ID
	CreatedAt int64
	Active    int64 // created_at of the newest event that is known to tag it, at least its own; moves up by an hour or more
	Gone      bool  // its author has deleted it: it keeps its number and is not asked about
}

// SaveRelay inserts or replaces the facts of a relay.
type SaveRelay struct {
	URL            relayurl.URL
	Health         health.State
	Announcements  bool      // layer 1 confirmed
	Cursor         time.Time // zero: none
	DisconnectedAt time.Time
	LastFull       time.Time // end of the last pass without since
	PassSince      time.Time // since of an unfinished pass over confirmed wants; zero: none
	PolledHot      time.Time // start of the last whole settled rotation over what was active in the last day; zero: none
	PolledWarm     time.Time // the same of the last month
	Learned        relay.Learned
	Paired         bool      // by the operator, by hand
	Gave           int       // events that the own relay took newly from it
	GaveAt         time.Time // the last of them; zero: none
	Place          time.Time // since when it has a place among those that are dialled; zero: none
}

// DropRelay removes a relay with its coverage and batches.
type DropRelay struct{ URL relayurl.URL }

// SaveCoverage inserts or replaces what is confirmed of one repo at one relay.
type SaveCoverage struct {
	Relay  relayurl.URL
	Repo   event.Ref
	States bool     // 30618 by identifier
	Coords Coverage // of SaveRepo.Coordinates
	Roots  Coverage // of SaveRoot.N
	Around bool     // replies to replies, deletions and ancestors
}

// ClearCoverage forgets what is confirmed at a relay.
type ClearCoverage struct{ Relay relayurl.URL }

// SaveBatch inserts or replaces an unfinished batch, so that a restart resumes it. Spec is the
// engine's own encoding.
type SaveBatch struct {
	Relay  relayurl.URL
	Number uint64
	Spec   []byte
}

// DropBatch removes a finished batch.
type DropBatch struct {
	Relay  relayurl.URL
	Number uint64
}

// SaveLack notes an event that an accepted event of the repo references and that nobody knows here: an ancestor.
type SaveLack struct {
	Repo event.Ref
	ID   event.ID
	At   time.Time // when it was noted
}

// DropLack forgets an ancestor that was found, or given up.
type DropLack struct {
	Repo event.Ref
	ID   event.ID
}

// RecallQuery asks the ledger what it knows around a repo: of stored events that tag a coordinate by a, A or q, or a root by e, E
// or q.
type RecallQuery struct {
	Coords []event.Ref
	Roots  []event.ID
	Since  time.Time // replies created at that moment or later; zero: all
	Max    int       // replies, the newest
}

// Recalled is what the ledger knows around a repo.
type Recalled struct {
	Replies []event.ID     // of kinds 1, 1111, 1622 and 1630 to 1633, the newest first
	Authors []event.PubKey // of all events, whenever they were created, each once
}

func (SaveLack) row()      {}
func (DropLack) row()      {}
func (SaveRepo) row()      {}
func (DropRepo) row()      {}
func (SaveRoot) row()      {}
func (SaveRelay) row()     {}
func (DropRelay) row()     {}
func (SaveCoverage) row()  {}
func (ClearCoverage) row() {}
func (SaveBatch) row()     {}
func (DropBatch) row()     {}
