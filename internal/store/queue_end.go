package store

import (
	"context"
	"errors"
	"slices"

	"github.com/ngit-sync/ngit-sync/relay"
)

// waiter is somebody who waits until rows up to a number are written.
type waiter struct {
	seq  relay.Seq
	done chan error
}

// answer releases those who wait for what is written by now, or everyone when there is an error.
func (q *queue) answer(err error) {
	oldest := q.oldest()
	q.waiters = slices.DeleteFunc(q.waiters, func(w waiter) bool {
		if err == nil && oldest != 0 && oldest <= w.seq {
			return false
		}
		w.done <- err
		return true
	})
}

// oldest is the number of the first row that is not written, 0 when there is none.
func (q *queue) oldest() relay.Seq {
	for _, it := range q.items {
		if !it.dead {
			return it.seq
		}
	}
	return 0
}

// flush waits until everything queued so far is written or given up.
func (q *queue) flush(ctx context.Context) error {
	q.mu.Lock()
	if q.oldest() == 0 {
		q.mu.Unlock()
		return nil
	}
	if q.closed != nil && !errors.Is(q.closed, ErrClosed) {
		err := q.closed
		q.mu.Unlock()
		return err
	}
	w := waiter{seq: q.seq, done: make(chan error, 1)}
	q.waiters = append(q.waiters, w)
	q.signal()
	q.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close takes no more rows. What is queued can still be flushed, unless the reason is a failure: then nobody will.
func (q *queue) close(reason error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed == nil {
		q.closed = reason
	}
	if !errors.Is(reason, ErrClosed) {
		q.answer(reason)
	}
	q.signal()
}
