package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// Events for each single event that is measured. Of a flood there are more than are read meanwhile.
const (
	floodEvents   = 6
	burstEvents   = 3
	garbageEvents = 1 // sent over and over again
)

// flood measures single events of one remote relay: alone, and while another relay floods, sends garbage, or is slow. That one is a
// stranger, and another one each time. This program collects no garbage of its own meanwhile.
func (l *lab) flood() (err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	n := l.singles
	c, err := cached(spec{Repos: 1, Roots: liveBase / rootShare, Comments: liveBase - liveBase/rootShare, Live: (2*4 + floodEvents + burstEvents + garbageEvents) * n})
	if err != nil {
		return err
	}
	events := newStore()
	quiet, err := newSource(ctx, events, loopback)
	if err != nil {
		return err
	}
	defer quiet.close()
	beside, err := newNeighbours(ctx)
	if err != nil {
		return err
	}
	defer beside.close()
	wanted, err := fill(events, c, append(beside.urls(), quiet.urls()...))
	if err != nil {
		return err
	}
	own, err := newSink(ctx, wanted)
	if err != nil {
		return err
	}
	defer own.close()
	d, err := l.daemon(ctx, own.urls()[0], quiet.urls(), "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := l.await(ctx, own, d); err != nil {
		return err
	}
	if err := d.connected(ctx, 1+len(beside.urls())); err != nil {
		return err
	}

	left := c.live
	take := func(count int) []entry {
		now := left[:count]
		left = left[count:]
		return now
	}
	single := func() ([]time.Duration, error) { return l.singleEvents(ctx, d, quiet, own, take(n)) }
	var alone []time.Duration
	var loud [4][]time.Duration
	var through [4]float64 // other events a second
	phases := []struct {
		name  string
		by    *source
		begin func() error
	}{
		{"a flood", beside.flooder, func() error { return flooding(beside.flooder, take(floodEvents*n)) }},
		{"a flood in bursts", beside.burster, func() error { return bursting(beside.burster, take(burstEvents*n)) }},
		{"garbage", beside.garbler, func() error { return garbling(beside.garbler, take(garbageEvents*n), floodEvents*n) }},
		{"slowness", beside.sluggard, func() error { return dawdling(ctx, beside.sluggard, quiet) }},
	}
	for i, p := range phases {
		times, err := single()
		if err != nil {
			return fmt.Errorf("alone: %w", err)
		}
		alone = append(alone, times...)
		if err := p.begin(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		before, began := len(own.arrivals()), time.Now()
		if loud[i], err = single(); err != nil {
			return fmt.Errorf("beside %s: %w", p.name, err)
		}
		through[i] = float64(len(own.arrivals())-before-n) / time.Since(began).Seconds()
		if !p.by.connected() {
			return fmt.Errorf("%s: the daemon has hung up, and nothing was beside the events that were measured", p.name)
		}
		p.by.close()
		if err := d.hungUp(ctx, p.by.urls()[0]); err != nil { // it reads what is in its socket first
			return err
		}
	}
	slices.Sort(alone)
	base := quantile(alone, 0.99)
	add := func(what, unit string, v float64, m *must) { l.figures.add("flood", what, unit, v, m) }
	add("latency p50 alone", "ms", millis(quantile(alone, 0.5)), nil)
	add("latency p99 alone", "ms", millis(base), nil)
	for i, p := range phases {
		slices.Sort(loud[i])
		p99 := quantile(loud[i], 0.99)
		add("latency p50 beside "+p.name, "ms", millis(quantile(loud[i], 0.5)), nil)
		add("latency p99 beside "+p.name, "ms", millis(p99), nil)
		add("p99 beside "+p.name+", times the one alone", "", float64(p99)/float64(base), atMost(1.5))
	}
	add("events of the flood that are published meanwhile", "1/s", through[0], nil)
	add("the same in bursts", "1/s", through[1], nil)
	return nil
}

// singleEvents sends events one by one, and gives their latencies.
func (l *lab) singleEvents(ctx context.Context, d *daemon, src *source, own *sink, events []entry) ([]time.Duration, error) {
	own.expect(idsOf(events))
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection here would take the cores that are measured
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	begun := make([]time.Time, len(events)) // not when they were on the wire: a relay that was cut off counts too
	for i, e := range events {
		select {
		case <-tick.C:
			begun[i] = time.Now()
			src.live(e)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := l.await(ctx, own, d); err != nil {
		return nil, err
	}
	var times []time.Duration
	for i, e := range events {
		answered, ok := own.answeredAt(e.event.ID)
		if !ok {
			return nil, fmt.Errorf("event %s: not answered", e.event.ID)
		}
		times = append(times, answered.Sub(begun[i]))
	}
	return times, nil
}
