package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// neighbours are the relays beside the one that is measured.
type neighbours struct{ flooder, burster, garbler, sluggard *source }

// newNeighbours gives each an address of its own: to one host there are few connections.
func newNeighbours(ctx context.Context) (*neighbours, error) {
	n := &neighbours{}
	for i, p := range []**source{&n.flooder, &n.burster, &n.garbler, &n.sluggard} {
		src, err := newSource(ctx, newStore(), fmt.Sprintf("127.0.2.%d", 1+i))
		if err != nil {
			n.close()
			return nil, err
		}
		src.narrow = true // what is in the socket when its time is over would be read beside what comes next
		*p = src
	}
	return n, nil
}

func (n *neighbours) all() []*source { return []*source{n.flooder, n.burster, n.garbler, n.sluggard} }

func (n *neighbours) urls() []string {
	var out []string
	for _, src := range n.all() {
		out = append(out, src.urls()...)
	}
	return out
}

func (n *neighbours) close() {
	for _, src := range n.all() {
		if src != nil {
			src.close()
		}
	}
}

// flooding has a relay send wanted events as fast as they are read. Their messages are made before: this program shares the cores with what
// is measured.
func flooding(src *source, storm []entry) error {
	c, err := src.listener()
	if err != nil {
		return err
	}
	c.out.put(c.framed(storm)...)
	return nil
}

const (
	burst      = 500 // events
	burstEvery = time.Second
)

// bursting has a relay send wanted events many at once, and then none for a while.
func bursting(src *source, storm []entry) error {
	c, err := src.listener()
	if err != nil {
		return err
	}
	msgs := c.framed(storm)
	src.wg.Go(func() {
		tick := time.NewTicker(burstEvery)
		defer tick.Stop()
		for part := range slices.Chunk(msgs, burst) {
			c.out.put(part...)
			select {
			case <-tick.C:
			case <-src.ctx.Done():
				return
			}
		}
	})
	return nil
}

// falseOnes is which part of garbage are events with a false signature. With more of them the daemon would hang up (DESIGN §11).
const falseOnes = 64

// garbling has a relay send frames that are none, events that nobody asked it for, and events with false signatures.
func garbling(src *source, storm []entry, n int) error {
	c, err := src.listener()
	if err != nil {
		return err
	}
	wanted := c.framed(storm)
	msgs := make([]outgoing, n)
	for i := range msgs {
		e := storm[i%len(storm)]
		unasked := eventFrame("nobody", e.raw)
		switch {
		case i%falseOnes == 0:
			msgs[i].msg = forged(wanted[i/falseOnes%len(wanted)].msg)
		case i%2 == 0:
			msgs[i].msg = unasked
		default:
			msgs[i].msg = unasked[:len(unasked)/2]
		}
	}
	c.out.put(msgs...)
	return nil
}

// dawdling has a relay read and write slowly, and waits until the daemon wants something of it: what is said about a root that another
// relay has brought. Its answer, a large event, comes byte by byte and does not end in a while.
func dawdling(ctx context.Context, slow, other *source) error {
	rng := rand.New(rand.NewPCG(2, 0))
	r, err := sign(root(rng, 0, 10_000_000), ownersMost)
	if err != nil {
		return err
	}
	reply, err := sign(&nostr.Event{
		Kind: event.KindComment, CreatedAt: at(10_000_001), Content: prose(rng, 60_000), Tags: nostr.Tags{{"E", r.event.ID}, {"e", r.event.ID}},
	}, ownersMost)
	if err != nil {
		return err
	}
	slow.store.add(reply)
	slow.sluggish.Store(true)
	asked := slow.requests.Load()
	other.live(r)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for slow.requests.Load() == asked {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the daemon asks nothing: %w", ctx.Err())
		}
	}
	return nil
}

// listener is the daemon's connection.
func (p *peer) listener() (*client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.clients {
		return c, nil
	}
	return nil, fmt.Errorf("nobody is connected to %s", p.urls()[0])
}

// framed are the messages of those events that a subscription matches.
func (c *client) framed(events []entry) []outgoing {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []outgoing
	for _, e := range events {
		for sub, filters := range c.subs {
			if filters.Match(e.event) {
				out = append(out, outgoing{msg: eventFrame(sub, e.raw)})
				break
			}
		}
	}
	return out
}

// connected reports whether anybody is.
func (p *peer) connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.clients) > 0
}

// forged is an event, or its message, with a signature that is not its own.
func forged(msg []byte) []byte {
	const key = `"sig":"`
	msg = bytes.Clone(msg)
	at := bytes.Index(msg, []byte(key)) + len(key)
	if msg[at] == '0' {
		msg[at] = '1'
	} else {
		msg[at] = '0'
	}
	return msg
}
