package relay

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

func TestScope(t *testing.T) {
	listed := repo("listed", 1, "x", benchStart, 2)
	known := issue("known", 7, 1, "x")
	tests := []struct {
		name string
		e    *event.Event
		want Disposition // Unknown: published
	}{
		{"announcement that lists us", repo("e", 3, "y", benchStart), Unknown},
		{"announcement that does not", foreign("e", 3, "x", benchStart), Irrelevant},
		{"announcement of a maintainer", foreign("e", 2, "x", benchStart), Unknown},
		{"announcement of a maintainer of another repo", foreign("e", 2, "y", benchStart), Irrelevant},
		{"announcement that ends the listing", foreign("e", 1, "x", benchStart.Add(time.Hour)), Unknown},
		{"announcement by an archive rule", foreign("e", 8, "z", benchStart), Unknown},
		{"announcement without identifier", ev("e", event.KindAnnouncement, 1, benchStart), Irrelevant},
		{"state of the owner", state("e", 1, "x", benchStart), Unknown},
		{"state of a maintainer", state("e", 2, "x", benchStart), Unknown},
		{"state of a stranger", state("e", 3, "x", benchStart), Irrelevant},
		{"state of another repo", state("e", 1, "y", benchStart), Irrelevant},
		{"issue on the owner's coordinate", issue("e", 9, 1, "x"), Unknown},
		{"issue on a maintainer's coordinate", issue("e", 9, 2, "x"), Unknown},
		{"issue on a stranger's coordinate", issue("e", 9, 3, "x"), Parked},
		{"comment on what is known", comment("e", 9, known), Unknown},
		{"comment on what is not", comment("e", 9, issue("?", 9, 9, "?")), Parked},
		{"note that references nothing", ev("e", 1, 1, benchStart), Irrelevant},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(o *PublisherOptions) {
				o.Rules.Archive = []nip34.ArchiveRule{{PubKey: testKey(8)}}
			})
			b.observe(announced(listed))
			b.observe(Observed{Stored: listOf(known)})
			b.historic(tt.e)
			b.mark(1, 1, true)
			if tt.want == Unknown {
				require.Equal(t, []string{"e"}, b.out())
				require.Empty(t, settledOf(b.heard()))
				return
			}
			require.Empty(t, b.out())
			b.is(tt.want, tt.e)
			s := settledOf(b.heard())
			require.Len(t, s, 1)
			require.Equal(t, b.ledger.seq, s[0].Seq)
			b.nothingOpen()
		})
	}
}

func TestParkedChainIsWokenLinkByLink(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	i := issue("i", 2, 1, "x")
	c1 := comment("c1", 3, i)
	c2 := comment("c2", 3, c1)
	c3 := comment("c3", 3, c2)
	b.historic(c3, c2, c1, i)
	b.is(Parked, c3, c2, c1, i)
	b.nothingOpen()
	b.historic(a)
	b.ok(a)
	b.ok(i)
	b.ok(c1)
	b.ok(c2)
	b.ok(c3)
	require.Equal(t, []string{"a", "i", "c1", "c2", "c3"}, b.out())
	b.is(Stored, a, i, c1, c2, c3)
	require.Empty(t, b.ledger.waiting)
	b.nothingOpen()
}

func TestWakeUpIsNotLostWhileTheTableIsRead(t *testing.T) {
	b := newBench(t)
	b.frozen = true
	i := issue("i", 2, 1, "x")
	c := ev("c", event.KindComment, 3, benchStart, to(i), toRepo(9, "z"))
	b.historic(c)
	b.observe(announced(repo("z", 9, "z", benchStart)))
	require.Len(t, b.reads, 1)
	b.observe(Observed{Gone: []event.Ref{event.RepoRef(testKey(9), "z")}}) // what woke it is gone
	b.observe(Observed{Stored: listOf(i)})                                 // and another need is met, before it is read
	require.Len(t, b.reads, 1, "one read at a time")
	b.answerRead()
	b.settle()
	require.Equal(t, []string{"c"}, b.out())

	t.Run("and sleeps on when it is not met after all", func(t *testing.T) {
		b := newBench(t)
		b.frozen = true
		b.historic(c)
		b.observe(announced(repo("z", 9, "z", benchStart)))
		b.observe(Observed{Gone: []event.Ref{event.RepoRef(testKey(9), "z")}})
		b.answerRead()
		b.settle()
		require.Empty(t, b.out())
		b.is(Parked, c)
		b.nothingOpen()
		b.observe(Observed{Stored: listOf(i)})
		require.Len(t, b.reads, 2)
		b.answerRead()
		b.settle()
		require.Equal(t, []string{"c"}, b.out())
	})
}

