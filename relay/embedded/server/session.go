package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// session is one reconciliation (NIP-77). Its goroutine owns the set that is compared.
type session struct {
	inbox chan []byte // at most one message: the protocol is question and answer
	end   context.CancelFunc
	done  chan struct{} // closed when it has ended by itself or by end
}

func (s *session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

const (
	sessionIdle = time.Minute // without a message, then the session is dropped
	negFrameMax = 200_000     // bytes of one answer before hex: well below what clients take
)

// reconcile handles NEG-OPEN, NEG-MSG and NEG-CLOSE.
func (c *client) reconcile(r request) {
	if r.label == "NEG-CLOSE" {
		c.endSession(r.sub)
		return
	}
	msg, err := hex.DecodeString(r.neg)
	if err != nil {
		c.endSession(r.sub)
		c.tell(negFrame("NEG-ERR", r.sub, "invalid: the message is not hex"))
		return
	}
	if r.label == "NEG-OPEN" {
		c.endSession(r.sub) // NIP-77: an open id is closed first
		c.openSession(r, msg)
		return
	}
	s := c.sessions[r.sub]
	if s == nil || s.ended() {
		c.endSession(r.sub)
		c.tell(negFrame("NEG-ERR", r.sub, "closed: no such session"))
		return
	}
	select {
	case s.inbox <- msg:
	default:
		c.endSession(r.sub)
		c.tell(negFrame("NEG-ERR", r.sub, "invalid: a message before the last one was answered"))
	}
}

func (c *client) openSession(r request, first []byte) {
	if f := r.filters[0]; f.LimitZero || f.Limit > 0 {
		c.tell(negFrame("NEG-ERR", r.sub, "invalid: a reconciliation has no limit"))
		return
	}
	if c.srv.sessions.Add(1) > int64(c.srv.limits.Reconciliations) {
		c.srv.sessions.Add(-1)
		c.tell(negFrame("NEG-ERR", r.sub, "blocked: too many reconciliations at a time"))
		return
	}
	for sub, old := range c.sessions {
		if old.ended() {
			delete(c.sessions, sub)
		}
	}
	ctx, end := context.WithCancel(c.ctx)
	s := &session{inbox: make(chan []byte, 1), end: end, done: make(chan struct{})}
	s.inbox <- first
	c.sessions[r.sub] = s
	c.working.Go(func() {
		defer end()
		reason := c.runSession(ctx, r, s)
		// Room is made before the client hears of it: it may open the next one at once.
		c.srv.sessions.Add(-1)
		close(s.done)
		if reason != "" && ctx.Err() == nil {
			c.tell(negFrame("NEG-ERR", r.sub, reason))
		}
	})
}

// runSession gives the reason for which it ended, empty when the client ended it.
func (c *client) runSession(ctx context.Context, r request, s *session) string {
	if !c.delay(ctx) {
		return ""
	}
	var set itemSet
	err := c.withToken(ctx, func() error {
		return c.srv.backend.Items(ctx, r.filters[0], c.srv.limits.ReconcileItems, func(at int64, id event.ID) {
			set = append(set, item{at: uint64(at), id: id}) // never negative: event.Parse refuses it
		})
	})
	switch {
	case errors.Is(err, ErrTooMany):
		return fmt.Sprintf("blocked: this query is too big, more than %d events", c.srv.limits.ReconcileItems)
	case ctx.Err() != nil:
		return ""
	case err != nil:
		c.srv.log.Error("reconciliation", zap.Error(err))
		return "error: the query could not be answered"
	}
	set.sort()
	idle := time.NewTimer(sessionIdle)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-idle.C:
			return "closed: no message for a minute"
		case msg := <-s.inbox:
			answer, err := set.reconcile(msg, negFrameMax)
			if err != nil {
				return "invalid: " + err.Error()
			}
			c.tell(negFrame("NEG-MSG", r.sub, hex.EncodeToString(answer)))
			idle.Reset(sessionIdle)
		}
	}
}

func (c *client) endSession(sub string) {
	if s := c.sessions[sub]; s != nil {
		s.end()
		delete(c.sessions, sub)
	}
}

func (c *client) endSessions() {
	for sub := range c.sessions {
		c.endSession(sub)
	}
}
