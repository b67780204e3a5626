package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestRefusedEventIsOfferedAgainWhenItComesAfterItsTime(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		name, reason string
		as           Disposition
		after        []time.Duration // from refusal to offer
		ends         bool
	}{
		{"rejected", "blocked: event kind is blocked by relay", Rejected, []time.Duration{day, 7 * day, 30 * day}, true},
		{"own limit", "invalid: created_at too early", OwnLimit, []time.Duration{30 * day, 30 * day, 30 * day, 30 * day, 30 * day}, false},
	}
	for _, tt := range tests {
		for _, restarts := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				b := newBench(t)
				b.observe(announced(repo("a", 1, "x", benchStart)))
				i := issue("i", 2, 1, "x")
				b.historic(i)
				require.Equal(t, []string{"i"}, b.out())
				b.no(i, tt.reason)
				for n, d := range tt.after {
					b.is(tt.as, i)
					require.Equal(t, Offer{Count: n, Due: b.now.Add(d)}, b.ledger.entries[i.ID].Offer)
					if restarts {
						b.restart()
						b.observe(announced(repo("a", 1, "x", benchStart)))
					}
					b.wait(d - time.Second)
					b.historic(i)
					require.Empty(t, b.out(), "offer %d is not due", n+1)
					require.Empty(t, b.fetched(i))
					b.wait(time.Second)
					require.Equal(t, idsOf(i), b.fetched(i), "a reconciliation asks for it")
					b.historic(i)
					require.Equal(t, []string{"i"}, b.out(), "offer %d", n+1)
					b.is(tt.as, i)
					require.Empty(t, b.fetched(i), "it is in flight")
					b.no(i, tt.reason)
				}
				if tt.ends {
					require.Equal(t, Offer{Count: 3}, b.ledger.entries[i.ID].Offer)
					require.Empty(t, b.c.offers)
					b.wait(400 * day)
					b.historic(i)
					require.Empty(t, b.out(), "no more")
				}
				b.nothingOpen()
			})
		}
	}
}

// fetched gives those of the events that a reconciliation would fetch.
func (b *bench) fetched(events ...*event.Event) []event.ID {
	b.t.Helper()
	lack := make(chan []event.ID, 1)
	b.c.await(b.now, 9, 9, idsOf(events...), lack)
	b.settle()
	return <-lack
}

func TestOfferedEventThatIsTakenIsStored(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.historic(a)
	b.no(a, "blocked: not today")
	b.wait(24 * time.Hour)
	b.historic(a)
	b.mark(1, 1, true)
	require.Empty(t, settledOf(b.heard()), "it counts for its batch")
	b.ok(a)
	s := settledOf(b.heard())
	require.Len(t, s, 1)
	require.Equal(t, []event.ID{a.ID}, s[0].Learned)
	b.is(Stored, a)
	require.Zero(t, b.ledger.entries[a.ID].Offer)
	require.Empty(t, b.c.offers)
}

func TestForgedCopyDoesNotUseUpAnOffer(t *testing.T) {
	b := newBench(t)
	b.byHand = true
	a := repo("a", 1, "x", benchStart)
	b.historic(a)
	b.checked(true)
	b.no(a, "blocked: not today")
	b.out()
	b.wait(24 * time.Hour)
	b.historic(a)
	b.checked(false)
	b.is(Rejected, a)
	require.Empty(t, b.out())
	b.from(2, 2, a)
	b.checked(true)
	require.Equal(t, []string{"a"}, b.out())
	b.no(a, "blocked: not today")
	require.Equal(t, 1, b.ledger.entries[a.ID].Offer.Count)
}

func TestRefusedEventThatTheOwnRelayShowsIsStored(t *testing.T) {
	b := newBench(t)
	i := issue("i", 2, 1, "x")
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.historic(i)
	b.no(i, "restricted: members only")
	b.is(OwnLimit, i)
	b.observe(Observed{Stored: listOf(i)})
	b.is(Stored, i)
	require.Empty(t, b.c.offers)
	b.restart()
	b.is(Stored, i)
}

func TestAllRefusedEventsAreOfferedOnDemand(t *testing.T) {
	b := newBench(t)
	a, s, stored := repo("a", 1, "x", benchStart), issue("s", 2, 1, "x"), issue("stored", 2, 1, "x")
	late := issue("late", 2, 1, "x")
	b.observe(announced(a))
	b.historic(s, stored, late)
	b.ok(stored)
	b.no(s, "blocked: no")
	b.no(late, "invalid: created_at too early")
	for range rejectedAgain { // no more offers are left
		b.wait(31 * 24 * time.Hour)
		b.historic(s)
		b.no(s, "blocked: no")
	}
	b.out()
	b.historic(late)
	b.no(late, "invalid: created_at too early")
	b.out()
	b.historic(s, late)
	require.Empty(t, b.out())

	require.Equal(t, 2, b.c.offerRefused(b.now))
	require.Equal(t, Offer{Count: 3, Due: b.now}, b.ledger.entries[s.ID].Offer)
	b.restart()
	b.observe(announced(a))
	b.historic(s, late, stored)
	require.Equal(t, []string{"s", "late"}, b.out())
	b.no(s, "blocked: no")
	b.ok(late)
	b.is(Stored, late)
	b.wait(400 * 24 * time.Hour)
	b.historic(s)
	require.Empty(t, b.out(), "once")
}

func TestWhatEndsConnectionsIsOfferedOnceMore(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	poison, other := issue("poison", 2, 1, "x"), issue("other", 3, 1, "x")
	crash := &health.Failure{Cause: health.CauseLost}
	b.historic(poison)
	for range 2 {
		b.lose(crash)
		b.up()
	}
	b.historic(other)
	b.wait(time.Second)
	b.ok(other)
	b.lose(crash)
	b.up()
	b.is(Rejected, poison)
	require.Equal(t, Offer{Count: 2, Due: b.now.Add(30 * 24 * time.Hour)}, b.ledger.entries[poison.ID].Offer)
}
