package store

import (
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// full reports that three quarters of the room for ledger and pending rows are taken up.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size.rows >= q.limit.rows*3/4 || q.size.bytes >= q.limit.bytes/4*3 || q.closed != nil
}

// length is the number of rows not yet written.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size.rows
}

// changes lists the unwritten changes of an id, oldest first.
func (q *queue) changes(id event.ID) []*op {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.chain(id)
}

func (q *queue) chain(id event.ID) []*op {
	var ops []*op
	for it := q.tail[id]; it != nil && !it.written; it = it.prev {
		ops = append(ops, it.op)
	}
	slices.Reverse(ops)
	return ops
}

// matching lists the changes of every id of which an unwritten change satisfies is.
func (q *queue) matching(is func(*op) bool) map[event.ID][]*op {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := map[event.ID][]*op{}
	for _, it := range q.items {
		if it.op != nil && is(it.op) && out[it.op.id] == nil {
			out[it.op.id] = q.chain(it.op.id)
		}
	}
	return out
}

// each calls f for every unwritten change, oldest first. It must be quick.
func (q *queue) each(f func(*op)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range q.items {
		if it.op != nil {
			f(it.op)
		}
	}
}
