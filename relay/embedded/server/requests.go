package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// read takes messages one after the other.
func (c *client) read() error {
	defer close(c.orders)
	defer c.endSessions()
	for {
		_, msg, err := c.conn.Read(c.ctx)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := c.handle(msg); err != nil {
			return err
		}
	}
}

func (c *client) handle(msg []byte) error {
	r, err := parseRequest(msg, c.srv.limits)
	if err != nil {
		c.refuse(r.label, err)
		return nil
	}
	switch r.label {
	case "EVENT":
		return c.takeEvent(r.raw)
	case "AUTH":
		c.takeAuth(r.raw)
	case "REQ":
		return c.open(r.sub, r.filters)
	case "CLOSE":
		c.close(r.sub)
	case "COUNT":
		c.tell(closedFrame(r.sub, "unsupported: COUNT"))
	default:
		if c.srv.limits.Reconciliations < 0 {
			c.tell(noticeFrame("unsupported: negentropy"))
			return nil
		}
		c.reconcile(r)
	}
	return nil
}

// refuse answers a message that makes no sense by the means that its label has.
func (c *client) refuse(label string, err error) {
	var re *requestError
	if !errors.As(err, &re) || re.sub == "" {
		c.tell(noticeFrame(err.Error()))
		return
	}
	if label == "NEG-OPEN" || label == "NEG-MSG" {
		c.tell(negFrame("NEG-ERR", re.sub, re.reason))
		return
	}
	c.close(re.sub) // a REQ on an open id ends what was there, also when it is refused
	c.tell(closedFrame(re.sub, re.reason))
}

// open starts a subscription, or replaces the one with this id (NIP-01).
func (c *client) open(sub string, filters []nostr.Filter) error {
	if end := c.subs[sub]; end != nil {
		end()
	} else if len(c.subs) >= c.srv.limits.Subscriptions {
		c.tell(closedFrame(sub, fmt.Sprintf("rate-limited: too many subscriptions, at most %d at a time", c.srv.limits.Subscriptions)))
		return nil
	}
	c.keep(sub, weightOf(filters))
	ack := make(chan struct{})
	if !c.srv.hub.post(listen{client: c, sub: sub, filters: filters, ack: ack}) {
		return errGoodbye
	}
	select {
	case <-ack:
	case <-c.srv.hub.done:
		return errGoodbye
	}
	ctx, end := context.WithCancel(c.ctx)
	c.subs[sub] = end
	c.working.Go(func() { c.answerStored(ctx, sub, filters) })
	return nil
}

func (c *client) close(sub string) {
	end := c.subs[sub]
	if end == nil {
		return
	}
	end()
	delete(c.subs, sub)
	c.keep(sub, 0)
	c.srv.hub.post(forget{client: c, sub: sub})
}

// keep counts the bytes of a subscription's filters in place of those that it had.
func (c *client) keep(sub string, bytes int64) {
	c.srv.backlog.add(c, bytes-c.kept[sub])
	if c.kept[sub] = bytes; bytes == 0 {
		delete(c.kept, sub)
	}
}

// answerStored sends what is stored, newest first per filter, and EOSE.
func (c *client) answerStored(ctx context.Context, sub string, filters []nostr.Filter) {
	if !c.delay(ctx) {
		return
	}
	for _, f := range filters {
		if f.LimitZero {
			continue
		}
		err := c.query(ctx, sub, f)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.srv.log.Error("query", zap.Error(err))
			c.tell(closedFrame(sub, "error: the query could not be answered"))
			return // the id stays taken until the client closes or re-uses it
		}
	}
	_ = c.stream(ctx, eoseFrame(sub)) // the client is gone or has closed it
}

func (c *client) query(ctx context.Context, sub string, f nostr.Filter) error {
	var ids []event.ID
	err := c.withToken(ctx, func() (err error) {
		ids, err = c.srv.backend.Find(ctx, f, c.srv.limits.page(f.Limit))
		return err
	})
	if err != nil {
		return fmt.Errorf("find: %w", err)
	}
	for chunk := range slices.Chunk(ids, fetchAtOnce) {
		// Collected before it is sent: a client that reads slowly must not hold a token, or a snapshot of the store.
		frames := make([][]byte, 0, len(chunk))
		bytes := int64(0)
		err := c.withToken(ctx, func() error {
			return c.srv.backend.Fetch(ctx, chunk, func(raw []byte) {
				frames = append(frames, eventFrame(sub, raw))
				bytes += int64(len(raw))
			})
		})
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		c.srv.backlog.add(c, bytes)
		err = c.streamAll(ctx, frames)
		c.srv.backlog.add(c, -bytes)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *client) streamAll(ctx context.Context, frames [][]byte) error {
	for _, frame := range frames {
		if err := c.stream(ctx, frame); err != nil {
			return err
		}
	}
	return nil
}

// withToken keeps the number of queries that run at once small, over all clients.
func (c *client) withToken(ctx context.Context, query func() error) error {
	select {
	case c.srv.querying <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.srv.querying }()
	return query()
}

// delay is the slowness of a slow relay.
func (c *client) delay(ctx context.Context) bool {
	if c.srv.limits.Delay <= 0 {
		return true
	}
	t := time.NewTimer(c.srv.limits.Delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
