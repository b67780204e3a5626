package relay

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// inFlight gives a bench with three issues in flight, two waiting for the window, and a comment on the first.
func inFlight(t *testing.T) (*bench, []*event.Event, *event.Event) {
	b := newBench(t, func(o *PublisherOptions) { o.Window = 3 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	var e []*event.Event
	for _, name := range names(5, "i") {
		e = append(e, issue(name, 2, 1, "x"))
	}
	c := comment("c", 3, e[0])
	b.historic(e...)
	b.historic(c)
	b.mark(1, 1, true)
	require.Equal(t, []string{"i0", "i1", "i2"}, b.out())
	return b, e, c
}

func TestAfterALostConnectionTheUnansweredGoOneAtATime(t *testing.T) {
	b, e, c := inFlight(t)
	b.ok(e[1])
	require.Equal(t, []string{"i3"}, b.out())
	b.down()
	b.live(issue("live", 2, 1, "x"))
	require.Empty(t, b.out())
	b.up()
	require.Equal(t, []string{"i0"}, b.out())
	b.ok(e[0])
	require.Equal(t, []string{"i2"}, b.out(), "a live event and a comment that is ready wait")
	b.no(e[2], "blocked: no")
	require.Equal(t, []string{"i3"}, b.out())
	b.ok(e[3])
	require.Equal(t, []string{"live", "i4", "c"}, b.out())
	b.ok(e[4], c)
	b.is(Rejected, e[2])
	b.is(Stored, e[0], e[1], e[3], e[4], c)
	require.Len(t, settledOf(b.heard()), 1)
}

func TestEventThatLosesTheConnectionTwiceAloneIsRejected(t *testing.T) {
	b, e, c := inFlight(t)
	b.down()
	b.up()
	require.Equal(t, []string{"i0"}, b.out())
	b.down()
	b.up()
	require.Equal(t, []string{"i1"}, b.out(), "others in between")
	b.ok(e[1])
	require.Equal(t, []string{"i2"}, b.out())
	b.ok(e[2])
	require.Equal(t, []string{"i3", "i4"}, b.out())
	b.wait(time.Second)
	require.Empty(t, b.out(), "it goes alone")
	b.ok(e[3], e[4])
	require.Equal(t, []string{"i0"}, b.out())
	b.down()
	b.is(Rejected, e[0])
	require.Equal(t, "lost the connection twice: cut", b.ledger.entries[e[0].ID].Reason)
	b.is(Parked, c)
	b.nothingOpen()
}

// alone gives a bench with one issue that is alone in flight after a lost connection, and the issue.
func alone(t *testing.T) (*bench, *event.Event) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i := issue("i", 2, 1, "x")
	b.historic(i)
	b.down()
	b.up()
	require.Equal(t, []string{"i", "i"}, b.out())
	return b, i
}

// again loses the connection, opens it a second later, and waits until the event is sent.
func (b *bench) again(why error) {
	b.t.Helper()
	b.lose(why)
	b.wait(time.Second)
	b.up()
	b.untilSent()
}

// untilSent waits until something is in flight.
func (b *bench) untilSent() {
	b.t.Helper()
	for n := 0; len(b.c.link.flights) == 0; n++ {
		require.Less(b.t, n, 100)
		b.wait(b.c.next().Sub(b.now))
	}
	b.out()
}

func TestOutagesOfTheOwnRelayAreNotChargedToAnEvent(t *testing.T) {
	timeout := &health.Failure{Cause: health.CauseTimeout, Err: errors.New("ping: no pong")}
	goodbye := &health.Failure{Cause: health.CauseLost, Err: websocket.CloseError{Code: websocket.StatusGoingAway}}
	tests := []struct {
		name  string
		after time.Duration
		why   error
		other bool // is stored in between
	}{
		{"it hangs", 40 * time.Second, timeout, true},
		{"it does not read", time.Second, timeout, true},
		{"it says goodbye", time.Second, goodbye, true},
		{"it is restarted while it works on something else", crashWithin + time.Second, errors.New("cut"), true},
		{"it dies again and again", 0, errors.New("cut"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, i := alone(t)
			for n := range 8 {
				b.wait(tt.after)
				b.again(tt.why)
				require.Contains(t, b.c.link.flights, i.ID, "%d", n)
				require.Len(t, b.c.link.flights, 1)
				if other := issue(fmt.Sprint("other", n), 2, 1, "x"); tt.other {
					b.historic(other)
					require.Empty(t, b.out(), "alone in flight")
					b.wait(tt.after)
					b.lose(tt.why)
					b.up()
					require.Equal(t, []string{other.Content}, b.out(), "one event that is not answered holds nobody up")
					b.ok(other)
					b.untilSent()
				}
			}
			require.NotContains(t, b.ledger.entries, i.ID)
			b.ok(i)
			b.is(Stored, i)
			b.nothingOpen()
		})
	}
}

func TestPoisonIsFoundAfterItWasParked(t *testing.T) {
	b, i := alone(t)
	for b.c.known[i.ID] != Parked {
		b.lose(errors.New("cut"))
		b.up()
		b.wait(10 * time.Second)
	}
	other := issue("other", 2, 1, "x")
	b.historic(other)
	b.ok(other)
	b.wait(time.Minute)
	require.Contains(t, b.c.link.flights, i.ID)
	b.down()
	b.is(Rejected, i)
	b.nothingOpen()
}

func TestAnAnswerAcquits(t *testing.T) {
	b, i := alone(t)
	b.again(errors.New("cut"))
	b.no(i, "error: database is locked")
	other := issue("other", 2, 1, "x")
	b.historic(other)
	b.ok(other)
	b.wait(time.Minute)
	require.Contains(t, b.c.link.flights, i.ID)
	b.down()
	b.up()
	b.wait(time.Minute)
	b.ok(i)
	b.is(Stored, i)
}

func TestAnotherEventGoesBeforeOneThatEndedTheConnection(t *testing.T) {
	b, i := alone(t)
	o1, o2 := issue("o1", 2, 1, "x"), issue("o2", 2, 1, "x")
	b.historic(o1, o2)
	b.down()
	b.wait(time.Minute)
	b.up()
	require.Equal(t, []string{"o1"}, b.out())
	b.no(o1, "blocked: no")
	require.Equal(t, []string{"i"}, b.out(), "one other, whatever becomes of it")
	b.down()
	b.wait(time.Minute)
	b.up()
	require.Equal(t, []string{"o2"}, b.out())
	b.ok(o2)
	require.Equal(t, []string{"i"}, b.out())
	b.down()
	b.is(Rejected, i)
}

func TestBatchesDoNotWaitForAnOwnRelayThatIsAway(t *testing.T) {
	b := newRawBench(t)
	b.observe(Observed{Loaded: true})
	a := repo("a", 1, "x", benchStart)
	b.historic(a)
	b.mark(1, 1, true)
	b.wait(spillAge - time.Second)
	require.Empty(t, settledOf(b.heard()))
	require.Empty(t, b.ledger.waiting)
	b.wait(30 * 24 * time.Hour)
	require.Len(t, settledOf(b.heard()), 1)
	b.is(Parked, a)
	require.Equal(t, CauseDown, b.ledger.waiting[a.ID].Cause)
	b.up()
	b.ok(a)
	require.Equal(t, []string{"a"}, b.out())
	require.Empty(t, b.ledger.waiting)
	b.is(Stored, a)
	b.nothingOpen()
}

func TestNoAnswerInTimeIsTransient(t *testing.T) {
	t.Run("a silent relay", func(t *testing.T) {
		b, _, _ := inFlight(t)
		b.wait(time.Minute - time.Second)
		require.Len(t, b.c.link.flights, 3)
		b.wait(time.Second)
		require.Equal(t, []string{"i3", "i4"}, b.out(), "the others wait a second")
		b.wait(time.Second)
		require.Equal(t, []string{"i0"}, b.out())
	})
	t.Run("a slow relay that answers in order gets time", func(t *testing.T) {
		b, e, c := inFlight(t)
		for i := range e {
			b.wait(40 * time.Second)
			b.ok(e[i])
		}
		b.wait(30 * time.Second)
		b.ok(c)
		require.Equal(t, []string{"i3", "i4", "c"}, b.out(), "nothing was sent twice")
		b.nothingOpen()
	})
	t.Run("what others have overtaken gets none", func(t *testing.T) {
		b, e, _ := inFlight(t)
		b.wait(50 * time.Second)
		b.ok(e[1], e[2])
		b.out()
		b.wait(12 * time.Second)
		require.Equal(t, []string{"i0"}, b.out())
	})
	t.Run("a late answer counts", func(t *testing.T) {
		b, e, c := inFlight(t)
		b.wait(time.Minute)
		b.out()
		b.no(e[1], "error: not final")
		b.ok(e[0])
		b.is(Stored, e[0])
		b.ok(e[3])
		require.Contains(t, b.out(), "c")
		b.ok(e[4], c)
		b.wait(time.Second)
		require.Equal(t, []string{"i1", "i2"}, b.out())
		b.ok(e[1], e[2])
		b.nothingOpen()
	})
}

func TestOwnRelayThatWantsALoginIsProbed(t *testing.T) {
	b, e, _ := inFlight(t)
	for _, i := range e[:3] {
		b.no(i, "auth-required: you must auth")
	}
	require.Empty(t, b.out())
	require.Equal(t, "auth-required: you must auth", b.c.link.halted)
	for _, minutes := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		b.wait(time.Duration(minutes)*time.Minute - time.Second)
		require.Empty(t, b.out())
		b.wait(time.Second)
		require.Equal(t, []string{"i0"}, b.out(), "one probe")
		b.no(e[0], "auth-required: you must auth")
	}
	require.NotContains(t, b.ledger.entries, e[0].ID)
	b.wait(time.Hour)
	b.ok(e[0])
	require.Empty(t, b.c.link.halted)
	require.Equal(t, []string{"i0", "i1", "i2", "i3"}, b.out(), "three are in flight again")

	b.no(e[1], "auth-required: you must auth")
	b.down()
	b.up()
	require.Empty(t, b.c.link.halted, "a new connection is a new chance")
	require.Equal(t, []string{"i2"}, b.out())
}

