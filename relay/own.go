package relay

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Numbers of the socket to the own relay.
const (
	ownBackoffMin = time.Second
	ownBackoffMax = 30 * time.Second
	ownStable     = 30 * time.Second // a connection that lasted so long forgets earlier failures
)

// own is the loop's socket to the own relay, opened again for ever when it ends. All methods belong to the loop, but for
// dial.
type own struct {
	loop  *loop
	sock  *Socket     // nil while there is none
	deaf  bool        // its frames have ended, it follows
	log   *zap.Logger // names the relay
	wait  time.Duration
	state OwnState
	login loginState
}

// start dials for the first time.
func (o *own) start(ctx context.Context) { o.dialIn(ctx, 0) }

// dialIn starts a helper that dials after a while. Its socket comes back as a message.
func (o *own) dialIn(ctx context.Context, wait time.Duration) {
	l := o.loop
	l.spawn(func() {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		sock, failure := l.p.o.Dialer.Dial(ctx, l.p.o.Own, Operator)
		maxMessage := 0
		if failure == nil {
			maxMessage = o.maxMessage(ctx)
		}
		select {
		case l.back <- func(c *core, now time.Time) { o.dialled(ctx, now, sock, maxMessage, failure) }:
		case <-l.quit:
			if sock != nil {
				sock.Close()
			}
		}
	})
}

// maxMessage is what the own relay states of itself, 0 when it does not. It is asked at every connect: what was lost may
// have been restarted with another configuration.
func (o *own) maxMessage(ctx context.Context) int {
	doc, failure := o.loop.p.o.Dialer.Document(ctx, o.loop.p.o.Own, Operator)
	if failure != nil {
		o.loop.p.o.Log.Debug("own relay has no document", zap.Error(failure))
	}
	return doc.MaxMessageLength
}

func (o *own) dialled(ctx context.Context, now time.Time, sock *Socket, maxMessage int, failure *health.Failure) {
	l := o.loop
	if failure != nil {
		if o.wait == 0 {
			o.log.Warn("own relay cannot be reached", zap.Error(failure))
		}
		o.down(ctx, now, failure)
		return
	}
	o.sock, o.deaf = sock, false
	o.login = loginState{login: l.p.o.Login}
	o.state = OwnState{Up: true, Since: now}
	l.p.o.Metrics.ownUp(true)
	l.p.o.Log.Info("own relay connected", zap.Int("max_message", maxMessage))
	l.core.ownUp(now, maxMessage)
}

// down notes an end and dials again after a while, which grows until a connection has been stable.
func (o *own) down(ctx context.Context, now time.Time, failure *health.Failure) {
	if o.state.Up {
		if now.Sub(o.state.Since) >= ownStable {
			o.wait = 0
		}
		o.state = OwnState{Since: now}
	}
	if o.state.Since.IsZero() {
		o.state.Since = now
	}
	o.state.Err = failure.Error()
	o.wait = min(max(2*o.wait, ownBackoffMin), ownBackoffMax)
	o.dialIn(ctx, o.wait)
}

// frames gives what the own relay says, nil while there is no socket.
func (o *own) frames() <-chan Frame {
	if o.sock == nil || o.deaf {
		return nil
	}
	return o.sock.Frames()
}

// over is closed when the socket has ended, nil while there is none.
func (o *own) over() <-chan struct{} {
	if o.sock == nil || !o.deaf {
		return nil // what it said last is read first
	}
	return o.sock.Done()
}

func (o *own) frame(f Frame, ok bool) {
	if !ok {
		o.deaf = true
		return
	}
	o.sock.Took(f)
	switch f.Kind {
	case FrameOK:
		id, err := event.ParseID(f.Sub)
		if err != nil {
			o.loop.p.o.Log.Debug("own relay answers without an id", zap.String("text", f.Text))
			return
		}
		if o.judged(id, f) {
			return
		}
		o.loop.core.answered(time.Now(), id, f.OK, f.Text)
	case FrameAuth:
		msg, err := o.login.challenged(f.Text, f.At)
		sayLogin(msg, err, o.log, o.send)
	case FrameNotice:
		o.loop.p.o.Log.Info("own relay says", zap.String("notice", f.Text))
		o.loop.core.noticed(time.Now(), f.Text)
	default: // nothing else was asked for
	}
}

// judged takes an OK, and reports whether it was the answer to a login.
func (o *own) judged(id event.ID, f Frame) bool {
	ours, msg, err := o.login.judged(id, f.OK, f.Text, f.At)
	if !ours {
		return false
	}
	sayLogin(msg, err, o.log, o.send)
	switch {
	case o.login.refused != "":
		o.loop.p.o.Log.Warn("own relay refuses the login", zap.String("reason", o.login.refused))
	case o.login.in():
		o.loop.p.o.Log.Info("logged in at the own relay")
		o.loop.core.welcomed(time.Now())
	}
	return true
}

// ended takes note of the end of the socket.
func (o *own) ended(ctx context.Context) {
	failure := o.sock.Failure()
	o.sock = nil
	now := time.Now()
	o.loop.p.o.Metrics.ownUp(false)
	o.loop.p.o.Log.Warn("own relay lost", zap.Error(failure))
	o.loop.core.ownDown(now, failure)
	o.down(ctx, now, failure)
}

// send queues a message. A socket that cannot take it ends, which says the rest.
func (o *own) send(msg []byte) {
	if o.sock == nil {
		return
	}
	err := o.sock.Send(msg)
	if err != nil {
		o.loop.p.o.Log.Debug("own relay does not take a message", zap.Error(err))
	}
}

// close ends the socket.
func (o *own) close() {
	if o.sock != nil {
		o.sock.Close()
	}
	o.loop.p.o.Metrics.ownUp(false)
}
