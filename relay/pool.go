package relay

import (
	"cmp"
	"container/heap"
	"container/list"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// row is what the publisher keeps in memory of one row of the pending table.
type row struct {
	id    event.ID
	needs event.References // CauseParent: what would lift it; CauseHeld: what has it offered again
	cause Cause
	due   time.Time // CauseRetry, CauseFuture and CauseHeld
	tries int
	since time.Time
	size  int
	age   *list.Element
	woken bool // to be read and judged again
	gone  bool // no longer in the pool

	vouched bool // as of its work
	blame        // as of its work
}

// pool is the index of the pending table: bounded by count, bytes and age, oldest first out. It says which rows are due
// and which are to be woken. It holds no events.
type pool struct {
	rows  map[event.ID]*row
	ages  list.List // of *row, oldest first
	dues  byRowDue
	bytes int64
	woken []*row // in the order they were woken; stale entries are stepped over
}

func newPool() *pool { return &pool{rows: make(map[event.ID]*row)} }

// put adds a row or changes it; the age of a row that is there already stays.
func (p *pool) put(w Waiting) *row {
	r := p.rows[w.ID]
	if r == nil {
		r = &row{id: w.ID, since: w.Since}
		r.age = p.ages.PushBack(r)
		p.rows[w.ID] = r
	}
	p.bytes += int64(w.Size - r.size)
	r.cause, r.due, r.tries, r.size, r.woken = w.Cause, w.Due, w.Tries, w.Size, false
	r.needs = event.References{}
	switch w.Cause {
	case CauseParent:
		r.needs = w.Needs
	case CauseHeld:
		r.needs = w.Needs
		heap.Push(&p.dues, rowDue{r, r.due})
	case CauseRetry, CauseFuture:
		heap.Push(&p.dues, rowDue{r, r.due})
	case CausePace, CauseDown: // wait for room
	}
	return r
}

// load fills an empty pool with the rows of the store.
func (p *pool) load(rows []Waiting) {
	slices.SortFunc(rows, func(a, b Waiting) int {
		return cmp.Or(a.Since.Compare(b.Since), slices.Compare(a.ID[:], b.ID[:]))
	})
	for _, w := range rows {
		p.put(w)
	}
}

func (p *pool) remove(r *row) {
	if r.gone {
		return
	}
	r.gone = true
	p.ages.Remove(r.age)
	delete(p.rows, r.id)
	p.bytes -= int64(r.size)
}

// excess gives a row that is over the limits or too old, nil when there is none.
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
		r.woken = true
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

// takeWoken gives the ids of up to n woken rows, and takes them off the list.
func (p *pool) takeWoken(n int) []event.ID {
	var ids []event.ID
	for len(p.woken) > 0 && len(ids) < n {
		r := p.woken[0]
		p.woken[0] = nil
		p.woken = p.woken[1:]
		if r.woken && !r.gone {
			ids = append(ids, r.id)
		}
	}
	return ids
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
