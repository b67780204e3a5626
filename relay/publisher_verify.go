package relay

import "github.com/ngit-sync/ngit-sync/internal/event"

// checked is the result of a check of a signature.
type checked struct {
	event *event.Event
	ok    bool
}

// checks are the events whose signature waits for a worker, live ones first.
type checks struct{ live, rest fifo[*event.Event] }

func (q *checks) push(v verify) {
	if v.live {
		q.live.push(v.event)
		return
	}
	q.rest.push(v.event)
}

func (q *checks) peek() (*event.Event, bool) {
	if e, ok := q.live.peek(); ok {
		return e, true
	}
	return q.rest.peek()
}

func (q *checks) pop() {
	if _, ok := q.live.peek(); ok {
		q.live.pop()
		return
	}
	q.rest.pop()
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
		case e := <-l.jobs:
			select {
			case l.results <- checked{e, e.Verify()}:
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
	for {
		e, ok := l.checks.peek()
		if !ok {
			return
		}
		select {
		case l.jobs <- e:
			l.checks.pop()
		default:
			return
		}
	}
}

// nextJob gives what to offer to the workers while the loop waits; a nil channel when there is nothing.
func (l *loop) nextJob() (chan<- *event.Event, *event.Event) {
	e, ok := l.checks.peek()
	if !ok {
		return nil, nil
	}
	return l.jobs, e
}
