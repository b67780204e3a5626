package relaytest

import "sync"

// queue holds messages of one connection in one direction. Live events never wait; answers wait while it is long, so that an
// endless one does not fill the memory.
type queue struct {
	mu     sync.Mutex
	cond   *sync.Cond
	msgs   [][]byte
	closed bool
}

const queueFull = 1024

func newQueue() *queue {
	q := &queue{}
	q.cond = sync.NewCond(&q.mu)
	return q
}

func (q *queue) push(msg []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.msgs = append(q.msgs, msg)
		q.cond.Broadcast()
	}
}

// pushPatiently waits for room; false says that the connection is gone.
func (q *queue) pushPatiently(msg []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.msgs) >= queueFull && !q.closed {
		q.cond.Wait()
	}
	if q.closed {
		return false
	}
	q.msgs = append(q.msgs, msg)
	q.cond.Broadcast()
	return true
}

// pop waits for a message; false says that the connection is gone.
func (q *queue) pop() ([]byte, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.msgs) == 0 && !q.closed {
		q.cond.Wait()
	}
	if q.closed {
		return nil, false
	}
	msg := q.msgs[0]
	q.msgs = q.msgs[1:]
	q.cond.Broadcast()
	return msg, true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.cond.Broadcast()
}
