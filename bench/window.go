package main

import (
	"context"
	"fmt"
	"time"
)

// farAway is half of the round trip to an own relay on another machine nearby.
const farAway = time.Millisecond

// window measures what the size of the window is worth, beside an own relay on loopback and one that is two milliseconds away.
func (l *lab) window() error {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	c, err := cached(historicSpec(l.events))
	if err != nil {
		return err
	}
	for _, far := range []time.Duration{0, farAway} {
		for _, window := range []int{1, 8, 64, 256} {
			if window == 1 && far > 0 {
				continue // one event in two milliseconds, which needs no measuring
			}
			rate, _, err := publishFile(ctx, c, window, far)
			if err != nil {
				return err
			}
			l.figures.add("window", fmt.Sprintf("window %d, %s away", window, 2*far), "events/s", rate, nil)
		}
	}
	return nil
}
