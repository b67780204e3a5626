package relay

import (
	"fmt"
	"testing"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// BenchmarkCore is what an event costs beside its signature and the socket: delivery, rules, encoding, answer, record.
func BenchmarkCore(b *testing.B) {
	c := newCore(PublisherOptions{
		Ledger: newMemLedger(), Rules: nip34.Rules{Domains: []string{ourDomain}}, PublishAtOnce: true,
	})
	now := benchStart
	c.ownUp(now, 0)
	c.observed(now, announced(repo("a", 1, "x", now)))
	events := make([]*event.Event, b.N)
	for i := range events {
		tags := []nostr.Tag{toRepo(1, "x")}
		if i > 0 {
			tags = append(tags, to(events[i/2]))
		}
		events[i] = ev(fmt.Sprintf("%0300d", i), event.KindComment, 2, now, tags...)
	}
	b.ReportAllocs()
	b.ResetTimer()
	next := 0
	deliver := func() {
		if next < len(events) {
			c.deliver(now, Delivery{Conn: 1, Source: "wss://relay.example", Batch: 1, Event: events[next], At: now})
			next++
		}
	}
	for range 1000 {
		deliver()
	}
	for acts := c.take(); len(acts) > 0; acts = c.take() {
		for _, a := range acts {
			switch a := a.(type) {
			case verify:
				c.verified(now, a.event, true)
			case publish:
				for id := range c.link.flights {
					c.answered(now, id, true, "")
					break
				}
				deliver()
			}
		}
	}
	if len(c.works) > 64 {
		b.Fatalf("%d events are open", len(c.works))
	}
}
