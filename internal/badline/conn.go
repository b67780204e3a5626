package badline

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunk = 64 << 10
	// queueUnits are on their way in one direction at most. Full ones are 64 MiB: no daemon is to wait for that.
	queueUnits = 1024
	// sliceTime is how finely a rate is divided.
	sliceTime = 20 * time.Millisecond
)

// conn is one connection that is carried.
type conn struct {
	line           *Line
	client, target net.Conn
	ctx            context.Context
	end            context.CancelFunc
	tear, garble   atomic.Bool
	swallowed      chan struct{} // closed by swallow
	swallowing     sync.Once
}

// unit is what is delayed, repeated or torn as a whole.
type unit struct {
	bytes   []byte
	message bool // a whole text message
	at      time.Time
}

func newConn(l *Line, client, target net.Conn) *conn {
	c := &conn{line: l, client: client, target: target, swallowed: make(chan struct{})}
	c.ctx, c.end = context.WithCancel(l.ctx)
	return c
}

func (c *conn) run() {
	defer c.end()
	var wg sync.WaitGroup
	carry := func(from, to net.Conn, back bool) {
		queue := make(chan unit, queueUnits)
		wg.Go(func() {
			defer close(queue) // what is queued is delivered before the end is
			c.take(from, back, queue)
		})
		wg.Go(func() {
			if c.give(to, back, queue); !c.dead() {
				c.end()
			}
		})
	}
	carry(c.client, c.target, false)
	carry(c.target, c.client, true)
	<-c.ctx.Done()
	_, _ = c.client.Close(), c.target.Close()
	wg.Wait()
}

func (c *conn) reset() {
	for _, side := range []net.Conn{c.client, c.target} {
		if tcp, ok := side.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it may be closed already
		}
	}
	c.end()
}

func (c *conn) swallow() { c.swallowing.Do(func() { close(c.swallowed) }) }

// hangUp is half of a swallowed connection: the client's side has its end.
func (c *conn) hangUp() {
	c.swallow()
	_ = c.client.Close() // nothing of it is written any more
}

func (c *conn) dead() bool {
	select {
	case <-c.swallowed:
		return true
	default:
		return false
	}
}

// take reads until the side ends or nothing gets through any more.
func (c *conn) take(from net.Conn, back bool, queue chan<- unit) {
	buf := make([]byte, chunk)
	cut := whole
	if back && c.line.frames {
		cut = new(splitter).split
	}
	for !c.dead() {
		n, err := from.Read(buf)
		for _, u := range cut(buf[:n]) {
			u.at = time.Now()
			select {
			case queue <- u:
			case <-c.ctx.Done():
				return
			}
		}
		if err != nil && !c.dead() {
			return
		}
	}
	<-c.ctx.Done()
}

// whole takes what was read for a unit.
func whole(b []byte) []unit {
	if len(b) == 0 {
		return nil
	}
	return []unit{{bytes: append([]byte(nil), b...)}}
}

// give writes until the queue ends or a fault befalls the connection.
func (c *conn) give(to net.Conn, back bool, queue <-chan unit) {
	for {
		select {
		case u, ok := <-queue:
			if !ok || !c.deliver(to, back, u) {
				return
			}
		case <-c.ctx.Done():
			return
		}
	}
}

// deliver writes one unit as the weather is. False: the connection is over.
func (c *conn) deliver(to net.Conn, back bool, u unit) bool {
	w, ok := c.wait(u.at)
	switch {
	case !ok:
		return false
	case c.tear.Load():
		if back {
			c.write(to, u.bytes[:len(u.bytes)/2], w.Rate)
		}
		return false
	case back && c.garble.CompareAndSwap(true, false):
		return c.write(to, u.bytes[:len(u.bytes)/2], w.Rate) && c.write(to, u.bytes, w.Rate)
	case w.Twice && u.message && !c.write(to, u.bytes, w.Rate):
		return false
	}
	return c.write(to, u.bytes, w.Rate)
}

// wait returns when what came at a time may go on, with the weather of that moment.
func (c *conn) wait(came time.Time) (Weather, bool) {
	for {
		w, changed := c.line.now()
		var due <-chan time.Time
		switch d := time.Until(came.Add(w.Delay)); {
		case c.dead():
			<-c.ctx.Done()
			return w, false
		case w.Hold:
		case w.Delay == 0 || d <= 0:
			return w, true
		default:
			due = time.After(d)
		}
		select {
		case <-due:
		case <-changed:
		case <-c.swallowed:
		case <-c.ctx.Done():
			return w, false
		}
	}
}

// write writes at so many bytes a second at most.
func (c *conn) write(to net.Conn, b []byte, rate int) bool {
	if rate <= 0 {
		_, err := to.Write(b)
		return err == nil
	}
	step := max(1, rate*int(sliceTime/time.Millisecond)/1000)
	for len(b) > 0 {
		n := min(step, len(b))
		select {
		case <-time.After(time.Duration(n) * time.Second / time.Duration(rate)):
		case <-c.ctx.Done():
			return false
		}
		if _, err := to.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}
