package relaytest

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
)

// conn is one client of the relay.
type conn struct {
	relay  *Relay
	id     int
	ws     *websocket.Conn
	in     *queue // read, and not handled yet: pings are answered meanwhile
	out    *queue
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	subs   map[string][]nostr.Filter
	negs   map[string]*negSession
	authed bool
}

// shake counts a handshake that begins, or with -1 one that is over. The caller holds the lock.
func (r *Relay) shake(n int) {
	r.shaking += n
	r.shaken.Broadcast()
}

func (r *Relay) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.shake(1)
	r.mu.Unlock()
	ws, err := websocket.Accept(w, req, &websocket.AcceptOptions{
		InsecureSkipVerify: true,
		OnPingReceived: func(context.Context, []byte) bool {
			o := r.script()
			return !o.Silent && !o.NoPong
		},
	})
	if err != nil {
		r.mu.Lock()
		r.shake(-1)
		r.mu.Unlock()
		return
	}
	ws.SetReadLimit(16 << 20)
	c := &conn{relay: r, ws: ws, in: newQueue(), out: newQueue(), subs: map[string][]nostr.Filter{}}
	c.ctx, c.cancel = context.WithCancel(r.ctx)
	r.mu.Lock()
	r.nextID++
	c.id = r.nextID
	r.conns[c] = struct{}{}
	r.shake(-1)
	r.record.connections++
	r.record.userAgents = append(r.record.userAgents, req.UserAgent())
	challenge := r.opts.Challenge
	if r.opts.AskedFirst {
		challenge = ""
	}
	r.mu.Unlock()

	if challenge != "" {
		c.say("AUTH", challenge)
	}
	c.spawn(c.write)
	c.spawn(c.work)
	c.read()
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
	c.drop()
	c.wg.Wait()
}

func (c *conn) drop() {
	c.cancel()
	c.in.close()
	c.out.close()
	_ = c.ws.CloseNow()
}

func (c *conn) write() {
	for sent := 1; ; sent++ {
		msg, ok := c.out.pop()
		if !ok {
			return
		}
		if err := c.ws.Write(c.ctx, websocket.MessageText, msg); err != nil {
			c.drop()
			return
		}
		if n := c.relay.script().DropAfter; n > 0 && sent >= n {
			c.drop()
			return
		}
	}
}

func (c *conn) read() {
	for {
		if c.relay.script().Deaf {
			<-c.ctx.Done()
			return
		}
		_, msg, err := c.ws.Read(c.ctx)
		if err != nil {
			return
		}
		c.in.push(msg)
	}
}

func (c *conn) work() {
	for {
		msg, ok := c.in.pop()
		if !ok {
			return
		}
		o := c.relay.script()
		switch {
		case o.Silent:
		case o.Concurrent:
			c.spawn(func() { c.handle(msg, o) })
		default:
			c.handle(msg, o)
		}
	}
}

func (c *conn) spawn(f func()) {
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		f()
	}()
}

// say sends a message of strings and values.
func (c *conn) say(parts ...any) bool {
	b, err := json.Marshal(parts)
	if err != nil {
		panic(err) // a mistake of this package
	}
	return c.out.pushPatiently(append(b, '\n')) // as khatru does
}

func (c *conn) handle(msg []byte, o Options) {
	var parts []json.RawMessage
	if json.Unmarshal(msg, &parts) != nil || len(parts) < 2 {
		c.bad(msg)
		return
	}
	var label string
	_ = json.Unmarshal(parts[0], &label)
	switch label {
	case "REQ":
		c.req(msg, parts, o)
	case "CLOSE":
		c.close(parts)
	case "NEG-OPEN":
		c.negOpen(msg, parts, o)
	case "NEG-MSG":
		c.negMsg(msg, parts, o)
	case "NEG-CLOSE":
		c.negClose(parts)
	case "EVENT":
		c.publish(msg, parts, o)
	case "AUTH":
		c.auth(parts, o)
	default:
		c.bad(msg)
	}
}

