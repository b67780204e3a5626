package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestAnswersThatEndTheMatter(t *testing.T) {
	tests := []struct {
		ok      bool
		reason  string
		want    Disposition
		learned bool
	}{
		{true, "", Stored, true},
		{true, "duplicate: have it", Stored, false},
		{false, "duplicate: have it", Stored, false},
		{false, "replaced: have newer event", Superseded, false},
		{false, "deleted: user requested deletion", Tombstone, false},
		{false, "invalid: created_at too early", OwnLimit, false},
		{false, "pow: required a difficulty >= 20", OwnLimit, false},
		{false, "blocked: event kind is blocked by relay", Rejected, false},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			b := newBench(t)
			a := repo("a", 1, "x", benchStart)
			b.historic(a)
			b.mark(1, 1, true)
			b.answer(a, tt.ok, tt.reason)
			b.is(tt.want, a)
			require.Equal(t, tt.reason, b.ledger.entries[a.ID].Reason)
			s := settledOf(b.heard())
			require.Len(t, s, 1)
			require.Equal(t, b.ledger.seq, s[0].Seq)
			if tt.learned {
				require.Equal(t, []event.ID{a.ID}, s[0].Learned)
				require.Equal(t, 1, s[0].New)
			} else {
				require.Empty(t, s[0].Learned)
				require.Zero(t, s[0].New)
			}
			require.Equal(t, tt.want == Stored, b.c.scope.index.Covers(a.Coordinate()))
			b.nothingOpen()

			b.historic(a)
			b.answer(a, true, "")
			require.Equal(t, []string{"a"}, b.out(), "it is not sent again")
			b.is(tt.want, a)
		})
	}
}

func TestOnlyAnnouncementsAndRootsAreLearned(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	s := state("s", 1, "x", benchStart)
	i := issue("i", 2, 1, "x")
	c := comment("c", 3, i)
	b.historic(a, s, i, c)
	b.ok(a, s, i, c)
	b.mark(1, 1, true)
	got := settledOf(b.heard())
	require.Len(t, got, 1)
	require.Equal(t, []event.ID{a.ID, i.ID}, got[0].Learned)
	require.Equal(t, 4, got[0].New)
}

func TestTransientRefusalIsTriedFromTheQueueThenFromThePendingTable(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	s := state("s", 1, "x", benchStart)
	b.historic(a, s)
	b.mark(1, 1, true)
	var waits []time.Duration
	for try := range 4 {
		require.Equal(t, []string{"a"}, b.out(), "try %d", try)
		b.no(a, "error: database error")
		start := b.now
		b.wait(b.c.next().Sub(b.now))
		waits = append(waits, b.now.Sub(start))
	}
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}, waits)
	require.Empty(t, settledOf(b.heard()))
	b.no(a, "error: database error")
	b.is(Parked, a)
	require.Equal(t, CauseRetry, b.ledger.waiting[a.ID].Cause)
	require.Equal(t, 5, b.ledger.waiting[a.ID].Tries)
	b.is(Irrelevant, s)
	require.Len(t, settledOf(b.heard()), 1, "the row carries it from here on")
	b.nothingOpen()

	b.out()
	for _, minutes := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		b.wait(time.Duration(minutes)*time.Minute - time.Second)
		require.Empty(t, b.out())
		b.wait(time.Second)
		require.Equal(t, []string{"a"}, b.out())
		b.no(a, "error: database error")
	}
	b.wait(time.Hour)
	b.ok(a)
	b.is(Stored, a)
	require.Empty(t, b.ledger.waiting)
	require.Zero(t, b.ledger.disposition(s.ID), "the author of the state has joined: it is new when it comes again")
	b.nothingOpen()
}

func TestRefusalWithoutAKnownReasonIsFinalAfterFiveTries(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.historic(a)
	for range 5 {
		require.Equal(t, []string{"a"}, b.out())
		b.no(a, "computer says no")
		b.wait(time.Minute)
	}
	require.Empty(t, b.out())
	b.is(Rejected, a)
	b.nothingOpen()
}

func TestTimeOutsAreNoRefusalsWithoutAKnownReason(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.historic(a)
	for b.c.known[a.ID] != Parked {
		b.wait(time.Minute)
	}
	b.wait(time.Minute)
	b.out()
	for range 4 {
		b.no(a, "computer says no")
		b.wait(time.Minute)
		require.Equal(t, []string{"a"}, b.out())
	}
	b.ok(a)
	b.is(Stored, a)
}

func TestEventOfTheFutureIsOfferedAtItsTime(t *testing.T) {
	tests := []struct {
		name  string
		ahead time.Duration
		due   time.Duration // 0: rejected
	}{
		{"an hour", time.Hour, 45 * time.Minute},
		{"now by our clock", 0, 5 * time.Minute},
		{"six days", 6 * 24 * time.Hour, 6*24*time.Hour - 15*time.Minute},
		{"eight days", 8 * 24 * time.Hour, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			a := repo("a", 1, "x", benchStart.Add(tt.ahead))
			b.historic(a)
			b.no(a, "invalid: created_at too late")
			b.out()
			if tt.due == 0 {
				b.is(Rejected, a)
				return
			}
			b.is(Parked, a)
			require.Equal(t, CauseFuture, b.ledger.waiting[a.ID].Cause)
			b.wait(tt.due - time.Second)
			require.Empty(t, b.out())
			b.wait(time.Second)
			require.Equal(t, []string{"a"}, b.out())
			b.ok(a)
			b.is(Stored, a)
			b.nothingOpen()
		})
	}
}

