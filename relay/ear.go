package relay

import (
	"context"
	"sync/atomic"
	"time"
)

// ear is what the reader of a socket hears, and why it does not listen for a while. The reader sets it, others read it.
type ear struct {
	clock
	flow   flow          // of pings and pongs; the reader's own
	waits  atomic.Uint64 // how often the reader had to wait, for the consumer or for a flood
	atDoor atomic.Bool   // it waits now
}

func newEar(pings int, now time.Time) *ear {
	return &ear{flow: newFlow(pings, 10*pings, now)}
}

// control takes a ping or a pong. Each is a read, and a ping a write too, that nobody asked for: who sends many is read slowly.
func (e *ear) control(ctx context.Context) {
	e.tick()
	now := e.last()
	until := e.flow.spend(0, now)
	if until.IsZero() {
		return
	}
	e.waits.Add(1)
	e.atDoor.Store(true)
	defer e.atDoor.Store(false)
	select {
	case <-time.After(until.Sub(now)):
	case <-ctx.Done():
	}
}

// clock is a moment that one goroutine sets and others read.
type clock struct{ ns atomic.Int64 }

func (c *clock) tick() { c.ns.Store(time.Now().UnixNano()) }

func (c *clock) last() time.Time { return time.Unix(0, c.ns.Load()) }
