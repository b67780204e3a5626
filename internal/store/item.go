package store

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// item is one place in the queue: a change of the ledger, a row of the engine, a Recover or an OfferRefused. Immutable once queued, but for
// what the queue notes under its lock.
type item struct {
	seq     relay.Seq
	op      *op
	row     sync.Row
	rests   relay.Seq // with row
	recover relay.Seq // with none of the others: what Recover was told
	offer   time.Time // what OfferRefused was told
	scope   []byte    // digest of another scope

	bytes   int
	prev    *item // the change before of the same id
	older   *item // the first queued row of the same key, if there is one before this
	taken   bool  // by the writer
	dead    bool  // a later row took its place
	written bool  // committed, or given up
}

// verb is what an op does.
type verb uint8

const (
	record verb = iota
	park
	unpark
	forget
	amend
	bury // keeps or, with gone, forgets a grave; touches no row of the ledger
)

// op is one change of the ledger and the pending table, for one id.
type op struct {
	verb  verb
	id    event.ID
	facts *facts         // record; park when it brings the event
	entry entry          // record, amend
	grave *relay.Grave   // bury
	gone  bool           // bury
	wait  *relay.Waiting // park
	at    time.Time
}

// facts are what the ledger keeps of an event, fixed by its id.
type facts struct {
	createdAt int64
	kind      int
	pubkey    event.PubKey
	tags      []int64
}

// entry is what became of it.
type entry struct {
	disposition relay.Disposition
	reason      []byte
	source      relayurl.URL
	offer       relay.Offer
}

func factsOf(e *event.Event) *facts {
	return &facts{createdAt: int64(e.CreatedAt), kind: e.Kind, pubkey: e.PubKey, tags: tagKeys(e)}
}

// Sizes of what an item keeps alive, in bytes; estimates.
const (
	itemBytes  = 320
	eventBytes = 1024 // of a parsed event beyond its JSON
)

func opBytes(o *op) int {
	n := itemBytes + len(o.entry.reason)
	if o.facts != nil {
		n += 8 * len(o.facts.tags)
	}
	if w := o.wait; w != nil {
		n += len(w.Reason) + 32*len(w.Needs.IDs)
		for _, ref := range w.Needs.Refs {
			n += 64 + len(ref.D)
		}
		if w.Event != nil {
			n += eventBytes + int(w.Event.Weight())
		}
	}
	return n
}

func rowBytes(row sync.Row) int {
	switch r := row.(type) {
	case sync.SaveRepo:
		n := itemBytes + 64*len(r.Coordinates)
		if r.Announcement != nil {
			n += eventBytes + int(r.Announcement.Weight())
		}
		return n
	case sync.SaveCoverage:
		return itemBytes + 8*(len(r.Coords.Gaps)+len(r.Roots.Gaps))
	case sync.SaveBatch:
		return itemBytes + len(r.Spec)
	default:
		return itemBytes
	}
}

// rowKey names rows of which a later one makes an earlier one pointless while both are still queued.
type rowKey struct {
	table  string
	relay  relayurl.URL
	repo   event.Ref
	number uint64
}

// keyOf is false for rows that must stay where they are. Roots and repos are among them: coverage counts by their
// numbers, so they may never come later than they were given. So are lacks: what is confirmed of the event that made one
// follows it.
func keyOf(row sync.Row) (rowKey, bool) {
	switch r := row.(type) {
	case sync.SaveRelay:
		return rowKey{table: "relays", relay: r.URL}, true
	case sync.SaveCoverage:
		return rowKey{table: "repo_relays", relay: r.Relay, repo: r.Repo}, true
	case sync.SaveBatch:
		return rowKey{table: "batches", relay: r.Relay, number: r.Number}, true
	default:
		return rowKey{}, false
	}
}
