package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
)

// pageCap is how many events one filter gets at most, as most relays have it.
const pageCap = 500

// document is what the peers say of themselves (NIP-11): the limits of a strfry as it is installed.
const document = `{"name":"bench","supported_nips":[1,11],` +
	`"limitation":{"max_limit":500,"max_subscriptions":20,"max_message_length":131072}}`

// peer is a relay on loopback: NIP-01 reading over a store, live events, NIP-11. What an EVENT brings about is up to
// whoever embeds it.
type peer struct {
	store   *store
	publish func(c *client, msg []byte)                // an EVENT message; nil: refused
	onWire  func(note string, before, after time.Time) // a noted message was written; nil: nobody cares
	speaks  bool                                       // NIP-77; set before anybody connects

	narrow   bool        // its sockets hold little of what the daemon does not read; set before anybody connects
	sluggish atomic.Bool // from now on it reads a message a second, and writes a byte a millisecond

	noteStored bool // the ids of stored events are noted

	ctx       context.Context
	cancel    context.CancelFunc
	servers   []*http.Server
	addresses []string
	wg        sync.WaitGroup

	mu      sync.Mutex
	clients map[*client]struct{}

	requests atomic.Int64 // REQs that ask for stored events
	rounds   atomic.Int64 // NEG-OPEN and NEG-MSG
	sessions atomic.Int64 // NEG-OPEN
	events   atomic.Int64 // EVENT messages sent
	bytes    atomic.Int64 // of all messages sent
	received atomic.Int64 // bytes of all messages that came
	first    atomic.Int64 // moment of the first REQ, nanoseconds since 1970
}

const narrowBytes = 64 << 10

// newPeer listens on free ports of the given addresses. Close ends it.
func newPeer(ctx context.Context, s *store, hosts ...string) (*peer, error) {
	p := &peer{store: s, clients: map[*client]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(ctx)
	for _, host := range hosts {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			p.close()
			return nil, fmt.Errorf("listen: %w", err)
		}
		server := &http.Server{
			Handler:           p,
			ReadHeaderTimeout: 10 * time.Second,
			ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
				return context.WithValue(ctx, connKey{}, conn)
			},
		}
		p.servers = append(p.servers, server)
		p.addresses = append(p.addresses, l.Addr().String())
		p.wg.Go(func() { _ = server.Serve(corkListener{l}) }) // ends with close
	}
	return p, nil
}

type connKey struct{}

// urls are the peer's websocket URLs, one for each address that it listens on.
func (p *peer) urls() []string {
	var out []string
	for _, a := range p.addresses {
		out = append(out, "ws://"+a)
	}
	return out
}

// close cuts all connections and waits for the goroutines.
func (p *peer) close() {
	p.cancel()
	for _, s := range p.servers {
		_ = s.Close()
	}
	p.wg.Wait()
}

// drop cuts all connections, and lets new ones in.
func (p *peer) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.clients {
		_ = c.raw.Close() // the client's reader sees it
	}
}

// ServeHTTP answers handshakes, and everything else with the document.
func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.wg.Add(1)
	defer p.wg.Done()
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Content-Type", "application/nostr+json")
		_, _ = w.Write([]byte(document))
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	ws.SetReadLimit(16 << 20)
	raw, ok := r.Context().Value(connKey{}).(*corkConn)
	if !ok {
		_ = ws.CloseNow()
		return
	}
	raw.sluggish = &p.sluggish
	if tcp, ok := raw.Conn.(*net.TCPConn); ok && p.narrow {
		_ = tcp.SetWriteBuffer(narrowBytes)
	}
	c := &client{peer: p, ws: ws, raw: raw, out: newOutbox(), subs: map[string]nostr.Filters{}, talks: map[string]*negentropy.Negentropy{}}
	p.mu.Lock()
	p.clients[c] = struct{}{}
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(p.ctx)
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		defer cancel()
		c.write(ctx)
	}()
	c.read(ctx)
	cancel()
	_ = ws.CloseNow()
	<-writing
	p.mu.Lock()
	delete(p.clients, c)
	p.mu.Unlock()
}

// broadcast sends an event to every subscription that it matches. note is told to onWire for each.
func (p *peer) broadcast(e entry, note string) {
	p.mu.Lock()
	clients := make([]*client, 0, len(p.clients))
	for c := range p.clients {
		clients = append(clients, c)
	}
	p.mu.Unlock()
	for _, c := range clients {
		c.offer(e, note)
	}
}

// client is one connection of a peer. Its subscriptions belong to the reader and to broadcast.
type client struct {
	peer  *peer
	ws    *websocket.Conn
	raw   *corkConn
	out   *outbox
	mu    sync.Mutex
	subs  map[string]nostr.Filters
	talks map[string]*negentropy.Negentropy // the reader's
}

