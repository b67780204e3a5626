package relaytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
)

func (c *conn) req(msg []byte, parts []json.RawMessage, o Options) {
	var sub string
	if json.Unmarshal(parts[1], &sub) != nil || len(parts) < 3 {
		c.bad(msg)
		return
	}
	var filters []nostr.Filter
	for _, p := range parts[2:] {
		var f nostr.Filter
		if err := json.Unmarshal(p, &f); err != nil {
			c.bad(msg)
			return
		}
		filters = append(filters, f)
	}
	if !c.pause(o.Delay) {
		return
	}
	dead, reason := c.enter(sub, filters, o)
	if reason != "" {
		c.say("CLOSED", sub, reason)
		return
	}
	c.stored(sub, filters, o)
	if dead {
		c.say("NOTICE", "ERROR: too many concurrent REQs")
	}
}

// enter records the REQ and opens the subscription. A reason says that it is refused; dead, that it is one too many.
func (c *conn) enter(sub string, filters []nostr.Filter, o Options) (dead bool, reason string) {
	c.mu.Lock()
	_, known := c.subs[sub]
	over := o.MaxSubs > 0 && !known && len(c.subs) >= o.MaxSubs
	open := len(c.subs)
	if !known {
		open++
	}
	authed := c.authed
	c.mu.Unlock()
	c.relay.note(func(r *record) {
		r.requests = append(r.requests, Request{At: time.Now(), Conn: c.id, Sub: sub, Filters: filters})
		r.highWater = max(r.highWater, open)
	})
	switch {
	case o.RequireAuth && !authed:
		c.challenge(o)
		return false, "auth-required: log in first"
	case o.RateLimited && asksStored(filters):
		return false, "rate-limited: slow down, please"
	case o.MaxFilters > 0 && len(filters) > o.MaxFilters:
		return false, "ERROR: bad req: arr too big"
	case over && !o.SubsNotice:
		return false, cmp.Or(o.SubsReason, "rate-limited: too many REQs")
	}
	if o.RefuseREQ != nil {
		if reason := o.RefuseREQ(sub, filters); reason != "" {
			return false, reason
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if over {
		return true, ""
	}
	if o.KeepReplaced {
		filters = slices.Concat(c.subs[sub], filters)
	}
	c.subs[sub] = filters
	return false, ""
}

func asksStored(filters []nostr.Filter) bool {
	for _, f := range filters {
		if !f.LimitZero {
			return true
		}
	}
	return false
}

// stored sends the stored events of a REQ and its EOSE.
func (c *conn) stored(sub string, filters []nostr.Filter, o Options) {
	asked := asksStored(filters)
	if o.Endless && asked {
		if o.EarlyEOSE {
			c.eose(sub, o.Hint, o)
		}
		c.endless(sub, filters[0])
		return
	}
	a := Answer{Events: append(c.relay.answer(filters, o), o.OffFilter...), Open: o.NoEOSE, Hint: o.Hint, Twice: o.DoubleEOSE}
	if o.EarlyEOSE {
		a.Events, a.Late = nil, a.Events
	}
	if o.CloseAfter > 0 && len(a.Events) >= o.CloseAfter {
		a.Events, a.Closed = a.Events[:o.CloseAfter], o.CloseReason
	}
	if o.Spoil != nil && asked {
		n := 0
		c.relay.note(func(r *record) { r.answers++; n = r.answers })
		a = o.Spoil(n, filters, a)
	}
	if !c.give(sub, a.Events) {
		return
	}
	switch {
	case a.Closed != "":
		c.mu.Lock()
		delete(c.subs, sub)
		c.mu.Unlock()
		c.say("CLOSED", sub, a.Closed)
	case !a.Open:
		c.eose(sub, a.Hint, o)
	}
	if c.pause(a.After) && c.give(sub, a.Late) && a.Twice {
		c.eose(sub, a.Hint, o)
	}
}

// give sends stored events, and reports whether the client is still there.
func (c *conn) give(sub string, events []nostr.Event) bool {
	trickle := c.relay.script().Trickle
	for _, e := range events {
		if !c.pause(trickle) || !c.say("EVENT", sub, e) {
			return false
		}
		c.relay.note(func(r *record) { r.sent++ })
	}
	return true
}

func (c *conn) eose(sub, hint string, o Options) {
	for _, g := range o.Garbage {
		c.out.pushPatiently([]byte(g))
	}
	if hint != "" {
		c.say("EOSE", sub, []string{hint})
		return
	}
	c.say("EOSE", sub)
}

// answer gives what the store has for filters, each with its own limit, every event once.
func (r *Relay) answer(filters []nostr.Filter, o Options) []nostr.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	var out []nostr.Event
	for _, f := range filters {
		if _, ok := f.Tags[o.Unindexed]; ok {
			continue
		}
		switch {
		case f.Until == nil:
		case o.IgnoreUntil:
			f.Until = nil
		case o.BeforeUntil:
			before := *f.Until - 1
			f.Until = &before
		}
		for _, e := range o.withhold(f, r.store.query(f, o.limit(f))) {
			if !seen[e.ID] {
				seen[e.ID] = true
				out = append(out, e)
			}
		}
	}
	return out
}

// endless makes up events that match a filter until the client has enough and goes.
func (c *conn) endless(sub string, f nostr.Filter) {
	c.spawn(func() {
		for i := 0; ; i++ {
			e := nostr.Event{Kind: 1, CreatedAt: nostr.Timestamp(1_700_000_000 - i), Content: fmt.Sprint(i)}
			if len(f.Kinds) > 0 {
				e.Kind = f.Kinds[0]
			}
			if f.Until != nil {
				e.CreatedAt = min(e.CreatedAt, *f.Until)
			}
			for name, values := range f.Tags {
				e.Tags = append(e.Tags, nostr.Tag{name, values[0]})
			}
			Sign(&e, 1)
			if !c.has(sub) || !c.say("EVENT", sub, e) {
				return
			}
			if i%32 == 31 && !c.pause(time.Microsecond) { // or it would depend on the scheduler how much comes behind a CLOSE
				return
			}
		}
	})
}

func (c *conn) has(sub string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.subs[sub]
	return ok
}

func (c *conn) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-c.ctx.Done():
		return false
	}
}
