package store

import (
	"slices"
	gosync "sync"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// queue is the FIFO between the givers of rows and the writer. It is where goroutines meet, so it has a mutex; nothing is
// done under it that waits.
//
// Three bounds: Record, Park and Bury are taken up to limit, and full is said a quarter before it, so that what was asked for still
// finds room; Unpark, Forget, Amend and what the engine saves up to twice that, because
// it is less and shrinks while it waits (see keyOf); what the engine drops or clears up to four times, because a stale
// confirm in the database is the worst that can happen.
type queue struct {
	mu     gosync.Mutex
	items  []*item // oldest first; the first `taken` are with the writer
	taken  int
	dead   int // replaced ones among the rest
	size   bounds
	limit  bounds
	seq    relay.Seq
	closed error // why nothing is taken any more

	tail    map[event.ID]*item // newest unwritten change of an id
	latest  map[rowKey]*item   // newest queued row of a key that the writer has not taken
	loss    loss
	waiters []waiter

	wake chan struct{}  // something for the writer to look at
	lost chan relay.Seq // newest lost number; one place, overwritten
	drop func(n int)    // counts dropped rows
}

type bounds struct{ rows, bytes int }

func newQueue(limit bounds, drop func(int)) *queue {
	return &queue{
		limit: limit, drop: drop,
		tail: map[event.ID]*item{}, latest: map[rowKey]*item{},
		wake: make(chan struct{}, 1), lost: make(chan relay.Seq, 1),
	}
}

// offer queues a change of the ledger when there is room for it.
func (q *queue) offer(o *op) (relay.Seq, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := &item{op: o, bytes: opBytes(o)}
	if !q.room(it, 0) {
		return 0, false
	}
	it.seq = q.next()
	q.link(it)
	return it.seq, true
}

// link adds a change behind those of the same id.
func (q *queue) link(it *item) {
	it.prev = q.tail[it.op.id]
	q.tail[it.op.id] = it
	q.add(it)
}

// pushOps queues changes of the ledger and returns the number of the last one, also when it was dropped.
func (q *queue) pushOps(ops ...*op) relay.Seq {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range ops {
		it := &item{seq: q.next(), op: o, bytes: opBytes(o)}
		level := 0
		if o.verb == unpark || o.verb == forget || o.verb == amend {
			level = 1
		}
		if !q.room(it, level) {
			q.lose(it)
			continue
		}
		q.link(it)
	}
	return q.seq
}

// pushRows queues rows of the engine, and what concerns all rows. It returns the number of the last one.
func (q *queue) pushRows(items []*item) relay.Seq {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.seq
	}
	for _, it := range items {
		it.seq = q.next()
		if it.row != nil {
			it.bytes = rowBytes(it.row)
		}
		if !q.room(it, level(it.row)) {
			q.lose(it)
			continue
		}
		if key, ok := keyOf(it.row); ok {
			q.replace(key, it)
		}
		q.add(it)
	}
	return q.seq
}

func (q *queue) next() relay.Seq {
	q.seq++
	return q.seq
}

// level is the bound for a row of the engine.
func level(row sync.Row) int {
	switch row.(type) {
	case nil, sync.DropRepo, sync.DropRelay, sync.ClearCoverage:
		return 2
	default:
		return 1
	}
}

func (q *queue) room(it *item, level int) bool {
	return q.closed == nil && q.size.rows < q.limit.rows<<level && q.size.bytes+it.bytes <= q.limit.bytes<<level
}

// replace takes the row that it makes pointless out of the queue. What that one rested on, the new one rests on too. The first
// of its key stays where it is: a row that is replaced more often than the writer comes to it would never be written, and how
// far a batch has got is such a row.
func (q *queue) replace(key rowKey, it *item) {
	if old := q.latest[key]; old != nil {
		it.older = old
		if first := old.older; first != nil && !first.taken {
			it.older, it.rests = first, max(it.rests, old.rests)
			old.dead = true
			q.dead++
			q.shrink(old)
		}
		old.older = nil
	}
	q.latest[key] = it
}

func (q *queue) add(it *item) {
	q.items = append(q.items, it)
	q.size.rows++
	q.size.bytes += it.bytes
	if waiting := len(q.items) - q.taken; q.dead > 1024 && q.dead > waiting/2 {
		q.compact()
	}
	q.signal()
}

func (q *queue) shrink(it *item) {
	q.size.rows--
	q.size.bytes -= it.bytes
}

func (q *queue) compact() {
	rest := slices.DeleteFunc(q.items[q.taken:], func(it *item) bool { return it.dead })
	q.items = q.items[:q.taken+len(rest)]
	q.dead = 0
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// lose notes that a row will never be written, and tells whoever listens.
func (q *queue) lose(it *item) {
	if it.op == nil {
		q.loss.all = true
	}
	q.loss.add(it.seq)
	q.drop(1)
	select {
	case <-q.lost: // overwritten by the newer number
	default:
	}
	q.lost <- it.seq // has room: only this function fills it, under the mutex
}

// waiting is the number of rows that the writer has not taken, and whether they should not wait for more.
func (q *queue) waiting() (rows int, urgent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rows = len(q.items) - q.taken - q.dead
	return rows, len(q.waiters) > 0 || q.closed != nil
}

// take gives the writer the oldest rows, up to n rows and about weight of what they are made of, and what is lost so far.
// They stay in the queue, visible to lookups, until done.
func (q *queue) take(n, weight int) ([]*item, loss) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var group []*item
	end := q.taken
	for ; end < len(q.items) && len(group) < n && weight > 0; end++ {
		it := q.items[end]
		if it.dead {
			q.dead--
			continue
		}
		if it.row != nil {
			if key, ok := keyOf(it.row); ok && q.latest[key] == it {
				delete(q.latest, key)
			}
			it.taken, it.older = true, nil
		}
		weight -= it.weight()
		group = append(group, it)
	}
	q.taken = end
	return group, q.loss
}

// weight is what an item costs the database, in rows.
func (it *item) weight() int {
	if it.op != nil && it.op.facts != nil {
		return 1 + len(it.op.facts.tags)
	}
	return 1
}

// done removes what the writer has taken, written or given up.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, it := range q.items[:q.taken] {
		q.items[i] = nil
		if it.dead {
			continue
		}
		it.written, it.prev = true, nil
		q.shrink(it)
		if it.op != nil && q.tail[it.op.id] == it {
			delete(q.tail, it.op.id)
		}
	}
	q.items = q.items[q.taken:]
	q.taken = 0
	if len(q.items) == 0 {
		q.items = nil // what grew in bad times is given back
	}
	q.answer(nil)
}

// recovered is told by the writer when a Recover has been committed.
func (q *queue) recovered(upTo relay.Seq) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.loss.recover(upTo)
}

// fail notes a row that the database refuses.
func (q *queue) fail(it *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lose(it)
}
