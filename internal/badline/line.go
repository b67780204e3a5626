package badline

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Options make a Line. Target is required.
type Options struct {
	Target  string // host:port
	Frames  bool   // the target speaks websocket: Twice, Tear and Garble know where its frames end
	Weather Weather
}

// Weather is what a line is like for a while. The zero value is a good one.
type Weather struct {
	Delay  time.Duration // that every byte takes, each way; it limits no rate
	Rate   int           // bytes a second each way and connection; 0: any
	Hold   bool          // nothing gets through, and nothing is lost: it arrives when this ends
	Twice  bool          // every text message of the target arrives twice; needs Options.Frames
	Mute   bool          // new connections are accepted and never answered
	Refuse bool          // new connections are refused
}

// Line is a proxy in front of one target. Its methods may be called from any goroutine.
type Line struct {
	target string
	frames bool
	port   *Port
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	weather  Weather
	changed  chan struct{} // closed when the weather changes
	open     map[*conn]struct{}
}

// Listen starts a line at a free port of loopback. Close ends it; the end of ctx cuts what it carries.
func Listen(ctx context.Context, o Options) (*Line, error) {
	l := &Line{target: o.Target, frames: o.Frames, weather: o.Weather, changed: make(chan struct{}), open: map[*conn]struct{}{}}
	port, err := HoldPort()
	if err != nil {
		return nil, fmt.Errorf("line: %w", err)
	}
	l.port = port
	l.ctx, l.cancel = context.WithCancel(ctx)
	if err := l.listen(); err != nil {
		l.cancel()
		port.Close()
		return nil, err
	}
	return l, nil
}

// Addr is the host:port to dial, also while connections are refused.
func (l *Line) Addr() string { return l.port.Addr() }

// URL is Addr for a relay.
func (l *Line) URL() string { return "ws://" + l.Addr() }

// Close cuts all connections and waits for the goroutines.
func (l *Line) Close() {
	l.cancel()
	l.mu.Lock()
	l.deafen()
	l.mu.Unlock()
	l.wg.Wait()
	l.port.Close()
}

// Set changes the weather. The error is that the line cannot listen again.
func (l *Line) Set(w Weather) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = w
	close(l.changed)
	l.changed = make(chan struct{})
	if w.Refuse {
		l.deafen()
		return nil
	}
	if l.listener != nil || l.ctx.Err() != nil {
		return nil
	}
	return l.listen()
}

// now is the weather, and what ends when it changes.
func (l *Line) now() (Weather, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.weather, l.changed
}

// listen and deafen need the mutex, but for the first time.
func (l *Line) listen() error {
	ln, err := new(net.ListenConfig).Listen(l.ctx, "tcp", l.Addr())
	if err != nil {
		return fmt.Errorf("line: %w", err)
	}
	l.listener = ln
	l.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // closed
			}
			l.wg.Go(func() { l.serve(c) })
		}
	})
	return nil
}

func (l *Line) deafen() {
	if l.listener != nil {
		_ = l.listener.Close() // nothing is written by it
		l.listener = nil
	}
}

// serve carries one connection until a side or a fault ends it.
func (l *Line) serve(client net.Conn) {
	if w, _ := l.now(); w.Mute {
		defer client.Close()
		<-l.ctx.Done()
		return
	}
	target, err := new(net.Dialer).DialContext(l.ctx, "tcp", l.target)
	if err != nil {
		_ = client.Close() // as the target does
		return
	}
	c := newConn(l, client, target)
	l.mu.Lock()
	l.open[c] = struct{}{}
	l.mu.Unlock()
	c.run()
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
}

// befall does something to every open connection, and gives how many there were.
func (l *Line) befall(do func(*conn)) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		do(c)
	}
	return len(l.open)
}

// Cut ends the open connections: both sides see the end of the stream. It gives how many there were, as the others do.
func (l *Line) Cut() int { return l.befall(func(c *conn) { c.end() }) }

// Reset ends the open connections with a RST, and what was under way is lost.
func (l *Line) Reset() int { return l.befall((*conn).reset) }

// Tear ends the open connections in the middle of the next unit that the target sends, or with the client's next word.
func (l *Line) Tear() int { return l.befall(func(c *conn) { c.tear.Store(true) }) }

// Garble has the first half of the next unit that the target sends arrive twice.
func (l *Line) Garble() int { return l.befall(func(c *conn) { c.garble.Store(true) }) }

// Swallow makes the open connections half-open: nothing gets through any more, and no side hears of it. They stay until Close.
func (l *Line) Swallow() int { return l.befall((*conn).swallow) }

// HangUp ends the open connections for the client only: the target hears nothing, and is not heard, until Close.
func (l *Line) HangUp() int { return l.befall((*conn).hangUp) }
