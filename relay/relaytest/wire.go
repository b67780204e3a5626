package relaytest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// wireBuffer is how much one direction holds before a writer waits, as a socket's buffers do. A plain net.Pipe holds
// nothing, so that a ping could not be sent to a relay that is not reading just then.
const wireBuffer = 64 << 10

// wire is a connection in memory with a buffer each way.
type wire struct{ in, out *direction }

func newWire() (client, server net.Conn) {
	a, b := newDirection(), newDirection()
	return &wire{in: a, out: b}, &wire{in: b, out: a}
}

func (w *wire) Read(p []byte) (int, error)  { return w.in.read(p) }
func (w *wire) Write(p []byte) (int, error) { return w.out.write(p) }
func (w *wire) LocalAddr() net.Addr         { return pipeAddr{} }
func (w *wire) RemoteAddr() net.Addr        { return pipeAddr{} }

func (w *wire) Close() error {
	w.in.close(true)
	w.out.close(false)
	return nil
}

func (w *wire) SetDeadline(t time.Time) error {
	w.in.reading.set(w.in, t)
	w.out.writing.set(w.out, t)
	return nil
}

func (w *wire) SetReadDeadline(t time.Time) error {
	w.in.reading.set(w.in, t)
	return nil
}

func (w *wire) SetWriteDeadline(t time.Time) error {
	w.out.writing.set(w.out, t)
	return nil
}

// direction carries bytes one way.
type direction struct {
	mu      sync.Mutex
	cond    *sync.Cond
	buf     []byte
	ended   bool // nothing more is written
	shut    bool // nothing more is read
	reading deadline
	writing deadline
}

func newDirection() *direction {
	d := &direction{}
	d.cond = sync.NewCond(&d.mu)
	return d
}

func (d *direction) read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.shut:
			return 0, io.ErrClosedPipe
		case d.reading.passed:
			return 0, os.ErrDeadlineExceeded
		case len(d.buf) > 0:
			n := copy(p, d.buf)
			d.buf = d.buf[n:]
			d.cond.Broadcast()
			return n, nil
		case d.ended:
			return 0, io.EOF
		}
		d.cond.Wait()
	}
}

func (d *direction) write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	written := 0
	for {
		switch {
		case d.ended:
			return written, io.ErrClosedPipe
		case d.writing.passed:
			return written, os.ErrDeadlineExceeded
		case written == len(p):
			return written, nil
		case len(d.buf) < wireBuffer:
			n := min(len(p)-written, wireBuffer-len(d.buf))
			d.buf = append(d.buf, p[written:written+n]...)
			written += n
			d.cond.Broadcast()
			continue
		}
		d.cond.Wait()
	}
}

func (d *direction) close(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	d.shut = d.shut || shut
	d.reading.stop()
	d.writing.stop()
	d.cond.Broadcast()
}

// deadline wakes who waits when its time comes.
type deadline struct {
	timer      *time.Timer
	passed     bool
	generation int // generation: a timer that fires late changes nothing
}

func (l *deadline) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

func (l *deadline) set(d *direction, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.stop()
	l.generation++
	l.passed = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !l.passed {
		mine := l.generation
		l.timer = time.AfterFunc(time.Until(t), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if l.generation == mine {
				l.passed = true
				d.cond.Broadcast()
			}
		})
	}
	d.cond.Broadcast()
}