func TestMissingParentIsParkedAndWokenByIt(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	parent := ev("parent", 1, 2, benchStart) // in scope for nobody, but posted by a client
	i := ev("i", event.KindIssue, 2, benchStart, toRepo(1, "x"), to(parent))
	b.historic(i)
	b.mark(1, 1, true)
	b.no(i, "blocked: event does not relate to a stored repository")
	b.is(Parked, i)
	require.Len(t, settledOf(b.heard()), 1)
	b.out()

	b.observe(Observed{Stored: listOf(parent)})
	require.Equal(t, []string{"i"}, b.out())
	b.is(Parked, i)
	b.no(i, "blocked: event does not relate to a stored repository")
	b.is(Parked, i)
	b.observe(announced(repo("a", 1, "x", benchStart.Add(time.Hour))))
	require.Equal(t, []string{"i"}, b.out())
	b.ok(i)
	b.is(Stored, i)
	require.Empty(t, b.c.needs.ids)
	require.Empty(t, b.c.needs.refs)
	b.nothingOpen()
}

func TestRefusalThatIsOutOfDateIsTriedAgainAtOnce(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	parent := ev("parent", 1, 2, benchStart)
	i := ev("i", event.KindIssue, 2, benchStart, toRepo(1, "x"), to(parent))
	b.historic(i)
	require.Equal(t, []string{"i"}, b.out())
	b.observe(Observed{Stored: listOf(parent)}) // after i was sent, before it is refused
	b.no(i, "blocked: event does not relate to a stored repository")
	require.Equal(t, []string{"i"}, b.out(), "what it needs came while it was on its way")
	b.no(i, "blocked: event does not relate to a stored repository")
	b.is(Parked, i)

	t.Run("by our own OK", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		b.historic(i)
		b.historic(parent)
		require.Equal(t, Irrelevant, b.ledger.disposition(parent.ID))
		parent := ev("parent2", 1, 2, benchStart, toRepo(1, "x"))
		j := ev("j", event.KindIssue, 2, benchStart, toRepo(1, "x"), to(parent))
		b.historic(j, parent)
		require.Equal(t, []string{"i", "j", "parent2"}, b.out())
		b.ok(parent)
		b.no(j, "blocked: event does not relate to a stored repository")
		require.Equal(t, []string{"j"}, b.out())
		b.ok(j)
		b.is(Stored, j)
	})
	t.Run("not for ever", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		b.historic(i)
		for n := 0; b.ledger.disposition(i.ID) == Unknown; n++ {
			require.Less(t, n, maxTries)
			b.observe(Observed{Stored: listOf(parent)})
			b.no(i, "blocked: event does not relate to a stored repository")
		}
		b.is(Parked, i)
	})
}

func TestRefusedStateWaitsForItsAnnouncement(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart, 2)))
	s := state("s", 2, "x", benchStart)
	b.historic(s)
	b.no(s, "invalid: no announcement exists for this repository")
	b.is(Parked, s)
	b.out()
	own := foreign("own", 2, "x", benchStart)
	b.historic(own)
	b.ok(own)
	require.Equal(t, []string{"own", "s"}, b.out())
	b.ok(s)
	b.is(Stored, s)
}

func TestHeldAnnouncementIsInScope(t *testing.T) {
	b := newBench(t)
	a, s, i := repo("a", 1, "x", benchStart), state("s", 1, "x", benchStart), issue("i", 2, 1, "x")
	b.historic(a, s, i)
	b.answer(a, true, "purgatory: won't be served until git data arrives")
	require.Equal(t, []string{"a", "s", "i"}, b.out())
	b.no(i, "Event event must reference an accepted repository or accepted event")
	b.is(Parked, i)
	b.observe(announced(a)) // served now
	require.Equal(t, Stored, b.c.known[a.ID])
	require.Equal(t, []string{"i"}, b.out())
}

func TestTooLargeForTheOwnRelay(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	msg, err := EncodeEvent(a.Event)
	require.NoError(t, err)
	b.c.ownUp(b.now, len(msg)-1)
	b.historic(a)
	require.Empty(t, b.out())
	b.is(OwnLimit, a)
	require.Contains(t, b.ledger.entries[a.ID].Reason, "too large")

	b.c.ownUp(b.now, len(msg))
	next := repo("b", 1, "y", benchStart)
	b.historic(next)
	require.Equal(t, []string{"b"}, b.out())
}

func TestAnswersNobodyWaitsForAreIgnored(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.ok(a)
	b.no(a, "blocked: no")
	require.Empty(t, b.c.known)
	b.byHand = true
	b.historic(a)
	b.ok(a)
	require.Empty(t, b.c.known, "it was never sent")
	b.checked(true)
	b.ok(a)
	b.ok(a)
	b.no(a, "blocked: no")
	b.is(Stored, a)
}
