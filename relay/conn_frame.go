package relay

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// maxBroken frames in a row end a connection: whoever sends them is no nostr relay.
const maxBroken = 100

var errBroken = errors.New("too many frames that cannot be read")

// frame handles one message of the relay.
func (c *Conn) frame(f Frame) {
	c.sock.Took(f)
	c.seen, c.seenAt = f.n, f.At
	c.tellMode()
	if f.Kind != FrameNotice {
		c.lastEOSE = ""
	}
	if f.Kind != Broken {
		c.broken = 0
	}
	if f.Kind != FrameEvent && (f.Kind != FrameNegMsg || c.neg.session == nil) {
		c.spend(f)
	}
	switch f.Kind {
	case FrameEvent:
		c.event(f)
	case FrameEOSE:
		c.lastEOSE = f.Sub
		if p := c.history.pages[f.Sub]; p != nil {
			c.pageEOSE(p, f)
			return
		}
		c.live.eose(f.Sub, f.At)
		c.markFirst(f.At)
	case FrameClosed:
		c.closed(f)
	case FrameNotice:
		c.notice(f)
	case FrameAuth:
		c.challenged(f)
	case FrameNegMsg:
		c.negMsg(f)
	case FrameNegErr:
		if s := c.neg.session; s != nil && s.sub == f.Sub {
			c.negRefused(readNegErr(f.Text, f.Count), fallbackError, f.Text, f.Count, f.At)
		}
	case FrameOK:
		c.judged(f)
	case FrameCount: // an answer to what is not asked here
	case Broken:
		c.unreadable(f)
	}
}

func (c *Conn) event(f Frame) {
	if p := c.history.pages[f.Sub]; p != nil {
		c.pageEvent(p, f)
		return
	}
	if s := c.live.subs[f.Sub]; s != nil {
		c.liveEvent(s, f)
		return
	}
	l, ok := c.left[f.Sub]
	switch {
	case ok && l.sub != nil:
		c.liveEvent(l.sub, f)
	case ok:
		c.lateEvent(l.page, f)
	default:
		c.spend(f)
		c.o.Metrics.dropped(dropUnasked)
		c.offend(OffenceOffFilter, f.At)
	}
}

// unreadable takes a frame that is no message. One event that is too large is a fault of its author.
func (c *Conn) unreadable(f Frame) {
	switch {
	case errors.Is(f.Err, errLabel):
		return // of some other protocol
	case errors.Is(f.Err, errLarge):
		c.o.Metrics.dropped(event.ReasonSize)
		if p := c.history.pages[f.Sub]; p != nil {
			c.pageUnreadable(p, f)
		}
		return
	}
	c.log.Debug("broken frame", zap.Error(f.Err), zap.Int("bytes", f.Size))
	c.offend(OffenceMalformed, f.At)
	if c.broken++; c.broken == maxBroken {
		c.sock.abort(health.CauseProtocol, errBroken)
	}
}

// parse reads an event; what cannot be read is counted, and charged where no author can be the cause: anybody can have a relay keep what is
// odd.
func (c *Conn) parse(f Frame, mode Mode) *event.Event {
	c.metrics.received(mode, f.At)
	e, err := event.Parse(f.Event, c.o.Events)
	var bad *event.ParseError
	if !errors.As(err, &bad) {
		return e
	}
	c.o.Metrics.dropped(bad.Reason)
	switch bad.Reason {
	case event.ReasonID:
		c.blame(OffenceForged, f)
	case event.ReasonJSON, event.ReasonShape:
		c.blame(OffenceMalformed, f)
	}
	return nil
}

// blame charges an event to the relay unless that may be blameless. To find out costs a check of a signature, which is made no more often
// than a charge is reported.
func (c *Conn) blame(kind string, f Frame) {
	if last, ok := c.blamed[kind]; ok && f.At.Sub(last) < offenceEvery {
		return
	}
	c.blamed[kind] = f.At
	if !event.Blameless(f.Event) {
		c.offend(kind, f.At)
	}
}

// untouched reports events that are never synced (DESIGN §5); the publisher would drop them too.
func (c *Conn) untouched(e *event.Event, now time.Time) bool {
	reason := untouchable(e, now)
	if reason != "" {
		c.o.Metrics.dropped(reason)
	}
	return reason != ""
}
