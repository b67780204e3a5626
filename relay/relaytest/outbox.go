package relaytest

import "sync"

// outbox is the outgoing queue of one connection. Live events never wait; answers wait while it is long, so that an
// endless one does not fill the memory.
type outbox struct {
	mu     sync.Mutex
	cond   *sync.Cond
	msgs   [][]byte
	closed bool
}

const outboxFull = 1024

func newOutbox() *outbox {
	o := &outbox{}
	o.cond = sync.NewCond(&o.mu)
	return o
}

func (o *outbox) push(msg []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.msgs = append(o.msgs, msg)
		o.cond.Broadcast()
	}
}

// pushPatiently waits for room; false says that the connection is gone.
func (o *outbox) pushPatiently(msg []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.msgs) >= outboxFull && !o.closed {
		o.cond.Wait()
	}
	if o.closed {
		return false
	}
	o.msgs = append(o.msgs, msg)
	o.cond.Broadcast()
	return true
}

// pop waits for a message; false says that the connection is gone.
func (o *outbox) pop() ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.msgs) == 0 && !o.closed {
		o.cond.Wait()
	}
	if o.closed {
		return nil, false
	}
	msg := o.msgs[0]
	o.msgs = o.msgs[1:]
	o.cond.Broadcast()
	return msg, true
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.cond.Broadcast()
}
