package relay

import (
	"container/heap"
	"container/list"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// row is what the publisher keeps in memory of one row of the pending table.
type row struct {
	id event.ID
	// needs is what would lift a CauseParent, what has a CauseHeld offered again, and while it waits for room: what it rests on, if it
	// was not judged.
	needs event.References
	cause Cause
	due   time.Time // CauseRetry, CauseFuture and CauseHeld
	tries int
	since time.Time
	size  int           // of the event, and what its needs take in memory
	age   *list.Element // nil while it waits for room
	woken bool          // to be read and judged again
	gone  bool          // no longer in the pool

	// While it waits for room:
	n       uint64 // order of parking
	kind    int
	live    bool // known until a restart
	source  relayurl.URL
	repo    uint64
	behind  bool    // what it rests on is not there yet
	lined   bool    // it is on the indexes of what waits for room
	queued  int     // class in pool.room, -1: none
	waiters []*work // to be judged when its turn has come

	deletes *claim // of a deletion (NIP-09), else nil

	vouched bool // as of its work
	blame        // as of its work
}

// claim is whose events a parked deletion deletes, and up to which created_at, of coordinates.
type claim struct {
	author event.PubKey
	until  int64
}

func claimOf(w *Waiting) *claim {
	switch {
	case w.Kind != event.KindDeletion:
		return nil
	case w.Event != nil:
		return &claim{w.Event.PubKey, int64(w.Event.CreatedAt)}
	case w.Index != nil:
		return &claim{w.Index.Author, w.Index.CreatedAt}
	}
	return nil
}

// staleDues is how many entries may be stale in any case.
const staleDues = 64

// needBytes is about what it takes in memory that a row waits for one id, or one coordinate.
const needBytes = 400

// rowWeight is about what a row takes in memory, of an event of so many bytes that waits for needs.
func rowWeight(size int, needs event.References) int {
	return size + needBytes*(len(needs.IDs)+len(needs.Refs))
}

// sourcesKept is how many names of relays are remembered, so that rows share them.
const sourcesKept = 10_000

// pool is the index of the pending table: bounded by count and bytes, and by age but for what waits for room, oldest first out. It
// says which rows are due, which are to be woken, and which come next when there is room. It holds no events.
type pool struct {
	rows  map[event.ID]*row
	ages  list.List // of *row, oldest first
	dues  byRowDue
	bytes int64
	woken []*row // in the order they were woken; stale entries are stepped over

	room    turns[*row]          // what waits for room
	waiting int                  // how many those are
	refs    map[event.Ref][]*row // announcements and states among them, by coordinate
	repos   map[string][]*row    // announcements among them, by identifier
	n       uint64
	sweep   int                           // rows behind that are still to be taken up this time
	sweepAt time.Time                     // when they are next
	sources map[relayurl.URL]relayurl.URL // each name once, of the last sourcesKept
}

func newPool() *pool {
	return &pool{
		rows: make(map[event.ID]*row), refs: make(map[event.Ref][]*row), repos: make(map[string][]*row),
		sources: make(map[relayurl.URL]relayurl.URL),
	}
}

// put adds a row or changes it; the age of a row that is there already stays, but for one that did not wait for anything of its own.
func (p *pool) put(w Waiting) *row {
	r := p.rows[w.ID]
	if r == nil {
		r = &row{id: w.ID, since: w.Since, queued: -1}
		p.rows[w.ID] = r
	}
	size := rowWeight(w.Size, w.Needs)
	p.bytes += int64(size - r.size)
	if r.cause.forRoom() {
		p.unroom(r)
		r.since = w.Since
	}
	r.cause, r.due, r.tries, r.size, r.woken = w.Cause, w.Due, w.Tries, size, false
	r.deletes = claimOf(&w)
	r.needs = event.References{}
	if w.Cause.forRoom() {
		p.enroom(r, w)
		return r
	}
	if r.age == nil {
		r.age = p.ages.PushBack(r)
	}
	switch w.Cause {
	case CauseParent:
		r.needs = w.Needs
	case CauseHeld:
		r.needs = w.Needs
		p.pushDue(r)
	case CauseRetry, CauseFuture:
		p.pushDue(r)
	case CausePace, CauseDown: // done
	}
	return r
}

// load fills an empty pool with the rows of the store.
func (p *pool) load(rows []Waiting) {
	slices.SortStableFunc(rows, func(a, b Waiting) int { return a.Since.Compare(b.Since) })
	for _, w := range rows {
		if r := p.put(w); r.cause.forRoom() {
			p.lineUp(r)
		}
	}
}

func (p *pool) remove(r *row) {
	if r.gone {
		return
	}
	r.gone = true
	if r.cause.forRoom() {
		p.unroom(r)
	} else {
		p.ages.Remove(r.age)
	}
	delete(p.rows, r.id)
	p.bytes -= int64(r.size)
}

// excess gives a row that is over the limits or too old, nil when there is none. What waits for room is never given up.
func (p *pool) excess(now time.Time, o *PublisherOptions) *row {
	front := p.ages.Front()
	if front == nil {
		return nil
	}
	r := front.Value.(*row)
	if len(p.rows) > o.PendingEvents || p.bytes > o.PendingBytes || now.Sub(r.since) > o.PendingAge {
		return r
	}
	return nil
}

// wake marks a row to be read and judged again.
func (p *pool) wake(r *row) {
	if !r.woken && !r.gone {
		r.woken, r.queued = true, -1
		p.woken = append(p.woken, r)
	}
}

// wakeDue wakes the rows whose time has come.
func (p *pool) wakeDue(now time.Time) {
	for len(p.dues) > 0 {
		d := p.dues[0]
		if d.stale() {
			heap.Pop(&p.dues)
			continue
		}
		if d.due.After(now) {
			return
		}
		heap.Pop(&p.dues)
		p.wake(d.row)
	}
}

// takeWoken gives the ids of up to n woken rows, of no more than about so many bytes, and takes them off the list.
func (p *pool) takeWoken(n int, bytes int64) []event.ID {
	var ids []event.ID
	for len(p.woken) > 0 && len(ids) < n && bytes > 0 {
		r := p.woken[0]
		p.woken[0] = nil
		p.woken = p.woken[1:]
		if r.woken && !r.gone {
			bytes -= int64(r.size)
			ids = append(ids, r.id)
		}
	}
	return ids
}

// pushDue has a row woken at its due. Entries of rows that have left, or have another due, go when they are the most: their moment may be a
// week ahead, and who sends what is dated ahead makes room for it by sending more.
func (p *pool) pushDue(r *row) {
	if len(p.dues) >= 2*len(p.rows)+staleDues {
		p.dues = slices.DeleteFunc(p.dues, rowDue.stale)
		heap.Init(&p.dues)
	}
	heap.Push(&p.dues, rowDue{r, r.due})
}

// next is when the pool has something to do by itself, zero when never.
func (p *pool) next(age time.Duration) time.Time {
	var at time.Time
	for len(p.dues) > 0 && p.dues[0].stale() {
		heap.Pop(&p.dues)
	}
	if len(p.dues) > 0 {
		at = p.dues[0].due
	}
	if front := p.ages.Front(); front != nil {
		at = earliest(at, front.Value.(*row).since.Add(age+time.Second))
	}
	return at
}

// earliest of two moments, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// rowDue is an entry of the heap; it is stale when the row has another due by now.
type rowDue struct {
	row *row
	due time.Time
}

func (d rowDue) stale() bool {
	return d.row.gone || d.row.woken || !d.row.due.Equal(d.due) || !d.row.cause.timed()
}

// byRowDue is a container/heap, the earliest due on top.
type byRowDue []rowDue

func (h byRowDue) Len() int           { return len(h) }
func (h byRowDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h byRowDue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byRowDue) Push(x any)        { *h = append(*h, x.(rowDue)) }
func (h *byRowDue) Pop() any          { return popLast((*[]rowDue)(h)) }
