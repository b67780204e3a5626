package relay

import (
	"container/heap"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// readyClasses: five of outcomeClass, live before historic.
const readyClasses = 10

// readyQueue holds what can be sent: by class, round robin over the sources of a class, and in order of arrival within
// a source. Entries whose work is no longer ready are stepped over.
type readyQueue struct {
	classes [readyClasses]rotation
	size    int // entries, stale ones included
}

// rotation is one class: the lanes that have entries, and whose turn it is.
type rotation struct {
	lanes map[relayurl.URL]*lane
	ring  []*lane
	turn  int
}

type lane struct {
	source relayurl.URL
	works  byArrival
}

func (q *readyQueue) push(w *work) {
	class := w.outcomeClass()
	if w.mode != Live {
		class += readyClasses / 2
	}
	r := &q.classes[class]
	l := r.lanes[w.source]
	if l == nil {
		l = &lane{source: w.source}
		if r.lanes == nil {
			r.lanes = make(map[relayurl.URL]*lane)
		}
		r.lanes[w.source] = l
		r.ring = append(r.ring, l)
	}
	heap.Push(&l.works, w)
	q.size++
}

// pop gives the next work that is ready, nil when there is none.
func (q *readyQueue) pop() *work {
	for i := range q.classes {
		r := &q.classes[i]
		for len(r.ring) > 0 {
			w := r.pop()
			q.size--
			if w.stage == ready {
				return w
			}
		}
	}
	return nil
}

func (r *rotation) pop() *work {
	if r.turn >= len(r.ring) {
		r.turn = 0
	}
	l := r.ring[r.turn]
	w := heap.Pop(&l.works).(*work)
	if len(l.works) > 0 {
		r.turn++
		return w
	}
	delete(r.lanes, l.source)
	r.ring = append(r.ring[:r.turn], r.ring[r.turn+1:]...)
	return w
}

// byArrival is a container/heap, the earliest arrival on top.
type byArrival []*work

func (h byArrival) Len() int           { return len(h) }
func (h byArrival) Less(i, j int) bool { return h[i].n < h[j].n }
func (h byArrival) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byArrival) Push(x any)        { *h = append(*h, x.(*work)) }
func (h *byArrival) Pop() any          { return popLast((*[]*work)(h)) }

// byDue is a container/heap, the earliest due on top.
type byDue []*work

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h byDue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byDue) Push(x any)        { *h = append(*h, x.(*work)) }
func (h *byDue) Pop() any          { return popLast((*[]*work)(h)) }

func popLast[T any](s *[]T) T {
	last := len(*s) - 1
	v := (*s)[last]
	var zero T
	(*s)[last] = zero
	*s = (*s)[:last]
	return v
}
