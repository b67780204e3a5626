package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fiatjaf/eventstore"
	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/policies"
	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip11"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// khatruFront is a khatru relay over a relay's store: the software that much of the git-nostr network runs on, with its
// manners: messages handled out of order, a REQ that never replaces an older one, NEG-ERROR for NEG-ERR, a line
// feed behind every message. Only the sending of live events is ours: khatru reads its table of listeners without its
// lock, and an event would be told to whoever stands there at that moment.
type khatruFront struct {
	relay *khatru.Relay
	http  *http.Server
	ln    *trackedListener
	done  chan struct{}

	mu        sync.Mutex
	listeners map[*khatruListener]struct{}
}

type khatruListener struct {
	ws     *khatru.WebSocket
	sub    string
	filter nostr.Filter
}

const (
	khatruNegLimit = 1 << 20
	writeWait      = 30 * time.Second
)

func listenKhatru(ctx context.Context, addr string, r *Relay) (front, error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	rl := khatru.NewRelay()
	f := &khatruFront{
		relay: rl, ln: &trackedListener{Listener: ln, open: map[net.Conn]struct{}{}},
		done: make(chan struct{}), listeners: map[*khatruListener]struct{}{},
	}
	quiet := zap.NewStdLog(zap.NewNop())
	rl.Log, rl.Negentropy = quiet, r.traits.negentropy
	rl.Info.Name, rl.Info.Description = string(r.Name), r.Character
	rl.Info.AddSupportedNIP(9)
	rl.Info.Limitation = &nip11.RelayLimitationDocument{MaxLimit: r.traits.page, MaxMessageLength: int(rl.MaxMessageSize)}
	rl.RejectEvent = append(rl.RejectEvent, func(_ context.Context, e *nostr.Event) (bool, string) {
		return e.Kind >= 20000 && e.Kind < 30000, "blocked: ephemeral events are not taken here"
	})
	if r.traits.guarded {
		rl.RejectFilter = append(rl.RejectFilter, policies.AntiSyncBots)
	}
	if most := r.traits.longest; most > 0 {
		rl.RejectFilter = append(rl.RejectFilter, func(_ context.Context, filter nostr.Filter) (bool, string) {
			return hasLonger(filter, most), "error: filter item too large"
		})
	}
	rl.OverwriteFilter = append(rl.OverwriteFilter, f.listen)
	rl.QueryEvents = append(rl.QueryEvents, f.query(r))
	rl.StoreEvent = append(rl.StoreEvent, f.save(r))
	rl.ReplaceEvent = append(rl.ReplaceEvent, f.save(r))
	f.http = &http.Server{Handler: rl, ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet}
	go func() {
		defer close(f.done)
		_ = f.http.Serve(f.ln) // it ends with Close
	}()
	return f, nil
}

// hasLonger reports whether a filter names a tag value of more bytes.
func hasLonger(filter nostr.Filter, most int) bool {
	for _, values := range filter.Tags {
		for _, v := range values {
			if len(v) > most {
				return true
			}
		}
	}
	return false
}

func (f *khatruFront) Addr() string { return f.ln.Addr().String() }

// Close hangs up; khatru's goroutines end when they notice.
func (f *khatruFront) Close(context.Context) error {
	err := f.http.Close()
	f.ln.hangUp()
	<-f.done
	return err
}

// listen is called for every filter of a REQ before it is answered. A subscription ends with its context.
func (f *khatruFront) listen(ctx context.Context, filter *nostr.Filter) {
	if eventstore.IsNegentropySession(ctx) {
		return
	}
	l := &khatruListener{ws: khatru.GetConnection(ctx), sub: khatru.GetSubscriptionID(ctx), filter: *filter}
	f.mu.Lock()
	f.listeners[l] = struct{}{}
	f.mu.Unlock()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, l)
	})
}

// Broadcast sends once per matching filter, as khatru does.
func (f *khatruFront) Broadcast(e *event.Event) {
	f.mu.Lock()
	var to []*khatruListener
	for l := range f.listeners {
		if l.filter.Matches(e.Event) {
			to = append(to, l)
		}
	}
	f.mu.Unlock()
	for _, l := range to {
		_ = l.ws.WriteJSON(nostr.EventEnvelope{SubscriptionID: &l.sub, Event: *e.Event}) // a client that is gone misses it
	}
}

func (f *khatruFront) query(r *Relay) func(context.Context, nostr.Filter) (chan *nostr.Event, error) {
	return func(ctx context.Context, filter nostr.Filter) (chan *nostr.Event, error) {
		if !wait(ctx, r.traits.delay) {
			return nil, ctx.Err()
		}
		limit := r.traits.page
		if eventstore.IsNegentropySession(ctx) {
			limit = khatruNegLimit
		} else if filter.Limit > 0 {
			limit = min(limit, filter.Limit)
		}
		found := r.store.Events(filter, limit)
		// Room for all: khatru sometimes reads one and leaves.
		ch := make(chan *nostr.Event, len(found))
		for _, e := range found {
			ch <- e.Event
		}
		close(ch)
		return ch, nil
	}
}

// save stores and broadcasts. The error says "duplicate", which keeps khatru from broadcasting itself.
func (f *khatruFront) save(r *Relay) func(context.Context, *nostr.Event) error {
	return func(_ context.Context, n *nostr.Event) error {
		e, err := event.Wrap(*n)
		if err != nil {
			return fmt.Errorf("invalid: %w", err)
		}
		a := r.store.Add(e)
		if !a.OK {
			return errors.New(a.Message)
		}
		if a.Broadcast {
			f.Broadcast(e)
		}
		return eventstore.ErrDupEvent
	}
}

// wait is the slowness of a slow relay; false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// trackedListener knows its open connections, and gives every write a deadline: khatru has none, and one client
// that does not read would stop all live events.
type trackedListener struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]struct{}
	shut bool
}

type trackedConn struct {
	net.Conn
	l *trackedListener
}

func (l *trackedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // http.Server compares it
	}
	t := &trackedConn{Conn: c, l: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		_ = c.Close()
	}
	l.open[t] = struct{}{}
	return t, nil
}

func (l *trackedListener) hangUp() {
	l.mu.Lock()
	l.shut = true
	var open []net.Conn
	for c := range l.open {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // hanging up on purpose
	}
}

func (c *trackedConn) Close() error {
	c.l.mu.Lock()
	delete(c.l.open, c)
	c.l.mu.Unlock()
	return c.Conn.Close()
}

func (c *trackedConn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
