package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// flooded is how many events the relay that floods has for each single event of the other one.
const flooded = 20

// flood measures single events of one remote relay, first alone, then while another one sends events without a pause, then while that one sends
// garbage: events with false signatures, and frames that are none.
func (l *lab) flood() (err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	n := l.singles
	c, err := cached(spec{Repos: 1, Roots: liveBase / rootShare, Comments: liveBase - liveBase/rootShare, Live: (3 + flooded) * n})
	if err != nil {
		return err
	}
	calm, wild := newStore(), newStore()
	quiet, err := newSource(ctx, calm, loopback)
	if err != nil {
		return err
	}
	defer quiet.close()
	loud, err := newSource(ctx, wild, loopback)
	if err != nil {
		return err
	}
	defer loud.close()
	both := append(quiet.urls(), loud.urls()...)
	wanted, err := fill(calm, c, both)
	if err != nil {
		return err
	}
	own, err := newSink(ctx, wanted)
	if err != nil {
		return err
	}
	defer own.close()
	d, err := l.daemon(ctx, own.urls()[0], quiet.urls(), "") // the loud one is a stranger
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := l.await(ctx, own, d); err != nil {
		return err
	}
	if err := d.connected(ctx, 2); err != nil {
		return err
	}
	measured, storm := c.live[:3*n], c.live[3*n:]
	// Four times as fast as a stranger is read; faster would measure how busy this program is.
	pour := func(events []entry, send func(entry)) {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for len(events) > 0 {
			now := events[:min(20, len(events))]
			events = events[len(now):]
			for _, e := range now {
				send(e)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
	var base time.Duration
	for i, phase := range []struct {
		name  string
		begin func()
	}{
		{"alone", func() {}},
		{"beside a flood", func() {
			pour(storm[:len(storm)/2], loud.live)
		}},
		{"beside garbage", func() {
			pour(storm[len(storm)/2:], func(e entry) {
				loud.broadcast(forged(e), "")
				loud.shout([]byte(`["EVENT","x",{"id":`))
			})
		}},
	} {
		p99, err := l.singleEvents(ctx, d, quiet, own, measured[i*n:(i+1)*n], phase.begin)
		if err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
		l.figures.add("flood", "latency p99 "+phase.name, "ms", millis(p99), nil)
		if i == 0 {
			base = p99
			continue
		}
		l.figures.add("flood", "p99 "+phase.name+", times the one alone", "", float64(p99)/float64(base), atMost(1.5))
	}
	return nil
}

// singleEvents sends events one by one, and gives the 99th percentile of their latency.
func (l *lab) singleEvents(ctx context.Context, d *daemon, src *source, own *sink, events []entry, begin func()) (time.Duration, error) {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.event.ID)
	}
	own.expect(ids)
	go begin()
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	begun := map[string]time.Time{} // not when they were on the wire: a relay that was cut off counts too
	for _, e := range events {
		select {
		case <-tick.C:
			begun[e.event.ID] = time.Now()
			src.live(e)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if err := l.await(ctx, own, d); err != nil {
		return 0, err
	}
	var times []time.Duration
	for id, at := range begun {
		answered, ok := own.answeredAt(id)
		if !ok {
			return 0, fmt.Errorf("event %s: not answered", id)
		}
		times = append(times, answered.Sub(at))
	}
	slices.Sort(times)
	return quantile(times, 0.99), nil
}

// forged is the event with a signature that is not its own.
func forged(e entry) entry {
	const key = `"sig":"`
	raw := bytes.Clone(e.raw)
	at := bytes.Index(raw, []byte(key)) + len(key)
	if raw[at] == '0' {
		raw[at] = '1'
	} else {
		raw[at] = '0'
	}
	return entry{event: e.event, raw: raw}
}

// shout sends a message to everybody.
func (p *peer) shout(msg []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.clients {
		c.out.put(outgoing{msg: msg})
	}
}
