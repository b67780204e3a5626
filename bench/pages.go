package main

import (
	"context"
	"fmt"
	"time"
)

// roundTrip is that of a relay on another continent.
const roundTrip = 100 * time.Millisecond

// pages fetches the same history by pages twice, in a run of its own each: on loopback, and from far away.
func (l *lab) pages() error {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	c, err := cached(historicSpec(l.events))
	if err != nil {
		return err
	}
	near, err := l.download(ctx, c, "pages-near", 0, false)
	if err != nil {
		return fmt.Errorf("on loopback: %w", err)
	}
	far, err := l.download(ctx, c, "pages-far", roundTrip, false)
	if err != nil {
		return fmt.Errorf("at a round trip of %s: %w", roundTrip, err)
	}
	add := func(what, unit string, v float64, m *must) { l.figures.add("pages", what, unit, v, m) }
	add("events", "", near.events, nil)
	add("loopback", "pages/s", near.pages/near.working.Seconds(), nil)
	add("the same", "events/s", near.rate(), nil)
	add("received, repetitions included", "events/s", near.sent/near.working.Seconds(), nil)
	add("100 ms round trip", "pages/s", far.pages/far.working.Seconds(), nil)
	add("the same there", "events/s", far.rate(), nil)
	add("of the rate on loopback", "%", 100*far.rate()/near.rate(), atLeast(80))
	return nil
}
