package relay

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// check is one check of a signature. A worker writes ok and hands the check back; the rest belongs to the loop.
type check struct {
	event *event.Event
	lane  *checkLane
	ok    bool
	done  bool
}

// checkLane keeps the checks of one source in order: their results reach the core in the order they were asked for, whichever worker is
// quicker, so that what a source sent first is published first.
type checkLane struct {
	of      *checkLanes
	source  relayurl.URL
	waiting fifo[*check] // for a worker
	begun   fifo[*check] // at a worker, or done and behind one that is not
}

// checkLanes are the lanes of all sources, which take turns: one that brings very much does not hold up the others.
type checkLanes struct {
	all   map[relayurl.URL]*checkLane
	turns rotation[relayurl.URL, *checkLane] // those with something waiting
}

func (q *checkLanes) push(source relayurl.URL, e *event.Event) {
	lane := q.all[source]
	if lane == nil {
		if q.all == nil {
			q.all = make(map[relayurl.URL]*checkLane)
		}
		lane = &checkLane{of: q, source: source}
		q.all[source] = lane
	}
	lane.waiting.push(&check{event: e, lane: lane})
	*q.turns.at(source) = lane
}

func (q *checkLanes) next() *check {
	front := q.turns.ring.Front()
	if front == nil {
		return nil
	}
	c, _ := (*q.turns.lane(front)).waiting.peek()
	return c
}

// checks are the open checks. Live events overtake the others.
type checks struct{ live, rest checkLanes }

func (q *checks) push(v verify) {
	lanes := &q.rest
	if v.live {
		lanes = &q.live
	}
	lanes.push(v.source, v.event)
}

// next is the check to begin next, nil when there is none.
func (q *checks) next() *check {
	if c := q.live.next(); c != nil {
		return c
	}
	return q.rest.next()
}

// begin notes that a worker has the check that next gave.
func (q *checks) begin(c *check) {
	lane := c.lane
	lane.waiting.pop()
	lane.begun.push(c)
	turns := &lane.of.turns
	turns.served(turns.elements[lane.source], lane.waiting.empty())
}

// finish takes the result of a check and gives all those of its lane that are in order now.
func (q *checks) finish(c *check, yield func(*event.Event, bool)) {
	c.done = true
	lane := c.lane
	for {
		first, ok := lane.begun.peek()
		if !ok || !first.done {
			break
		}
		lane.begun.pop()
		yield(first.event, first.ok)
	}
	if lane.begun.empty() && lane.waiting.empty() {
		delete(lane.of.all, lane.source)
	}
}

// fifo is a queue that lets go of what is taken.
type fifo[T any] struct{ items []T }

func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }

func (q *fifo[T]) peek() (T, bool) {
	if len(q.items) == 0 {
		var zero T
		return zero, false
	}
	return q.items[0], true
}

func (q *fifo[T]) empty() bool { return len(q.items) == 0 }

func (q *fifo[T]) pop() {
	var zero T
	q.items[0] = zero
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
}

// verify is a worker.
func (l *loop) verify() {
	for {
		select {
		case c := <-l.jobs:
			c.ok = c.event.Verify()
			select {
			case l.results <- c:
			case <-l.quit:
				return
			}
		case <-l.quit:
			return
		}
	}
}

// fillJobs keeps the workers busy. Their channel is short, so that a live event is checked soon.
func (l *loop) fillJobs() {
	for c := l.checks.next(); c != nil; c = l.checks.next() {
		select {
		case l.jobs <- c:
			l.checks.begin(c)
		default:
			return
		}
	}
}

// nextJob gives what to offer to the workers while the loop waits; a nil channel when there is nothing.
func (l *loop) nextJob() (chan<- *check, *check) {
	c := l.checks.next()
	if c == nil {
		return nil, nil
	}
	return l.jobs, c
}

// takeResults hands results to the core.
func (l *loop) takeResults(c *check) {
	now := time.Now()
	for n := 1; ; n++ {
		l.checks.finish(c, func(e *event.Event, ok bool) { l.core.verified(now, e, ok) })
		if n == inputBurst {
			return
		}
		select {
		case c = <-l.results:
		default:
			return
		}
	}
}
