package main

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	gosync "sync"
	"time"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// lines is the way to the relays of a world. It notes who was dialled when, and can fail on the way: then no relay is at fault.
type lines struct {
	network relaytest.Network

	mu     gosync.Mutex
	dials  map[string][]time.Time
	open   map[*line]bool
	uplink func(ctx context.Context) error // not nil: what a dial to any but the own relay ends with
	sent   func(host string)

	shuffles map[string]*rand.Rand // hosts whose events come in any order
}

func newLines() *lines {
	return &lines{dials: map[string][]time.Time{}, open: map[*line]bool{}, shuffles: map[string]*rand.Rand{}}
}

// DialContext fits relay.DialerOptions.
func (l *lines) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	now := time.Now()
	if at := l.dials[host]; len(at) == 0 || !at[len(at)-1].Equal(now) { // the document is fetched at the same moment
		l.dials[host] = append(at, now)
	}
	uplink := l.uplink
	l.mu.Unlock()
	if uplink != nil && host != ownHost {
		if err := uplink(ctx); err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
	}
	conn, err := l.network.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	if rng := l.shuffles[host]; rng != nil {
		conn = &shuffled{Conn: conn, rng: rand.New(rand.NewPCG(rng.Uint64(), 1))}
	}
	l.mu.Unlock()
	x := &line{Conn: conn, lines: l, host: host, closed: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[x] = true
	return x, nil
}

// watch has a function told of each write of ours, before it; nil ends that.
func (l *lines) watch(sent func(host string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = sent
}

// dialled is when a host was dialled since a moment.
func (l *lines) dialled(host string, since time.Time) []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := slices.BinarySearchFunc(l.dials[host], since, time.Time.Compare)
	return slices.Clone(l.dials[host][i:])
}

// to are the open lines to a host; empty: to all but the own relay.
func (l *lines) to(host string) []*line {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*line
	for x := range l.open {
		if x.host == host || (host == "" && x.host != ownHost) {
			out = append(out, x)
		}
	}
	return out
}

// swallow makes the open lines to a host dead without a word: what either side writes is lost.
func (l *lines) swallow(host string) {
	for _, x := range l.to(host) {
		x.mu.Lock()
		x.dead = true
		x.mu.Unlock()
	}
}

// line is one connection of ours.
type line struct {
	net.Conn
	lines *lines
	host  string
	mu    gosync.Mutex
	dead  bool

	closing gosync.Once
	closed  chan struct{}
}

func (x *line) isDead() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.dead
}

func (x *line) Read(p []byte) (int, error) {
	for {
		n, err := x.Conn.Read(p)
		switch {
		case !x.isDead():
			return n, err
		case err != nil: // one does not hear of the end either
			<-x.closed
			return 0, net.ErrClosed
		}
	}
}

func (x *line) Write(p []byte) (int, error) {
	if x.isDead() {
		return len(p), nil
	}
	x.lines.mu.Lock()
	sent := x.lines.sent
	x.lines.mu.Unlock()
	if sent != nil {
		sent(x.host)
	}
	return x.Conn.Write(p)
}

func (x *line) Close() error {
	x.lines.mu.Lock()
	delete(x.lines.open, x)
	x.lines.mu.Unlock()
	x.closing.Do(func() { close(x.closed) })
	return x.Conn.Close()
}

// unlessRaced gives how much of something a run takes: the second number when the race detector watches.
func unlessRaced(n, watched int) int {
	if raced {
		return watched
	}
	return n
}

// fewer gives the first of some variants where the race detector watches, else all.
func fewer[T any](all ...T) []T {
	if raced {
		return all[:1]
	}
	return all
}
