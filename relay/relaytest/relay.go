package relaytest

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nbd-wtf/go-nostr"
)

// Relay is one scriptable relay.
type Relay struct {
	mu     sync.Mutex
	opts   Options
	store  store
	record record
	conns  map[*conn]struct{}
	// shaking counts handshakes under way. A client may know that it is connected before the relay does.
	shaking int
	shaken  *sync.Cond
	nextID  int
	down    bool

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	server *http.Server
	pipes  *pipeListener
}

// New starts a relay. Close ends it.
func New(o Options) *Relay {
	r := &Relay{opts: o, conns: map[*conn]struct{}{}, pipes: newPipeListener()}
	r.shaken = sync.NewCond(&r.mu)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	for _, e := range o.Events {
		r.store.add(e)
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		_ = r.server.Serve(r.pipes) // ends with Close
	}()
	return r
}

// Start is New with Close as a cleanup of the test.
func Start(t interface{ Cleanup(func()) }, o Options) *Relay {
	r := New(o)
	t.Cleanup(r.Close)
	return r
}

// Close cuts all connections and waits for the goroutines.
func (r *Relay) Close() {
	r.cancel()
	_ = r.server.Close()
	r.Drop()
	r.wg.Wait()
}

// DialContext connects to the relay in memory, whatever the address says. It fits relay.DialerOptions.
func (r *Relay) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	r.mu.Lock()
	down := r.down
	r.mu.Unlock()
	if down || r.ctx.Err() != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return r.pipes.dial(ctx)
}

// Set changes the script while the relay runs.
func (r *Relay) Set(change func(*Options)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.opts)
}

// Down makes the relay refuse new connections, and cuts the open ones; false lets them in again.
func (r *Relay) Down(down bool) {
	r.mu.Lock()
	r.down = down
	r.mu.Unlock()
	if down {
		r.Drop()
	}
}

// Drop cuts all connections without a close frame.
func (r *Relay) Drop() {
	for _, c := range r.open() {
		c.drop()
	}
}

// Broadcast sends a raw message to every connection.
func (r *Relay) Broadcast(msg string) {
	for _, c := range r.open() {
		c.out.push([]byte(msg))
	}
}

// Publish stores events and sends them to matching subscriptions, as if other clients had published them.
func (r *Relay) Publish(events ...nostr.Event) {
	for _, e := range events {
		r.accept(e)
	}
}

// Remove takes events out of the store.
func (r *Relay) Remove(ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		r.store.remove(id)
	}
}

// Events are those stored, newest first.
func (r *Relay) Events() []nostr.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.store.events)
}

// Has reports whether an event is stored.
func (r *Relay) Has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.has(id)
}

func (r *Relay) script() Options {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opts
}

// open gives the connections, once those whose handshake is under way have become one.
func (r *Relay) open() []*conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.shaking > 0 {
		r.shaken.Wait()
	}
	out := make([]*conn, 0, len(r.conns))
	for c := range r.conns {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *conn) int { return a.id - b.id })
	return out
}

// accept stores an event and passes it on; it gives the text of the answer.
func (r *Relay) accept(e nostr.Event) (bool, string) {
	r.mu.Lock()
	ok, reason := r.store.add(e)
	r.mu.Unlock()
	if ok && reason == "" {
		for _, c := range r.open() {
			c.feed(e)
		}
	}
	return ok, reason
}

// ServeHTTP answers websocket handshakes and requests for the NIP-11 document.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.wg.Add(1)
	defer r.wg.Done()
	if req.Header.Get("Upgrade") == "" {
		r.document(w, req)
		return
	}
	o := r.script()
	if !r.pause(o.HandshakeDelay) {
		return
	}
	if o.HandshakeStatus != 0 {
		if o.RetryAfter != "" {
			w.Header().Set("Retry-After", o.RetryAfter)
		}
		http.Error(w, "no", o.HandshakeStatus)
		return
	}
	r.serve(w, req)
}

func (r *Relay) document(w http.ResponseWriter, req *http.Request) {
	o := r.script()
	if o.DocumentSilent {
		<-req.Context().Done()
		return
	}
	if !r.pause(o.DocumentDelay) {
		return
	}
	r.note(func(rec *record) { rec.documents++ })
	doc := o.Document
	if doc == "" {
		doc = `{"name":"relaytest","supported_nips":[1,11],"limitation":{"max_limit":500}}`
	}
	w.Header().Set("Content-Type", "application/nostr+json")
	if o.DocumentStatus != 0 {
		w.WriteHeader(o.DocumentStatus)
	}
	_, _ = w.Write([]byte(doc))
}

// pause waits, and reports whether the relay is still there.
func (r *Relay) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-r.ctx.Done():
		return false
	}
}
