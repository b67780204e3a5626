package relay

import (
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// survey hands over what the own relay has shown.
func (b *bench) survey(over bool, events ...*event.Event) {
	for _, e := range events {
		b.name(e)
	}
	b.c.surveyed(b.now, events, over)
	b.settle()
}

func TestWhatASurveyShowsIsRecordedAndNotSent(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.observe(announced(a))
	i := issue("i", 2, 1, "x")
	b.observe(Observed{Stored: listOf(i)}) // by the picture
	c, s := comment("c", 3, i), state("s", 1, "x", benchStart)
	b.survey(true, a, i, c, s)
	b.is(Stored, a, i, c, s)
	require.Equal(t, b.c.o.Own, b.ledger.entries[c.ID].Source)
	seq := b.ledger.seq

	b.historic(c, i, s, a, state("older", 1, "x", benchStart.Add(-time.Hour)))
	b.mark(1, 1, true)
	require.Empty(t, b.out())
	require.Empty(t, b.checks)
	b.is(Superseded, state("older", 1, "x", benchStart.Add(-time.Hour)))
	require.Zero(t, b.c.storedCount)
	require.Zero(t, settledOf(b.heard())[0].New)

	before := len(b.ledger.entries)
	b.survey(true, c, s)
	require.Len(t, b.ledger.entries, before)
	require.Equal(t, seq+1, b.ledger.seq, "shown again, it is not written again")
	b.nothingOpen()
}

func TestSurveyLiftsWhatWaits(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i := issue("i", 2, 1, "y")
	child, parked := comment("child", 3, i), issue("p", 9, 9, "?")
	b.historic(child, parked)
	b.is(Parked, child, parked)
	b.survey(false, i, parked)
	require.Equal(t, []string{"child"}, b.out())
	b.is(Stored, i, parked)
	require.Empty(t, b.ledger.waiting[parked.ID])
	b.wait(2 * time.Second)
	told := 0
	for _, events := range b.taken {
		for _, e := range events {
			if e.ID == parked.ID {
				told++
			}
		}
	}
	require.Equal(t, 1, told)

	s := state("s", 1, "x", benchStart)
	c := ev("c", 1, 2, benchStart, nostr.Tag{"a", s.Coordinate().String()})
	b.historic(c)
	b.no(c, "blocked: event does not relate to a stored repository")
	b.is(Parked, c)
	b.out()
	b.survey(true, s)
	require.Equal(t, []string{"c"}, b.out())
}

func TestSurveyTakesNothingOutOfScopeAndNothingUntouchable(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	s := state("s", 3, "x", benchStart)
	b.survey(true, s, ev("protected", 1, 1, benchStart, toRepo(1, "x"), nostr.Tag{"-"}))
	require.Len(t, b.ledger.entries, 1, "the announcement")
	require.Empty(t, b.c.known[s.ID])
}

func TestAncestorsAreLackingWhenTheSurveyHasNotShownThem(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i := issue("i", 2, 1, "x")
	first := ev("first", event.KindComment, 3, benchStart, to(i), toRepo(1, "x"))
	gone := ev("gone", event.KindComment, 3, benchStart)
	second := ev("second", event.KindComment, 3, benchStart, to(first), to(gone), toRepo(1, "x"))
	b.survey(false, second, first)
	b.wait(2 * time.Second)
	require.Empty(t, b.accepted(), "parents come behind their children")
	b.survey(false, i)
	b.survey(true)
	b.wait(2 * time.Second)
	got := b.accepted()
	require.Len(t, got, 3)
	require.Equal(t, []event.ID{gone.ID}, got["second"].Lacks)
	require.Empty(t, got["first"].Lacks)
	require.Empty(t, b.c.unsure)
}
