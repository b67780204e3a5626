package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// client is one connection. run returns when its goroutines have.
type client struct {
	srv  *Server
	conn *websocket.Conn
	host string // that the client dialled, for NIP-42

	ctx    context.Context
	cancel context.CancelCauseFunc

	orders      chan *order
	inflight    atomic.Int64  // events taken and not answered
	quiet       chan struct{} // wakes the writer when it has become zero
	prompt      chan []byte   // answers and live events: who sends never waits
	promptBytes atomic.Int64
	bulk        chan []byte // stored events: who sends waits
	working     sync.WaitGroup

	// The reader's.
	subs      map[string]context.CancelFunc // open subscriptions and how to end their stored query
	kept      map[string]int64              // bytes of their filters
	sessions  map[string]*session
	challenge string
	proven    map[event.PubKey]bool
}

var (
	errTooSlow = errors.New("client does not read what it is sent")
	errTooMuch = errors.New("all clients have too much waiting, and this one the most")
	errGoodbye = errors.New("relay closes")
)

func newClient(s *Server, conn *websocket.Conn, host string) *client {
	return &client{
		srv: s, conn: conn, host: host,
		orders: make(chan *order, ordersWait), quiet: make(chan struct{}, 1),
		prompt: make(chan []byte, promptFrames),
		bulk:   make(chan []byte, bulkFrames),
		subs:   map[string]context.CancelFunc{}, kept: map[string]int64{}, sessions: map[string]*session{}, proven: map[event.PubKey]bool{},
	}
}

func (c *client) run(ctx context.Context) error {
	ctx, c.cancel = context.WithCancelCause(ctx)
	defer c.cancel(nil)
	g, ctx := errgroup.WithContext(ctx)
	c.ctx = ctx
	c.srv.backlog.enter(c)
	defer c.srv.backlog.leave(c)
	g.Go(c.read)
	g.Go(c.submit)
	g.Go(c.write)
	g.Go(c.ping)
	err := g.Wait()
	c.working.Wait()
	c.srv.hub.post(forget{client: c})
	_ = c.conn.CloseNow() // usually closed by now
	if cause := context.Cause(ctx); errors.Is(cause, errTooSlow) || errors.Is(cause, errTooMuch) {
		return cause
	}
	return err
}

// tell queues an answer or a live event. It never waits; a client that has let too much pile up is cut off.
func (c *client) tell(frame []byte) {
	n := int64(len(frame))
	if c.promptBytes.Add(n) > c.srv.limits.OutBytes {
		c.promptBytes.Add(-n)
		c.cancel(errTooSlow)
		return
	}
	select {
	case c.prompt <- frame:
		c.srv.backlog.add(c, n)
	default:
		c.promptBytes.Add(-n)
		c.cancel(errTooSlow)
	}
}

// stream queues a stored event and waits for room.
func (c *client) stream(ctx context.Context, frame []byte) error {
	select {
	case c.bulk <- frame:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write is the only one that writes messages. After stop it goes on until every event that was taken is answered.
func (c *client) write() error {
	stop := c.srv.stop
	for {
		if stop == nil && c.inflight.Load() == 0 && len(c.prompt) == 0 {
			impatient := time.AfterFunc(goodbyeWait, func() { c.cancel(errGoodbye) })
			_ = c.conn.Close(websocket.StatusGoingAway, "relay closes") // the connection ends either way
			impatient.Stop()
			return errGoodbye
		}
		select {
		case f := <-c.prompt:
			if err := c.writePrompt(f); err != nil {
				return err
			}
			continue
		default:
		}
		select {
		case f := <-c.prompt:
			if err := c.writePrompt(f); err != nil {
				return err
			}
		case f := <-c.bulk:
			if err := c.send(f); err != nil {
				return err
			}
		case <-stop:
			stop = nil
		case <-c.quiet:
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

func (c *client) writePrompt(f []byte) error {
	c.promptBytes.Add(-int64(len(f)))
	defer c.srv.backlog.add(c, -int64(len(f)))
	return c.send(f)
}

func (c *client) send(f []byte) error {
	ctx, cancel := context.WithTimeout(c.ctx, writeWait)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, f); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// ping finds clients that vanished without a word.
func (c *client) ping() error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		case <-tick.C:
			ctx, cancel := context.WithTimeout(c.ctx, pongWait)
			err := c.conn.Ping(ctx)
			cancel()
			if err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		}
	}
}
