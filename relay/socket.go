package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/ngit-sync/ngit-sync/health"
)

// SocketOptions are the numbers of one open socket. Zero values mean the defaults.
type SocketOptions struct {
	PingEvery   time.Duration // 30 s
	PongWait    time.Duration // 10 s
	WriteWait   time.Duration // for one outgoing message, 30 s
	CloseWait   time.Duration // for the answer to our close frame, 1 s
	SendFrames  int           // outgoing messages that may wait, 1024
	SendBytes   int64         // their size, 8 MiB; one message alone may be larger
	FrameBuffer int           // incoming frames that may wait for the consumer, 16
	FrameBytes  int64         // their size, 4 MiB; one frame alone may be larger
	PingRate    int           // pings and pongs of the relay that are read in a second, 10; ten times as many at once
}

func (o SocketOptions) withDefaults() SocketOptions {
	def(&o.PingEvery, 30*time.Second)
	def(&o.PongWait, 10*time.Second)
	def(&o.WriteWait, 30*time.Second)
	def(&o.CloseWait, time.Second)
	def(&o.SendFrames, 1024)
	def(&o.SendBytes, 8<<20)
	def(&o.FrameBuffer, 16)
	def(&o.FrameBytes, 4<<20)
	def(&o.PingRate, 10)
	return o
}

// Errors of Send.
var (
	ErrClosed   = errors.New("socket is closed")
	ErrOverflow = errors.New("outgoing queue is full")
)

// Socket is one open websocket to a relay: a reader, a writer and a pinger goroutine. One goroutine consumes
// Frames, and says Took of each; Send, LastHeard and Close may be called from any.
type Socket struct {
	conn   *websocket.Conn
	opts   SocketOptions
	heard  *ear
	frames chan Frame

	queue  chan []byte
	queued atomic.Int64 // bytes in queue

	waiting atomic.Int64  // bytes of the frames that were read and not taken
	freed   chan struct{} // has room for one: some were taken

	max  int64         // bytes of a message that is kept
	read atomic.Uint64 // frames read so far

	ctx     context.Context // ends when any of the goroutines has ended
	cancel  context.CancelFunc
	quit    chan struct{} // closed by Close: frames are dropped from here on
	closing sync.Once
	failure atomic.Pointer[health.Failure]
	running atomic.Int32
	done    chan struct{}
}

// hardLimit ends a connection: nobody sends a message of that size in good faith.
const hardLimit = 32 << 20

func newSocket(conn *websocket.Conn, heard *ear, maxMessage int64, o SocketOptions) *Socket {
	conn.SetReadLimit(max(hardLimit, maxMessage))
	s := &Socket{
		conn: conn, opts: o, heard: heard, max: maxMessage,
		frames: make(chan Frame, o.FrameBuffer),
		queue:  make(chan []byte, o.SendFrames),
		freed:  make(chan struct{}, 1),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	heard.tick()
	s.running.Store(3)
	for _, run := range []func(){s.readAll, s.writeAll, s.pingAll} {
		go func() {
			defer s.leave()
			run()
		}()
	}
	return s
}

// Frames gives what the relay sends, in order. It is closed when the connection has ended; Done and Failure follow.
func (s *Socket) Frames() <-chan Frame { return s.frames }

// Took says that a frame was received from Frames: what it takes up is free for others.
func (s *Socket) Took(f Frame) {
	s.waiting.Add(-f.held)
	select {
	case s.freed <- struct{}{}:
	default:
	}
}

// LastHeard is the moment of the last frame, ping or pong of the relay.
func (s *Socket) LastHeard() time.Time { return s.heard.last() }

// Done is closed when all goroutines of the socket have returned.
func (s *Socket) Done() <-chan struct{} { return s.done }

// Failure says why the connection ended. It is nil before Done.
func (s *Socket) Failure() *health.Failure {
	select {
	case <-s.done:
		return s.failure.Load()
	default:
		return nil
	}
}

// Send queues one message and never blocks. A relay that does not take what is queued loses the connection: the error is
// ErrOverflow then, and ErrClosed after the end. The message must not be changed afterwards.
func (s *Socket) Send(msg []byte) error {
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	n := int64(len(msg))
	if total := s.queued.Add(n); total > s.opts.SendBytes && total > n {
		return s.overflow()
	}
	select {
	case s.queue <- msg:
		return nil
	default:
		return s.overflow()
	}
}

func (s *Socket) overflow() error {
	s.abort(health.CauseTimeout, ErrOverflow)
	return ErrOverflow
}

// abort ends the connection for a fault of the relay.
func (s *Socket) abort(c health.Cause, err error) {
	s.fail(c, err)
	s.cancel()
}

// Close ends the connection, politely for at most CloseWait, and waits for the goroutines.
func (s *Socket) Close() {
	s.closing.Do(func() {
		s.fail(health.CauseLocal, errors.New("closed by us"))
		close(s.quit)
		grace := time.AfterFunc(s.opts.CloseWait, s.cancel)
		defer grace.Stop()
		if s.ctx.Err() == nil {
			_ = s.conn.Close(websocket.StatusNormalClosure, "")
		}
		s.cancel()
	})
	<-s.done
}

// fail records why the connection ends; the first to know wins.
func (s *Socket) fail(c health.Cause, err error) {
	s.failure.CompareAndSwap(nil, &health.Failure{Cause: c, Err: err})
}

// leave is the end of each goroutine; the last one closes up.
func (s *Socket) leave() {
	s.cancel()
	if s.running.Add(-1) > 0 {
		return
	}
	_ = s.conn.CloseNow()
	s.fail(health.CauseLost, net.ErrClosed)
	close(s.done)
}

func (s *Socket) readAll() {
	defer close(s.frames)
	var buf bytes.Buffer
	for {
		large, err := s.next(&buf)
		if err != nil {
			// A connection that we closed tells the reader nothing: whoever closed it knows why.
			if s.ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				f := readFailure(fmt.Errorf("read: %w", err))
				s.failure.CompareAndSwap(nil, f)
			}
			return
		}
		n := s.read.Add(1) // before the tick, see heardAfter
		s.heard.tick()
		var f Frame
		if large {
			f = largeFrame(buf.Bytes())
		} else {
			f = SplitFrame(bytes.Clone(buf.Bytes()))
			f.held = int64(buf.Len())
		}
		if buf.Cap() > 64<<10 {
			buf = bytes.Buffer{} // one large message does not stay for the life of the connection, nor while a copy of it waits
		}
		f.At, f.n = s.heard.last(), n
		if !s.hand(f) {
			return
		}
	}
}

