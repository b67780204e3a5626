package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// liveBase is how many events are there before the live ones.
const liveBase = 1000

// live measures the way of single events through a daemon that has nothing else to do.
func (l *lab) live() (err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	c, err := cached(spec{Repos: 1, Roots: liveBase / rootShare, Comments: liveBase - liveBase/rootShare, Live: l.singles})
	if err != nil {
		return err
	}
	events := newStore()
	src, err := newSource(ctx, events, loopback)
	if err != nil {
		return err
	}
	defer src.close()
	wanted, err := fill(events, c, src.urls())
	if err != nil {
		return err
	}
	own, err := newSink(ctx, wanted)
	if err != nil {
		return err
	}
	defer own.close()
	profile, err := l.profileDir("live")
	if err != nil {
		return err
	}
	d, err := l.daemon(ctx, own.urls()[0], src.urls(), profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := l.await(ctx, own, d); err != nil {
		return err
	}
	if err := d.connected(ctx, 1); err != nil {
		return err
	}

	var ids []string
	for _, e := range c.live {
		ids = append(ids, e.event.ID)
	}
	own.expect(ids)
	before, err := d.usage()
	if err != nil {
		return err
	}
	if err := d.profileFrom(profile); err != nil {
		return err
	}
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	for _, e := range c.live {
		select {
		case <-tick.C:
			src.live(e)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := l.await(ctx, own, d); err != nil {
		return err
	}
	after, err := d.usage()
	if err != nil {
		return err
	}
	if err := d.profileTo(profile); err != nil {
		return err
	}
	times, err := latencies(src, own, ids)
	if err != nil {
		return err
	}
	add := func(what, unit string, v float64, m *must) { l.figures.add("live", what, unit, v, m) }
	add("events", "", float64(len(ids)), nil)
	add("latency p50", "ms", millis(quantile(times, 0.5)), nil)
	add("latency p99", "ms", millis(quantile(times, 0.99)), atMost(25))
	add("latency max", "ms", millis(times[len(times)-1]), nil)
	add("CPU for one event", "µs", float64((after.cpu-before.cpu).Microseconds())/float64(len(ids)), nil)
	return nil
}

// latencies are the times from the first sending of each event to the sink's answer, sorted.
func latencies(src *source, own *sink, ids []string) ([]time.Duration, error) {
	var out []time.Duration
	for _, id := range ids {
		sent, ok1 := src.sentAt(id)
		answered, ok2 := own.answeredAt(id)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("event %s: sent %t, answered %t", id, ok1, ok2)
		}
		out = append(out, answered.Sub(sent))
	}
	slices.Sort(out)
	return out, nil
}

// quantile of sorted times: the smallest that at least a part of q does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	n := len(sorted)
	i := int(q*float64(n)+0.999999) - 1
	return sorted[min(max(i, 0), n-1)]
}

func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
