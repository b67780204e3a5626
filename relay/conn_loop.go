package relay

import (
	"context"
	"time"
)

// leftover is a closed subscription: what is still on its way is no offence.
type leftover struct {
	sub   *liveSub // of the live set
	page  *page    // or of history
	until time.Time
}

// loop serves the connection. It reports whether it was ended by us.
func (c *Conn) loop(ctx context.Context) (hangup bool) {
	c.wake = c.markAt
	armed := c.wake
	timer := time.NewTimer(time.Until(armed))
	defer timer.Stop()
	for {
		now := time.Now()
		c.pump(now)
		frames := c.sock.Frames()
		if c.holds(now) {
			frames = nil
		}
		if now.Before(c.hold) {
			c.wakeBy(c.hold)
		}
		if !c.wake.Equal(armed) {
			armed = c.wake
			timer.Reset(time.Until(armed))
		}
		select {
		case f, ok := <-frames:
			if !ok || !c.drain(f) {
				return false
			}
		case cmd := <-c.o.Commands:
			c.command(cmd, time.Now())
		case <-c.history.grants:
			c.granted(time.Now())
		case <-c.intake.room:
			c.roomy(time.Now())
		case ids := <-c.neg.lack:
			c.lacking(ids, time.Now())
		case sides := <-c.neg.sides:
			c.loaded(sides, time.Now())
		case <-timer.C:
			// What has arrived meanwhile is no silence.
			if !c.drainWaiting() {
				return false
			}
			c.wake, armed = time.Time{}, time.Time{}
			c.expire(time.Now())
		case <-ctx.Done():
			return true
		}
	}
}

// burstFrames is how many frames are handled before commands and timers are looked at again.
const burstFrames = 64

// drain handles a frame and those that wait behind it; false says that the socket has ended.
func (c *Conn) drain(f Frame) bool {
	for range burstFrames {
		c.frame(f)
		if c.holds(f.At) {
			return true
		}
		var ok bool
		select {
		case f, ok = <-c.sock.Frames():
			if !ok {
				return false
			}
		default:
			return true
		}
	}
	c.frame(f)
	return true
}

func (c *Conn) drainWaiting() bool {
	if c.holds(time.Now()) {
		return true
	}
	select {
	case f, ok := <-c.sock.Frames():
		return ok && c.drain(f)
	default:
		return true
	}
}

// unreadWait is when deadlines are looked at again that frames in front of us may have met. After REQWait they count all the same:
// a flood need not have an end.
const unreadWait = 100 * time.Millisecond

// wakeBy has the timer fire at that moment or before.
func (c *Conn) wakeBy(at time.Time) {
	if c.wake.IsZero() || at.Before(c.wake) {
		c.wake = at
	}
}

// expire does what its time has come for, and sets the timer for the rest.
func (c *Conn) expire(now time.Time) {
	if !now.Before(c.markAt) {
		c.mark()
		c.markAt = now.Add(c.o.MarkEvery)
	}
	c.wakeBy(c.markAt)
	c.expireRoom(now)
	unread := c.holds(now) || len(c.sock.Frames()) > 0
	switch {
	case !unread:
		c.unreadAt = time.Time{}
	case c.unreadAt.IsZero():
		c.unreadAt = now
	}
	if unread && now.Sub(c.unreadAt) < c.limits.REQWait {
		c.wakeBy(now.Add(unreadWait)) // what has not been read cannot be late
		c.tellShrunk(now)
		return
	}
	c.expirePages(now, unread)
	c.expireLive(now)
	c.expireSession(now)
	c.tellShrunk(now)
	if !c.sweepAt.IsZero() && !now.Before(c.sweepAt) {
		c.sweepAt = time.Time{}
		for id, l := range c.left {
			if !now.Before(l.until) {
				delete(c.left, id)
				continue
			}
			c.sweepBy(l.until)
		}
	}
	if !c.sweepAt.IsZero() {
		c.wakeBy(c.sweepAt)
	}
}

func (c *Conn) sweepBy(at time.Time) {
	if c.sweepAt.IsZero() || at.Before(c.sweepAt) {
		c.sweepAt = at
		c.wakeBy(at)
	}
}

// leave remembers a subscription that was closed.
func (c *Conn) leave(id string, l leftover, now time.Time) {
	l.until = now.Add(c.o.Grace)
	c.left[id] = l
	c.sweepBy(l.until)
}

func (c *Conn) command(cmd Command, now time.Time) {
	switch cmd := cmd.(type) {
	case SetLive:
		c.setLive(cmd, now)
	case AskBatch:
		c.ask(cmd.Batch, now)
	case SetLimits:
		c.setLimits(cmd.Limits, now)
	case CancelBatch:
		c.cancelBatch(cmd.ID, now)
	}
}
