package sync

import (
	"container/heap"
	"time"
)

// timers orders the moments at which relays need attention. An entry whose time is no longer the relay's wakeAt is
// stale and skipped.
type timers []timer

type timer struct {
	at time.Time
	r  *remote
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push and Pop are for container/heap only.
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) }

// Pop is for container/heap only.
func (t *timers) Pop() any {
	old := *t
	last := old[len(old)-1]
	*t = old[:len(old)-1]
	return last
}

// wake asks for attention at the given moment; the zero time asks for none.
func (e *Engine) wake(r *remote, at time.Time) {
	if at.Equal(r.wakeAt) {
		return
	}
	r.wakeAt = at
	if !at.IsZero() {
		heap.Push(&e.timers, timer{at, r})
	}
}

// Next is the moment at which Tick has something to do, zero for never.
func (e *Engine) Next() time.Time {
	for len(e.timers) > 0 {
		t := e.timers[0]
		if t.at.Equal(t.r.wakeAt) && e.relays[t.r.url] == t.r {
			return earliest(t.at, e.judgeAt, e.election.review.at)
		}
		heap.Pop(&e.timers)
	}
	return earliest(e.judgeAt, e.election.review.at)
}

// Tick does what has become due.
func (e *Engine) Tick(now time.Time) {
	if !e.judgeAt.IsZero() && !now.Before(e.judgeAt) {
		e.judge(now)
	}
	if at := e.election.review.at; !at.IsZero() && !now.Before(at) {
		e.election.review.at, e.election.review.due = time.Time{}, true
	}
	for len(e.timers) > 0 && !e.timers[0].at.After(now) {
		t := heap.Pop(&e.timers).(timer)
		if t.at.Equal(t.r.wakeAt) {
			t.r.wakeAt = time.Time{}
			e.touch(t.r)
		}
	}
	e.flush(now)
}

// earliest is the first of the times that are not zero.
func earliest(times ...time.Time) time.Time {
	var out time.Time
	for _, t := range times {
		if !t.IsZero() && (out.IsZero() || t.Before(out)) {
			out = t
		}
	}
	return out
}