func TestRateLimitSlowsDownAndKeepsTheEvent(t *testing.T) {
	b, e, _ := inFlight(t)
	b.no(e[0], "rate-limited: slow down, please")
	rate := b.c.link.pace.rate
	require.InDelta(t, 0.5, rate, 1e-9)
	b.no(e[1], "rate-limited: slow down, please")
	b.no(e[2], "rate-limited: slow down, please")
	require.InDelta(t, rate, b.c.link.pace.rate, 1e-9, "they were on their way already")
	require.Empty(t, b.out())
	require.NotContains(t, b.ledger.entries, e[0].ID)
	b.wait(2 * time.Second)
	require.Equal(t, []string{"i0"}, b.out())
	b.no(e[0], "rate-limited: slow down, please")
	require.InDelta(t, rate/2, b.c.link.pace.rate, 1e-9)
	for n := 0; len(b.c.works) > 0; n++ {
		require.Less(t, n, 20)
		b.wait(4 * time.Second)
		for id := range b.c.link.flights {
			b.c.answered(b.now, id, true, "")
			b.settle()
		}
	}
	b.is(Stored, e...)
	require.Greater(t, b.c.link.pace.rate, rate/2)
}

// nostr-rs-relay says that an event is too large, but not which, and answers it by no OK.
func TestNoticeOfSizeMeansTheEventThatIsAlone(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	small, large, other := issue("small", 2, 1, "x"), issue("large", 2, 1, "x"), issue("other", 2, 1, "x")
	b.historic(small, large, other)
	require.Equal(t, []string{"small", "large", "other"}, b.out())
	b.c.noticed(b.now, "message too large (200000 > 131072)")
	b.settle()
	b.ok(small, other)
	b.is(Stored, small, other)
	b.wait(2 * time.Minute)
	require.Equal(t, []string{"large"}, b.out(), "alone, once it is sure that no answer comes")
	b.c.noticed(b.now, "hello")
	b.settle()
	require.Empty(t, b.ledger.entries[large.ID])
	b.c.noticed(b.now, "message too large (200000 > 131072)")
	b.settle()
	b.is(OwnLimit, large)
	b.nothingOpen()
}
