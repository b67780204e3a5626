package relaytest

import (
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
)

// Request is one REQ as it came.
type Request struct {
	At      time.Time
	Conn    int // connections are numbered from 1
	Sub     string
	Filters []nostr.Filter
}

// record is what a relay was asked.
type record struct {
	requests    []Request
	closes      []string
	received    []nostr.Event
	connections int
	documents   int
	highWater   int
	sent        int
	answers     int // to REQs with stored events asked
	badMessages []string
	userAgents  []string

	reconciliations []Request
	negBytes        int
}

func (r *Relay) note(f func(*record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.record)
}

// Requests are the REQs in the order they came.
func (r *Relay) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.record.requests)
}

// Reconciliations are the NEG-OPENs in the order they came.
func (r *Relay) Reconciliations() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.record.reconciliations)
}

// NegBytes is how many hex digits reconciliations have taken, both ways.
func (r *Relay) NegBytes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.record.negBytes
}

// Closes are the subscription ids of the CLOSEs in the order they came.
func (r *Relay) Closes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.record.closes)
}

// Received are the EVENTs in the order they came, refused ones and repetitions included.
func (r *Relay) Received() []nostr.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.record.received)
}

// Sent is how many stored events went out in answers to REQs, over all connections.
func (r *Relay) Sent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.record.sent
}

// HighWater is the largest number of subscriptions that one connection had open at a time, those over MaxSubs included.
func (r *Relay) HighWater() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.record.highWater
}

// OpenSubs lists the subscription ids that are open now, over all connections.
func (r *Relay) OpenSubs() []string {
	var out []string
	for _, c := range r.open() {
		out = append(out, c.subIDs()...)
	}
	slices.Sort(out)
	return out
}

// Connections is how many websockets were accepted so far.
func (r *Relay) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.record.connections
}

// OpenConnections is how many websockets are open now.
func (r *Relay) OpenConnections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

// Documents is how often the NIP-11 document was asked for.
func (r *Relay) Documents() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.record.documents
}

// BadMessages are messages that an honest relay does not understand.
func (r *Relay) BadMessages() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.record.badMessages)
}

// UserAgents are those of the websocket handshakes.
func (r *Relay) UserAgents() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.record.userAgents)
}
