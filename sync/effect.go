package sync

import (
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Effect is what the engine wants done. Doing it never blocks the engine.
type Effect interface{ effect() }

// Dial starts a connection. Reports carry ID.
type Dial struct {
	ID      relay.ConnID
	URL     relayurl.URL
	Trust   relay.Trust
	Learned relay.Learned
}

// Tell sends a command to an open connection.
type Tell struct {
	ID      relay.ConnID
	Command relay.Command
}

// Hangup ends a connection; its Down follows.
type Hangup struct{ ID relay.ConnID }

// Persist queues rows that rest on a ledger or pending row.
type Persist struct {
	Rows  []Row
	Rests relay.Seq
}

// AskOwn surveys the own relay: what it holds of the repos with these coordinates and known roots goes to the ledger, and roots
// from before the repo was wanted become known. Facts.Answered follows, with or without success. At most one is unanswered at any
// time.
type AskOwn struct {
	Refs  []event.Ref
	Roots []event.ID
}

// Recall asks the ledger; Recalled brings the answer.
type Recall struct {
	Number uint64
	Query  RecallQuery
}

// Forget says that nothing is kept of a relay any more.
type Forget struct{ URL relayurl.URL }

func (Recall) effect()  {}
func (Forget) effect()  {}
func (Dial) effect()    {}
func (Tell) effect()    {}
func (Hangup) effect()  {}
func (Persist) effect() {}
func (AskOwn) effect()  {}
