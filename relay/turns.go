package relay

import (
	"container/list"
	"slices"
	"sort"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Classes of what is to be sent, in the order of sending: five of outcomeClass for live events, five for historic ones, and what
// waits for others on top of that.
const (
	liveClasses = 5
	sendClasses = 2 * liveClasses
	behindClass = sendClasses
)

// turnable is what stands in turns.
type turnable interface {
	comparable
	lane() (class int, source relayurl.URL, repo uint64)
	number() uint64          // order within its lane
	leftLane(class int) bool // it is stepped over: it does not belong there any more
}

// passedOver is one in how many goes to what is behind the best class, while there is any.
const passedOver = 8

// turns is a queue: one class after the other; within a class the sources take turns, within a source its repos, and within a repo
// the lowest number goes first. So one source, or one repo of a source, that brings very much does not hold up the others. One in passedOver
// goes to the other live classes and to the historic ones, in turn, so that live events that never end hold up nothing either.
type turns[T turnable] struct {
	classes [sendClasses + 1]rotation[relayurl.URL, repos[T]]
	counts  [sendClasses + 1]int // entries, those that have left included
	size    int
	passed  int // how often the best class went first since the others had their turn
	turn    int // whose that is next: a live class, or liveClasses for what is historic
}

// repos are the lanes of one source, by a hash of the repo.
type repos[T turnable] struct {
	rotation[uint64, []T]
	size int
}

func (q *turns[T]) push(v T) {
	class, source, repo := v.lane()
	s := q.classes[class].at(source)
	l := s.at(repo)
	i := len(*l)
	if i > 0 && (*l)[i-1].number() > v.number() {
		i = sort.Search(i, func(k int) bool { return (*l)[k].number() > v.number() })
	}
	*l = slices.Insert(*l, i, v)
	s.size++
	q.counts[class]++
	q.size++
}

// pop gives the next, the zero value when there is none. A state does not wait for the others' turn, unless there is no end of states.
func (q *turns[T]) pop() T {
	var none T
	best := q.best()
	if q.passed++; best < 0 || q.size == q.counts[best] {
		q.passed = 0
	}
	if q.passed >= 2*passedOver || q.passed >= passedOver && best != classState {
		q.passed = 0
		if v := q.popOther(best); v != none {
			return v
		}
	}
	return q.popFrom(0)
}

// popOther gives the next of those whose turn it is while a class is the best.
func (q *turns[T]) popOther(best int) T {
	var none T
	for range liveClasses + 1 {
		class := q.turn
		q.turn = (q.turn + 1) % (liveClasses + 1)
		v := none
		switch class {
		case best:
		case liveClasses:
			v = q.popFrom(class)
		default:
			v = q.popClass(class)
		}
		if v != none {
			return v
		}
	}
	return none
}

// popFrom gives the next of one class and those behind it.
func (q *turns[T]) popFrom(class int) T {
	var none T
	for ; class < len(q.classes); class++ {
		if v := q.popClass(class); v != none {
			return v
		}
	}
	return none
}

// popClass gives the next of one class.
func (q *turns[T]) popClass(class int) T {
	sources := &q.classes[class]
	for e := sources.ring.Front(); e != nil; e = sources.ring.Front() {
		s := sources.lane(e)
		f := s.ring.Front()
		l := s.lane(f)
		v := (*l)[0]
		var none T
		(*l)[0] = none
		*l = (*l)[1:]
		s.served(f, len(*l) == 0)
		s.size--
		sources.served(e, s.size == 0)
		q.counts[class]--
		q.size--
		if !v.leftLane(class) {
			return v
		}
	}
	var none T
	return none
}

// find gives the first of which that is true among those that are next in their lanes; it stays where it is.
func (q *turns[T]) find(is func(T) bool) T {
	for class := range q.classes {
		sources := &q.classes[class]
		for e := sources.ring.Front(); e != nil; e = e.Next() {
			s := sources.lane(e)
			for f := s.ring.Front(); f != nil; f = f.Next() {
				if v := (*s.lane(f))[0]; !v.leftLane(class) && is(v) {
					return v
				}
			}
		}
	}
	var none T
	return none
}

// popLast gives what would go last, or nearly so, of one class: the newest of a long lane.
func (q *turns[T]) popLast(class int) T {
	sources := &q.classes[class]
	for sources.ring.Len() > 0 {
		e := sources.longest(func(s *repos[T]) int { return s.size })
		s := sources.lane(e)
		f := s.longest(func(l *[]T) int { return len(*l) })
		l := s.lane(f)
		v := popLast(l)
		if len(*l) == 0 {
			s.remove(f)
		}
		if s.size--; s.size == 0 {
			sources.remove(e)
		}
		q.counts[class]--
		q.size--
		if !v.leftLane(class) {
			return v
		}
	}
	var none T
	return none
}

// best is the first class that has entries, -1 when none has.
func (q *turns[T]) best() int {
	return slices.IndexFunc(q.counts[:], func(n int) bool { return n > 0 })
}

// upTo is how many stand in the classes up to one.
func (q *turns[T]) upTo(class int) int {
	n := 0
	for _, k := range q.counts[:class+1] {
		n += k
	}
	return n
}

// rotation gives each of its lanes a turn, in the order they came.
type rotation[K comparable, L any] struct {
	elements map[K]*list.Element
	ring     list.List // of *turn[K, L]
}

type turn[K comparable, L any] struct {
	key  K
	lane L
}

// at gives the lane of a key, and makes it if need be.
func (r *rotation[K, L]) at(key K) *L {
	e := r.elements[key]
	if e == nil {
		if r.elements == nil {
			r.elements = make(map[K]*list.Element)
		}
		e = r.ring.PushBack(&turn[K, L]{key: key})
		r.elements[key] = e
	}
	return r.lane(e)
}

func (r *rotation[K, L]) lane(e *list.Element) *L { return &e.Value.(*turn[K, L]).lane }

// served ends a turn.
func (r *rotation[K, L]) served(e *list.Element, empty bool) {
	if empty {
		r.remove(e)
		return
	}
	r.ring.MoveToBack(e)
}

func (r *rotation[K, L]) remove(e *list.Element) {
	delete(r.elements, e.Value.(*turn[K, L]).key)
	r.ring.Remove(e)
}

// lanesLooked is how many lanes are compared to find a long one.
const lanesLooked = 64

// longest gives the longest of the lanes whose turn comes last.
func (r *rotation[K, L]) longest(size func(*L) int) *list.Element {
	best := r.ring.Back()
	for e, n := best, 0; e != nil && n < lanesLooked; e, n = e.Prev(), n+1 {
		if size(r.lane(e)) > size(r.lane(best)) {
			best = e
		}
	}
	return best
}