func TestParkedEventThatFellOutOfScopeIsWokenAgain(t *testing.T) {
	b := newBench(t)
	i := issue("i", 2, 1, "x")
	b.historic(i)
	a := repo("a", 1, "x", benchStart)
	b.observe(announced(a))
	b.no(i, "error: busy")
	b.observe(Observed{Gone: []event.Ref{a.Coordinate()}})
	b.wait(time.Second)
	b.is(Parked, i)
	b.nothingOpen()
	b.observe(announced(a))
	require.Equal(t, []string{"i", "i"}, b.out())
	b.ok(i)
	b.is(Stored, i)
	b.nothingOpen()
}

func TestFailedReadIsTriedAgain(t *testing.T) {
	b := newBench(t)
	i := issue("i", 2, 1, "x")
	s := state("s", 1, "x", benchStart)
	b.historic(i, s)
	b.ledger.fail(true)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.wait(4 * time.Second)
	require.Empty(t, b.out())
	b.is(Irrelevant, s)
	b.ledger.fail(false)
	b.wait(time.Second)
	require.Equal(t, []string{"i"}, b.out())
	require.Zero(t, b.c.known[s.ID])
}

func TestRowThatTheStoreLostIsForgotten(t *testing.T) {
	b := newBench(t)
	i := issue("i", 2, 1, "x")
	b.historic(i)
	delete(b.ledger.waiting, i.ID)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	require.Empty(t, b.c.known[i.ID])
	b.historic(i)
	require.Equal(t, []string{"i"}, b.out(), "found again, it is new")
}

func TestWhatJoinsAMaintainerSetIsForgotten(t *testing.T) {
	b := newBench(t)
	own, s := foreign("own", 2, "x", benchStart), state("s", 2, "x", benchStart)
	other := foreign("other", 2, "y", benchStart)
	b.historic(own, s, other)
	b.is(Irrelevant, own, s, other)
	a := repo("a", 1, "x", benchStart, 2)
	b.historic(a)
	b.ok(a)
	require.ElementsMatch(t, []event.Ref{event.RepoRef(testKey(1), "x"), event.RepoRef(testKey(2), "x")}, b.lookups)
	require.Zero(t, b.c.known[own.ID])
	require.Zero(t, b.c.known[s.ID])
	require.Zero(t, b.ledger.disposition(s.ID))
	b.is(Irrelevant, other)
	b.out()
	b.historic(own, s)
	require.Equal(t, []string{"own"}, b.out())
	b.ok(own)
	require.Equal(t, []string{"s"}, b.out())

	t.Run("also when it comes again before the store has answered", func(t *testing.T) {
		b := newBench(t)
		b.frozen = true
		b.historic(s)
		b.observe(announced(a))
		b.historic(s)
		require.Equal(t, []string{"s"}, b.out())
		b.ok(s)
		b.answerLookup()
		b.settle()
		b.is(Stored, s)
	})
	t.Run("and no question is asked when nothing was irrelevant", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(a))
		require.Empty(t, b.lookups)
	})
}

func TestWhatTheOwnRelayShowsIsNotSent(t *testing.T) {
	a := repo("a", 1, "x", benchStart)
	i, c := issue("i", 2, 1, "x"), ev("c", 1, 2, benchStart, toRepo(1, "x"))
	b := newRawBench(t)
	b.observe(Observed{Loaded: true})
	b.observe(announced(a))
	child := comment("child", 3, i)
	b.historic(i, child, c)
	b.mark(1, 1, true)
	b.observe(Observed{Stored: listOf(i)})
	b.is(Stored, i)
	b.up()
	require.Equal(t, []string{"c", "child"}, slices.Sorted(slices.Values(b.out())))
	b.observe(Observed{Stored: listOf(c)})
	require.Empty(t, settledOf(b.heard()), "its OK is still to come")
	b.ok(c, child)
	s := settledOf(b.heard())
	require.Len(t, s, 1)
	require.Equal(t, 2, s[0].New)
	b.nothingOpen()

	t.Run("parked", func(t *testing.T) {
		b := newBench(t)
		b.historic(i)
		b.is(Parked, i)
		b.observe(Observed{Stored: listOf(i)})
		require.Empty(t, b.out())
		b.is(Stored, i)
		require.Empty(t, b.ledger.waiting)
		b.nothingOpen()
	})
	t.Run("while its signature is checked", func(t *testing.T) {
		b := newBench(t)
		b.byHand = true
		b.historic(i)
		b.observe(Observed{Stored: listOf(i)})
		b.checked(true)
		require.Empty(t, b.out())
		b.is(Stored, i)
	})
}
