package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// corkBytes is how much a corked connection gathers before it writes.
const corkBytes = 256 << 10

// corkConn gathers small writes while it is corked. A websocket library writes every message with a call of its own; real
// relays do not when they have many, and here it would make the relay the limit.
type corkConn struct {
	net.Conn
	sluggish *atomic.Bool // it writes byte by byte
	mu       sync.Mutex
	corked   bool
	buf      []byte
}

// Write is called by the writer, and by the library for pongs.
func (c *corkConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.corked {
		return c.push(p)
	}
	c.buf = append(c.buf, p...)
	if len(c.buf) >= corkBytes {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (c *corkConn) cork() {
	c.mu.Lock()
	c.corked = true
	c.mu.Unlock()
}

// uncork writes what was gathered.
func (c *corkConn) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	return c.flush()
}

func (c *corkConn) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	_, err := c.push(c.buf)
	c.buf = c.buf[:0]
	return err
}

// push writes at once, or slowly until the connection is closed.
func (c *corkConn) push(p []byte) (int, error) {
	if c.sluggish == nil || !c.sluggish.Load() {
		return c.Conn.Write(p)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		<-tick.C
	}
	return len(p), nil
}

// corkListener hands out corkConns.
type corkListener struct{ net.Listener }

// Accept waits for the next connection.
func (l corkListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &corkConn{Conn: conn}, nil
}
