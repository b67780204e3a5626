package relay

import (
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// The row of an event is given up while the event is in flight; then what it needs is accepted, and the refusal comes.
func TestEvictedInFlightStillHearsOfItsNeeds(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.PendingEvents = 1 })
	a := repo("a", 1, "x", benchStart)
	i1, i2 := issue("i1", 2, 1, "x"), issue("i2", 2, 1, "x")
	c := ev("c", event.KindComment, 3, benchStart, nostr.Tag{"E", i1.ID.String()}, nostr.Tag{"e", i2.ID.String()})
	b.historic(a)
	b.ok(a)
	b.historic(c) // parked
	b.is(Parked, c)
	b.historic(i1)
	b.ok(i1) // lifts c: read, and in flight
	b.out()
	require.NotNil(t, b.c.link.flights[c.ID])
	other := ev("o", event.KindComment, 3, benchStart, nostr.Tag{"e", a.PubKey.String()})
	b.historic(other) // parked: the table is over its bound, c's row goes
	b.historic(i2)
	b.ok(i2)
	b.no(c, "blocked: event does not relate to a stored repository") // decided before i2 was there
	require.NotEqual(t, CauseParent, b.ledger.waiting[c.ID].Cause, "parked for parents that are all accepted: nothing will wake it")
}
