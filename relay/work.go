package relay

import (
	"container/list"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// work is one event between its arrival and its outcome. There is at most one per id.
type work struct {
	event  *event.Event
	mode   Mode
	source relayurl.URL // that sent it first
	at     time.Time    // arrival
	n      uint64       // order of arrival
	stage  stage
	place  *list.Element // in core.queue

	joins  []*tally // who waits for the outcome; the first brought it
	rivals []rival  // while verifying: the same id under another signature
	spots  spots

	refs         event.References // nil until verified
	announcement *nip34.Announcement
	readErr      error    // of reading the announcement
	waiters      []*work  // sent after this one has its outcome
	on           *[]*work // the waiters that it stands among, while waiting
	repo         uint64   // its lane among what is ready, 0: not worked out
	row          *row     // its row of the pending table, nil when it has none

	tries  int       // transient refusals
	doubts int       // refusals without a known reason
	offers int       // how often it was offered again after a refusal, this time included
	blame            // for lost connections
	order  uint64    // number of its last sending, 0: never sent
	sentAt time.Time // of its last sending
	due    time.Time // stage delayed
	alone  bool      // sent by itself because it was in flight when a connection was lost
	lifted bool      // something it references was accepted while it was in flight

	// vouched: in scope whatever it references, as an ancestor asked for, or found in scope before it was parked. It means
	// nothing for announcements and states.
	vouched bool
	wide    bool // only wide filters brought it: dropped when it is foreign

	authors map[event.ID]event.PubKey // of a deletion: who wrote what it names, as the ledger says; zero: it has no row
	written []event.ID                // of a request to vanish: its author's rows
	sought  bool                      // written is there
}

// blame is what speaks for an event being one that the own relay cannot stand.
type blame struct {
	solo   bool // it was alone in flight when a connection ended, and goes alone until it is answered
	struck int  // 0, or core.storedCount + 1 at the first connection that ended soon after it was sent alone
}

// rival is a delivery that carries another signature than the one being checked.
type rival struct {
	delivery Delivery
	tally    *tally
}

// spots are the places in the queues that an event's deliveries take up until its outcome.
type spots struct {
	historic []ConnID
	live     []*series // whose allowance they count on
}

// stage says where an event stands.
type stage uint8

const (
	verifying stage = iota
	shelved         // verified before the first picture of the own relay was complete
	asking          // the ledger, whose events it deletes
	waiting         // for the outcome of another event
	ready
	delayed // until due
	suspect // in flight when a connection was lost, to be sent alone
	flying
	done
)

// addressed reports the kinds that scope knows by coordinate.
func addressed(kind int) bool {
	return kind == event.KindAnnouncement || kind == event.KindState
}

// needs is what could lift a refusal for a missing parent. An announcement or a state depends on the maintainer set that
// its author's coordinate belongs to.
func (w *work) needs() event.References {
	if addressed(w.event.Kind) {
		return event.References{Refs: []event.Ref{event.RepoRef(w.event.PubKey, w.event.D())}}
	}
	return w.refs
}
