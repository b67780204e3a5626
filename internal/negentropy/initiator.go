package negentropy

import (
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// maxWork is how many ranges may wait to be asked about: some 7 MB, and as much again while an answer is read. Honest
// peers stay far below.
const maxWork = 1 << 16

// span is a range that we ask about, with our items [lo, hi) in it.
type span struct {
	start, end bound
	lo, hi     int
	// list: in work, that the two sides are known to differ here; in asked, that the peer's ids were asked for.
	list bool
}

// Stats are the figures of one reconciliation so far.
type Stats struct {
	Rounds   int // messages that we wrote
	Sent     int // bytes
	Received int // bytes
	Needs    int // ids that the peer has and we lack
	Haves    int // ids that we have and the peer lacks
}

// Initiator is the asking side of one reconciliation. The zero value is of no use.
type Initiator struct {
	set     *Set
	limits  Limits
	stats   Stats
	waiting bool // for an answer

	work    []span // what is to be asked about, the lowest last
	asked   []span // by the last message, the lowest first; start and lo move up with the answer
	differs []span // found by the last answer, the lowest first
	maxWork int

	// budget is how long an answer we ask for, in bytes, as far as that can be foreseen.
	budget int

	common uint64 // created_at of the oldest item that both sides have, forever when there is none

	needed []event.ID
	have   func(createdAt int64, id event.ID) // nil: nobody asks
	theirs []event.ID                         // scratch of compare
	found  []bool                             // the same
}

// New prepares a reconciliation of set, which may serve others at the same time.
func New(set *Set, limits Limits) *Initiator {
	return &Initiator{set: set, limits: limits, maxWork: maxWork}
}

// OnHave has yield called, from within Next, for each of our items that the peer was found to lack: in no order, and maybe twice
// for the same item.
func (i *Initiator) OnHave(yield func(createdAt int64, id event.ID)) { i.have = yield }

// Start begins, or begins anew, and gives the first message, of at most 1,000 bytes.
func (i *Initiator) Start() []byte {
	i.stats = Stats{}
	i.common = forever
	i.needed = i.needed[:0]
	i.budget = i.mostAnswer()
	i.work = append(i.work[:0], span{end: infinite, hi: i.set.Len(), list: true})
	return i.send()
}

// Next takes the peer's answer and gives the next message. When the reconciliation is over, done is true and there is
// no message; nor is there one after an error, which wraps ErrMalformed, is an ErrVersion, or says which limit was
// reached. The ids to fetch are in Needed, also after ErrRounds, ErrBytes and ErrNeeds.
func (i *Initiator) Next(msg []byte) (reply []byte, done bool, err error) {
	i.needed = i.needed[:0]
	if !i.waiting {
		return nil, false, ErrOver
	}
	i.waiting = false
	i.stats.Received += len(msg)
	if i.spent() {
		return nil, false, ErrBytes
	}
	if err := i.receive(msg); err != nil {
		i.needed = i.needed[:0]
		return nil, false, err
	}
	i.settleNeeded()
	if i.limits.Needs > 0 && i.stats.Needs > i.limits.Needs {
		return nil, false, ErrNeeds
	}
	if len(i.work) == 0 {
		return nil, true, nil
	}
	if i.limits.Rounds > 0 && i.stats.Rounds >= i.limits.Rounds {
		return nil, false, ErrRounds
	}
	reply = i.send()
	if i.spent() {
		i.waiting = false
		return nil, false, ErrBytes
	}
	return reply, false, nil
}

// Needed gives the ids that the last answer listed and that we lack, sorted, each once. The slice is valid until the
// next call of Next. Two answers may give the same id if the peer is faulty, or if maxWork was reached.
func (i *Initiator) Needed() []event.ID { return i.needed }

// Oldest gives the created_at of the oldest of our items that the peer was found to have; false when there is none.
func (i *Initiator) Oldest() (createdAt int64, ok bool) {
	if i.common == forever {
		return 0, false
	}
	return int64(i.common), true //nolint:gosec // it came from an int64
}

// Stats gives the figures so far.
func (i *Initiator) Stats() Stats { return i.stats }

func (i *Initiator) spent() bool {
	return i.limits.Bytes > 0 && i.stats.Sent+i.stats.Received > i.limits.Bytes
}

func (i *Initiator) settleNeeded() {
	slices.SortFunc(i.needed, compareIDs)
	i.needed = slices.Compact(i.needed)
	i.stats.Needs += len(i.needed)
}