func (c *conn) bad(msg []byte) {
	c.relay.note(func(r *record) { r.badMessages = append(r.badMessages, string(msg)) })
	c.say("NOTICE", "ERROR: bad msg: unparseable message")
}

func (c *conn) close(parts []json.RawMessage) {
	var sub string
	_ = json.Unmarshal(parts[1], &sub)
	c.mu.Lock()
	delete(c.subs, sub)
	c.mu.Unlock()
	c.relay.note(func(r *record) { r.closes = append(r.closes, sub) })
}

func (c *conn) subIDs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for id := range c.subs {
		out = append(out, id)
	}
	return out
}

// feed sends a live event to every subscription that it matches.
func (c *conn) feed(e nostr.Event) {
	if c.relay.script().Silent {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, filters := range c.subs {
		if nostr.Filters(filters).Match(&e) {
			b, _ := json.Marshal([]any{"EVENT", id, e})
			c.out.push(b)
		}
	}
}

func (c *conn) publish(msg []byte, parts []json.RawMessage, o Options) {
	var e nostr.Event
	if json.Unmarshal(parts[1], &e) != nil {
		c.bad(msg)
		return
	}
	c.relay.note(func(r *record) { r.received = append(r.received, e) })
	if o.RequireAuth && !c.isAuthed() {
		c.challenge(o)
		c.say("OK", e.ID, false, "auth-required: log in first")
		return
	}
	v := c.judge(e, o)
	switch {
	case v.Drop:
		c.drop()
	case v.Notice != "":
		c.say("NOTICE", v.Notice)
	case v.NoAnswer:
	case v.After > 0:
		c.spawn(func() {
			select {
			case <-time.After(v.After):
				c.answer(e, v)
			case <-c.ctx.Done():
			}
		})
	default:
		c.answer(e, v)
	}
}

func (c *conn) judge(e nostr.Event, o Options) Verdict {
	if o.Verify {
		if !e.CheckID() {
			return Verdict{Reason: "invalid: bad event id"}
		}
		if ok, err := e.CheckSignature(); err != nil || !ok {
			return Verdict{Reason: "invalid: bad signature"}
		}
	}
	if o.Policy != nil {
		if v := o.Policy(&e); v != nil {
			return *v
		}
	}
	return Verdict{OK: true}
}

// answer stores what is accepted and says so, OK first: a subscription of the publisher may show the event before it.
func (c *conn) answer(e nostr.Event, v Verdict) {
	ok, reason := v.OK, v.Reason
	if ok && !v.Hide {
		var stored string
		if ok, stored = c.relay.accept(e); reason == "" {
			reason = stored
		}
	}
	if v.Short {
		c.say("OK", e.ID, ok)
		return
	}
	c.say("OK", e.ID, ok, reason)
}

func (c *conn) isAuthed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.authed
}

// challenge asks for a login where that was not done at the start.
func (c *conn) challenge(o Options) {
	if o.AskedFirst {
		c.say("AUTH", o.Challenge)
	}
}

func (c *conn) auth(parts []json.RawMessage, o Options) {
	var e nostr.Event
	_ = json.Unmarshal(parts[1], &e)
	tag := e.Tags.Find("challenge")
	valid, err := e.CheckSignature()
	if name := e.Tags.Find("relay"); o.AuthName != "" && (name == nil || name[1] != o.AuthName) {
		c.say("OK", e.ID, false, "error: incorrect or missing relay tag, expected: "+o.AuthName)
		return
	}
	if e.Kind != nostr.KindClientAuthentication || tag == nil || tag[1] != o.Challenge || err != nil || !valid {
		c.say("OK", e.ID, false, "error: challenge string mismatch")
		return
	}
	c.mu.Lock()
	c.authed = true
	c.mu.Unlock()
	c.say("OK", e.ID, true, "successfully authenticated")
}
