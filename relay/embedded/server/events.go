package server

import (
	"context"
	"errors"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// order is an event on its way from a client's reader to the backend. valid gives the verdict on its signature.
type order struct {
	event *event.Event
	valid chan bool
}

// takeEvent checks what needs no key, and starts the check of the signature. It waits while the backend is behind, and
// the client with it.
func (c *client) takeEvent(raw []byte) error {
	e, err := event.Parse(raw, c.srv.limits.Event)
	if err != nil {
		if id, ok := claimedID(raw); ok {
			c.tell(okFrame(id, false, "invalid: "+parseReason(err)))
		} else {
			c.tell(noticeFrame("invalid: " + parseReason(err)))
		}
		return nil
	}
	if e.Protected() && !c.proven[e.PubKey] { // NIP-70
		c.demandAuth()
		c.tell(okFrame(e.Event.ID, false, "auth-required: this event may only be published by its author"))
		return nil
	}
	// Counted before the look at stop: the writer hangs up only when it has seen stop and then nothing in flight.
	c.inflight.Add(1)
	c.srv.backlog.add(c, e.Weight())
	select {
	case <-c.srv.stop:
		c.answer(e, Answer{Message: "error: the relay is closing"})
		return nil
	default:
	}
	o := &order{event: e, valid: make(chan bool, 1)}
	select {
	case c.srv.verifying <- struct{}{}:
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
	c.working.Go(func() {
		defer func() { <-c.srv.verifying }()
		o.valid <- e.Verify()
	})
	select {
	case c.orders <- o:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// submit hands events to the backend in the order in which they came. Those of a client that has hung up are handed over
// all the same: he may not wait for the answer.
func (c *client) submit() error {
	for o := range c.orders {
		if !<-o.valid {
			c.answer(o.event, Answer{Message: "invalid: the signature does not verify"})
			continue
		}
		c.srv.backend.Publish(o.event, func(a Answer) {
			if a.Broadcast {
				c.srv.Broadcast(o.event)
			}
			c.answer(o.event, a)
		})
	}
	return nil
}

// answer sends the OK. Only then does the event count as answered; the writer may have sent the OK before that, so it
// is woken.
func (c *client) answer(e *event.Event, a Answer) {
	c.tell(okFrame(e.Event.ID, a.OK, a.Message))
	c.srv.backlog.add(c, -e.Weight())
	if c.inflight.Add(-1) == 0 {
		select {
		case c.quiet <- struct{}{}:
		default:
		}
	}
}

func parseReason(err error) string {
	var p *event.ParseError
	if errors.As(err, &p) {
		return p.Error()
	}
	return "the event cannot be read"
}