func (c *client) read(ctx context.Context) {
	for {
		_, msg, err := c.ws.Read(ctx)
		if err != nil {
			return
		}
		c.peer.received.Add(int64(len(msg)))
		if len(msg) > 8 && string(msg[:8]) == `["EVENT"` {
			if c.peer.publish != nil {
				c.peer.publish(c, msg)
			}
			continue
		}
		if err := c.handle(msg); err != nil {
			_ = c.say("NOTICE", "error: "+err.Error())
		}
		if c.peer.sluggish.Load() {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	}
}

var errMessage = errors.New("unknown command") // as relays without NIP-77 say of NEG-OPEN

func (c *client) handle(msg []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(msg, &parts); err != nil {
		return err
	}
	var label, sub string
	if len(parts) < 2 || json.Unmarshal(parts[0], &label) != nil || json.Unmarshal(parts[1], &sub) != nil {
		return errMessage
	}
	switch label {
	case "REQ":
		return c.req(sub, parts[2:])
	case "CLOSE":
		c.mu.Lock()
		delete(c.subs, sub)
		c.mu.Unlock()
		return nil
	}
	if c.peer.speaks {
		return c.reconcile(label, sub, parts[2:])
	}
	return errMessage
}

func (c *client) req(sub string, parts []json.RawMessage) error {
	filters := make(nostr.Filters, len(parts))
	stored := false
	for i, part := range parts {
		if err := json.Unmarshal(part, &filters[i]); err != nil {
			return err
		}
		stored = stored || !filters[i].LimitZero
	}
	p := c.peer
	p.first.CompareAndSwap(0, time.Now().UnixNano())
	// Open before the stored events are read: what is published meanwhile comes twice rather than never.
	c.mu.Lock()
	c.subs[sub] = filters
	c.mu.Unlock()
	if stored {
		p.requests.Add(1)
	}
	for _, e := range p.store.answer(filters, pageCap) {
		m := outgoing{msg: eventFrame(sub, e.raw)}
		if p.noteStored {
			m.note = e.event.ID
		}
		c.out.put(m)
		p.events.Add(1)
	}
	return c.say("EOSE", sub)
}

// offer sends an event to those subscriptions of the client that it matches.
func (c *client) offer(e entry, note string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for sub, filters := range c.subs {
		if filters.Match(e.event) {
			c.peer.events.Add(1)
			c.out.put(outgoing{msg: eventFrame(sub, e.raw), note: note})
		}
	}
}

func eventFrame(sub string, raw []byte) []byte {
	msg := make([]byte, 0, len(sub)+len(raw)+16)
	msg = append(msg, `["EVENT","`...)
	msg = append(msg, sub...) // of our daemon: letters, digits and hyphens
	msg = append(msg, `",`...)
	msg = append(msg, raw...)
	return append(msg, ']')
}

func (c *client) write(ctx context.Context) {
	for {
		batch, ok := c.out.take(ctx)
		if !ok {
			return
		}
		before := time.Now()
		c.raw.cork()
		for _, m := range batch {
			c.peer.bytes.Add(int64(len(m.msg)))
			if err := c.ws.Write(ctx, websocket.MessageText, m.msg); err != nil {
				return
			}
		}
		if err := c.raw.uncork(); err != nil {
			return
		}
		if c.peer.onWire == nil {
			continue
		}
		after := time.Now()
		for _, m := range batch {
			if m.note != "" {
				c.peer.onWire(m.note, before, after)
			}
		}
	}
}

// outgoing is a message, and a note for peer.onWire.
type outgoing struct {
	msg  []byte
	note string
}

// outbox is what waits to be written. It is not bounded: the daemon asks for no more than it has room for.
type outbox struct {
	mu    sync.Mutex
	queue []outgoing
	some  chan struct{}
}

func newOutbox() *outbox { return &outbox{some: make(chan struct{}, 1)} }

func (o *outbox) put(m ...outgoing) {
	o.mu.Lock()
	o.queue = append(o.queue, m...)
	o.mu.Unlock()
	select {
	case o.some <- struct{}{}:
	default:
	}
}

// take waits for messages and gives all there are.
func (o *outbox) take(ctx context.Context) ([]outgoing, bool) {
	for {
		o.mu.Lock()
		batch := o.queue
		o.queue = nil
		o.mu.Unlock()
		if len(batch) > 0 {
			return batch, true
		}
		select {
		case <-o.some:
		case <-ctx.Done():
			return nil, false
		}
	}
}
