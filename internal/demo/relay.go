package demo

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/embedded/server"
)

// traits is what makes a relay different from the next.
type traits struct {
	software      string // "khatru", or empty for ours
	negentropy    bool
	page          int // events per filter of one REQ
	subscriptions int // 0: as many as the software allows
	filters       int // of one REQ; 0: as many as the software allows
	delay         time.Duration
	guarded       bool // khatru: refuses filters that state no kinds, or the kind of notes, and no authors
	longest       int  // khatru: bytes of a value in a filter, refuses others; 0: any
}

// Relay is a remote relay of the world. Its methods may be called from any goroutine.
type Relay struct {
	Name      relayurl.URL // under which announcements know it
	Character string       // one line for people

	traits traits
	store  *server.Memory

	mu    sync.Mutex
	front front  // nil while it is down
	addr  string // that it keeps over an outage
}

// front is what listens.
type front interface {
	Addr() string
	Broadcast(e *event.Event)
	Close(ctx context.Context) error
}

func newRelay(name relayurl.URL, character string, t traits) *Relay {
	return &Relay{Name: name, Character: character, traits: t, store: server.NewMemory(), addr: "127.0.0.1:0"}
}

// NewKhatru gives an empty khatru relay outside of any world, with negentropy and so many events a page. It does not listen yet.
func NewKhatru(page int) *Relay {
	return newRelay("", "khatru, negentropy", traits{software: "khatru", negentropy: true, page: page})
}

// Up makes it listen, at the same address as before.
func (r *Relay) Up(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.front != nil {
		return nil
	}
	listen := listenOurs
	if r.traits.software == "khatru" {
		listen = listenKhatru
	}
	f, err := listen(ctx, r.addr, r)
	if err != nil {
		return err
	}
	r.front, r.addr = f, f.Addr()
	return nil
}

// Down hangs up on everybody and stops listening. What is stored stays.
func (r *Relay) Down(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.front == nil {
		return nil
	}
	f := r.front
	r.front = nil
	return f.Close(ctx)
}

// URL is where it really listens, also while it is down.
func (r *Relay) URL() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return "ws://" + r.addr
}

// Len is the number of events that it holds.
func (r *Relay) Len() int { return len(r.store.All()) }

// errRefused is an event that a relay of the world did not take.
var errRefused = errors.New("refused")

// Publish stores an event as if a client had sent it, and tells those who listen. A relay that is down takes none.
func (r *Relay) Publish(e *event.Event) error {
	r.mu.Lock()
	f := r.front
	r.mu.Unlock()
	if f == nil {
		return errRefused
	}
	a := r.store.Add(e)
	if a.Broadcast {
		f.Broadcast(e)
	}
	if !a.OK {
		return errRefused
	}
	return nil
}

func listenOurs(ctx context.Context, addr string, r *Relay) (front, error) {
	t := r.traits
	limits := server.Limits{PageLimit: t.page, DefaultLimit: t.page, Subscriptions: t.subscriptions, Filters: t.filters, Delay: t.delay, Reconciliations: -1}
	if t.negentropy {
		limits.Reconciliations = 4
	}
	return server.Listen(ctx, addr, server.Options{
		Backend: r.store, Limits: limits,
		Info: server.Info{Name: string(r.Name), Description: r.Character, Software: "ngit-sync demo", NIPs: []int{9}},
	})
}
