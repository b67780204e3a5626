package relay

import (
	"context"
	"errors"
	"sync"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// FleetOptions configure the connections of a Fleet.
type FleetOptions struct {
	Conn     ConnOptions // ID, URL, Trust and Commands are filled in
	Commands int         // that may wait for a connection, 64
}

// Fleet runs one goroutine per connection. Its methods never block, but for Wait.
type Fleet struct {
	ctx   context.Context
	opts  FleetOptions
	wg    sync.WaitGroup
	mu    sync.Mutex // connections end in goroutines of their own
	conns map[ConnID]member
}

type member struct {
	commands chan Command
	hangup   context.CancelCauseFunc
}

var errCommands = errors.New("connection does not take its commands")

// NewFleet makes a fleet whose connections all end with ctx.
func NewFleet(ctx context.Context, o FleetOptions) *Fleet {
	def(&o.Commands, 64)
	o.Conn = o.Conn.withDefaults()
	return &Fleet{ctx: ctx, opts: o, conns: map[ConnID]member{}}
}

// Dial starts a connection. A Down report follows in any case, an Up before it when the handshake succeeds.
func (f *Fleet) Dial(id ConnID, u relayurl.URL, trust Trust, learned Learned) {
	o := f.opts.Conn
	ctx, hangup := context.WithCancelCause(f.ctx)
	m := member{commands: make(chan Command, f.opts.Commands), hangup: hangup}
	o.ID, o.URL, o.Trust, o.Learned, o.Commands = id, u, trust, learned, m.commands
	f.mu.Lock()
	f.conns[id] = m
	f.mu.Unlock()
	f.wg.Go(func() {
		defer hangup(nil)
		_ = NewConn(o).Run(ctx) // Down has said it
		f.mu.Lock()
		delete(f.conns, id)
		f.mu.Unlock()
	})
}

// Send hands a command to a connection. One that does not take its commands is ended; for one that has ended it is
// dropped.
func (f *Fleet) Send(id ConnID, c Command) {
	f.mu.Lock()
	m, ok := f.conns[id]
	f.mu.Unlock()
	if !ok {
		return
	}
	select {
	case m.commands <- c:
	default:
		f.opts.Conn.Log.Warn("connection does not take its commands", zap.Uint64("conn", uint64(id)))
		m.hangup(&health.Failure{Cause: health.CauseTimeout, Err: errCommands})
	}
}

// Hangup ends a connection.
func (f *Fleet) Hangup(id ConnID) {
	f.mu.Lock()
	m, ok := f.conns[id]
	f.mu.Unlock()
	if ok {
		m.hangup(nil)
	}
}

// Wait returns when all connections have ended. Reports have to be taken meanwhile.
func (f *Fleet) Wait() { f.wg.Wait() }
