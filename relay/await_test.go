package relay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// await asks for ids as batch 9 of connection 9, and gives those that are to be fetched.
func (b *bench) await(events ...*event.Event) []event.ID {
	b.t.Helper()
	lack := make(chan []event.ID, 1)
	b.c.await(b.now, 9, 9, idsOf(events...), lack)
	b.settle()
	return <-lack
}

func TestListedIDsAreKnownOrFetched(t *testing.T) {
	for d := Stored; d <= Parked; d++ {
		b := newBench(t)
		e, f := issue("e", 1, 1, "x"), issue("f", 1, 2, "x")
		b.c.know(e.ID, d)
		b.c.seq = 41
		require.Equal(t, idsOf(f), b.await(e, f), d.String())
		b.mark(9, 9, true)
		s := settledOf(b.heard())
		require.Len(t, s, 1)
		require.Equal(t, Seq(41), s[0].Seq, "it rests on a row that may not be written yet")
		b.nothingOpen()
	}
}

func TestListedIDInTheWorksHoldsTheMarkUp(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.from(1, 1, a)
	require.Empty(t, b.await(a))
	require.Empty(t, b.await(a), "once is enough")
	b.mark(9, 9, true)
	require.Empty(t, b.heard())
	b.c.gone(b.now, 1)
	b.ok(a)
	s := settledOf(b.heard())
	require.Len(t, s, 1)
	require.Equal(t, BatchID(9), s[0].Batch)
	require.Equal(t, []event.ID{a.ID}, s[0].Learned, "who waited waits for it to come back, too")
	require.Zero(t, s[0].New, "only who brought it counts it")
	b.nothingOpen()
}

func TestListedIDIsFetchedWhileItsSignatureIsUnchecked(t *testing.T) {
	b := newBench(t)
	b.byHand = true
	a := repo("a", 1, "x", benchStart)
	b.from(1, 1, a)
	require.Equal(t, idsOf(a), b.await(a), "it may be forged")
	b.mark(9, 9, true)
	require.Len(t, settledOf(b.heard()), 1)
	b.checked(false)
	for _, r := range b.heard() {
		if o, ok := r.(Offended); ok {
			require.Equal(t, ConnID(1), o.ID, "who only listed it is not charged")
		}
	}
	b.nothingOpen()
}

// A relay that brought an event and lists it again, for another filter, need not bring it twice.
func TestListedIDIsNotFetchedFromWhoBroughtItUnchecked(t *testing.T) {
	for _, genuine := range []bool{true, false} {
		b := newBench(t)
		b.byHand = true
		a := repo("a", 1, "x", benchStart)
		b.from(9, 1, a)
		require.Empty(t, b.await(a))
		b.mark(9, 9, true)
		require.Empty(t, settledOf(b.heard()))
		b.checked(genuine)
		if genuine {
			b.ok(a)
		}
		offences := 0
		reports := b.heard()
		for _, r := range reports {
			if o, ok := r.(Offended); ok {
				require.Equal(t, ConnID(9), o.ID)
				offences++
			}
		}
		require.Equal(t, genuine, offences == 0)
		require.LessOrEqual(t, offences, 1)
		s := settledOf(reports)
		require.Len(t, s, 1)
		require.Equal(t, BatchID(9), s[0].Batch)
		b.nothingOpen()
	}
}

// What only a wide filter brought may be dropped without a record. When somebody waits for it, it has an outcome.
func TestListedIDOfAWideFilterIsRecorded(t *testing.T) {
	b := newBench(t)
	i := issue("i", 2, 1, "x")
	c := comment("c", 9, i)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.historic(i)
	b.wide(5, c)
	require.Empty(t, b.await(c))
	b.mark(9, 9, true)
	b.no(i, "blocked: spam")
	require.Len(t, settledOf(b.heard()), 1)
	b.is(Parked, c)
	b.nothingOpen()
}