// next reads one message. Of one that is too large it keeps the beginning: a single such event must not end the
// connection again and again.
func (s *Socket) next(buf *bytes.Buffer) (large bool, err error) {
	_, r, err := s.conn.Reader(s.ctx)
	if err != nil {
		return false, err
	}
	buf.Reset()
	n, err := buf.ReadFrom(io.LimitReader(r, s.max+1))
	if err != nil || n <= s.max {
		return false, err
	}
	_, err = io.Copy(io.Discard, r)
	return true, err
}

// heardAfter is the moment of the last frame, ping or pong, when the n-th frame is the last one: nothing is on its way to the
// consumer then that arrived before it.
func (s *Socket) heardAfter(n uint64) (time.Time, bool) {
	at := s.heard.last()
	return at, s.read.Load() == n
}

// hand waits for the consumer, and tells the pinger so: while the reader waits it sees no pong.
func (s *Socket) hand(f Frame) bool {
	if s.roomFor(f) {
		s.waiting.Add(f.held)
		select {
		case s.frames <- f:
			return true
		default:
			s.waiting.Add(-f.held)
		}
	}
	s.heard.waits.Add(1)
	s.heard.atDoor.Store(true)
	defer s.heard.atDoor.Store(false)
	for !s.roomFor(f) {
		select {
		case <-s.freed:
		case <-s.quit:
			return true
		case <-s.ctx.Done():
			return false
		}
	}
	s.waiting.Add(f.held)
	select {
	case s.frames <- f:
		return true
	case <-s.quit:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *Socket) roomFor(f Frame) bool {
	waiting := s.waiting.Load()
	return waiting == 0 || waiting+f.held <= s.opts.FrameBytes
}

func (s *Socket) writeAll() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case msg := <-s.queue:
			ctx, cancel := context.WithTimeout(s.ctx, s.opts.WriteWait)
			err := s.conn.Write(ctx, websocket.MessageText, msg)
			cancel()
			s.queued.Add(-int64(len(msg)))
			if err != nil {
				s.writeFailed(err)
				return
			}
		}
	}
}

func (s *Socket) writeFailed(err error) {
	if errors.Is(err, context.DeadlineExceeded) {
		s.fail(health.CauseTimeout, fmt.Errorf("write: %w", err))
		return
	}
	// The reader sees the end too and knows more: frames that say why may be left to read.
	select {
	case <-s.ctx.Done():
	case <-time.After(s.opts.PongWait):
	}
	s.fail(cause(err), fmt.Errorf("write: %w", err))
}

func (s *Socket) pingAll() {
	tick := time.NewTicker(s.opts.PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		start, waits := time.Now(), s.heard.waits.Load()
		ctx, cancel := context.WithTimeout(s.ctx, s.opts.PongWait)
		err := s.conn.Ping(ctx)
		cancel()
		if err == nil || (s.ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded)) {
			continue
		}
		// A ping that cannot be written ends the connection by itself; otherwise a reader at the consumer's door sees no pong.
		busy := s.ctx.Err() == nil && (s.heard.atDoor.Load() || s.heard.waits.Load() != waits)
		if !busy && !s.LastHeard().After(start) {
			s.fail(cause(err), fmt.Errorf("ping: %w", err))
			return
		}
	}
}
