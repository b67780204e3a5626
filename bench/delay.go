package main

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	delayChunk = 64 << 10
	// delayQueue chunks are on their way in one direction at most. Full ones are 64 MiB: no daemon is to wait for that.
	delayQueue = 1024
)

// delayProxy hands TCP connections on and lets every byte take its time, each way. It limits no rate.
type delayProxy struct {
	target   string
	each     time.Duration // one way
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// newDelayProxy listens on a free loopback port in front of a TCP address. Close ends it.
func newDelayProxy(ctx context.Context, target string, each time.Duration) (*delayProxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return nil, err
	}
	p := &delayProxy{target: target, each: each, listener: l}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.wg.Go(p.accept)
	return p, nil
}

// url is what a daemon dials in place of the target.
func (p *delayProxy) url() string { return "ws://" + p.listener.Addr().String() }

// close cuts all connections and waits for the goroutines.
func (p *delayProxy) close() {
	p.cancel()
	_ = p.listener.Close()
	p.wg.Wait()
}

func (p *delayProxy) accept() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(from) })
	}
}

// serve hands on one connection until one side ends it.
func (p *delayProxy) serve(from net.Conn) {
	var d net.Dialer
	to, err := d.DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		_ = from.Close()
		return
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		queue := make(chan delayed, delayQueue)
		wg.Go(func() {
			defer cancel()
			take(ctx, way[0], queue)
		})
		wg.Go(func() {
			defer cancel()
			p.give(ctx, way[1], queue)
		})
	}
	<-ctx.Done()
	_, _ = from.Close(), to.Close()
	wg.Wait()
}

// delayed is what came at a time.
type delayed struct {
	bytes []byte
	at    time.Time
}

func take(ctx context.Context, from net.Conn, queue chan<- delayed) {
	buf := make([]byte, delayChunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case queue <- delayed{append([]byte(nil), buf[:n]...), time.Now()}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *delayProxy) give(ctx context.Context, to net.Conn, queue <-chan delayed) {
	for {
		select {
		case d := <-queue:
			select {
			case <-time.After(time.Until(d.at.Add(p.each))):
			case <-ctx.Done():
				return
			}
			if _, err := to.Write(d.bytes); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
