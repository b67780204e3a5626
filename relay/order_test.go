package relay

import (
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestEventWaitsForWhatItReferences(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	s := state("s", 1, "x", benchStart)
	i := issue("i", 2, 1, "x")
	c1 := comment("c1", 3, i)
	c2 := comment("c2", 3, c1)
	b.historic(c2, c1, i, a, s)
	require.Equal(t, []string{"a"}, b.out())
	b.ok(a)
	require.Equal(t, []string{"s", "i"}, b.out(), "announcement first, then its state, then the root")
	b.ok(s)
	require.Empty(t, b.out())
	b.ok(i)
	require.Equal(t, []string{"c1"}, b.out())
	b.ok(c1)
	require.Equal(t, []string{"c2"}, b.out())
	b.ok(c2)
	b.is(Stored, a, s, i, c1, c2)
	b.nothingOpen()
}

func TestMissingOKHoldsUpOnlyItsDependants(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	slow, quick := issue("slow", 2, 1, "x"), issue("quick", 2, 1, "x")
	onSlow, onQuick := comment("onSlow", 3, slow), comment("onQuick", 3, quick)
	b.historic(slow, quick, onSlow, onQuick)
	require.Equal(t, []string{"slow", "quick"}, b.out())
	b.ok(quick)
	require.Equal(t, []string{"onQuick"}, b.out())
	b.ok(onQuick, slow)
	require.Equal(t, []string{"onSlow"}, b.out())
}

func TestRefusedParentReleasesItsChildrenToScope(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i := issue("i", 2, 1, "x")
	orphan := comment("orphan", 3, i)
	other := ev("other", event.KindComment, 3, benchStart, to(i), toRepo(1, "x"))
	b.historic(i, orphan, other)
	b.no(i, "blocked: spam")
	b.is(Rejected, i)
	require.Equal(t, []string{"i", "other"}, b.out(), "it is in scope by its coordinate, too")
	b.is(Parked, orphan)
	require.Equal(t, CauseParent, b.ledger.waiting[orphan.ID].Cause)
	require.Equal(t, event.References{IDs: []event.ID{i.ID}}, b.ledger.waiting[orphan.ID].Needs)
}

func TestParentThatTurnsOutForgedReleasesItsChildren(t *testing.T) {
	b := newBench(t)
	b.byHand = true
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i := issue("i", 2, 1, "x")
	c := comment("c", 3, i)
	b.historic(i, c)
	first := b.checks[0]
	b.checks = b.checks[1:]
	b.checked(true)
	require.Empty(t, b.out())
	require.Empty(t, b.ledger.waiting)
	b.c.verified(b.now, first, false)
	b.settle()
	b.is(Parked, c)
}

func TestNewestVersionGoesFirst(t *testing.T) {
	old, newest := repo("old", 1, "x", benchStart.Add(-time.Hour)), repo("new", 1, "x", benchStart)
	b := newBench(t)
	b.byHand = true
	b.historic(old, newest)
	b.checked(true)
	require.Equal(t, []string{"old"}, b.out(), "nothing newer is known to be genuine")
	b.checked(true)
	require.Equal(t, []string{"new"}, b.out())

	t.Run("accepted", func(t *testing.T) {
		b := newBench(t)
		b.historic(newest, old)
		require.Equal(t, []string{"new"}, b.out())
		b.ok(newest)
		b.is(Superseded, old)
		b.nothingOpen()
	})
	t.Run("refused", func(t *testing.T) {
		b := newBench(t)
		b.historic(newest, old)
		b.no(newest, "blocked: no")
		require.Equal(t, []string{"new", "old"}, b.out())
	})
	t.Run("accepted before", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(newest))
		b.historic(old)
		require.Empty(t, b.out())
		b.is(Superseded, old)
	})
	t.Run("gone again", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(newest))
		b.observe(Observed{Gone: []event.Ref{newest.Coordinate()}})
		b.historic(old)
		b.is(Superseded, old)
	})
	t.Run("state", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(newest))
		s1, s2 := state("s1", 1, "x", benchStart), state("s2", 1, "x", benchStart.Add(time.Second))
		b.historic(s2, s1)
		require.Equal(t, []string{"s2"}, b.out())
		b.ok(s2)
		b.is(Superseded, s1)
	})
	t.Run("tie", func(t *testing.T) {
		b := newBench(t)
		s1, s2 := repo("s1", 1, "x", benchStart), repo("s2", 1, "x", benchStart)
		if s2.Supersedes(int64(s1.CreatedAt), s1.ID) {
			s1, s2 = s2, s1
		}
		b.observe(announced(s1))
		b.historic(s2)
		b.is(Superseded, s2)

		b = newBench(t)
		b.observe(announced(s2, s1, s2))
		b.historic(repo("older", 1, "x", benchStart.Add(-time.Second)))
		require.Equal(t, s1.ID, b.c.scope.newest[s1.Coordinate()].id)
	})
}

func TestVersionThatCameWhileAnOlderOneWasReadyIsSeenAtTheDoor(t *testing.T) {
	b := newRawBench(t)
	b.observe(Observed{Loaded: true})
	old, newest := repo("old", 1, "x", benchStart.Add(-time.Hour)), repo("new", 1, "x", benchStart)
	b.historic(old, newest)
	b.up()
	require.Equal(t, []string{"new"}, b.out())
	b.ok(newest)
	b.is(Superseded, old)
}

func TestParentThatCameWhileItsChildWasReadyIsSeenAtTheDoor(t *testing.T) {
	b := newRawBench(t)
	b.observe(Observed{Loaded: true})
	b.observe(announced(repo("a", 1, "x", benchStart)))
	parent := ev("parent", 1, 2, benchStart, toRepo(1, "x"))
	child := ev("child", event.KindIssue, 2, benchStart, toRepo(1, "x"), to(parent))
	b.historic(child, parent)
	b.up()
	require.Equal(t, []string{"parent"}, b.out(), "although roots go before the rest")
	b.ok(parent)
	require.Equal(t, []string{"child"}, b.out())
}

func TestStateWaitsForWhatMakesItsAuthorAMaintainer(t *testing.T) {
	owner := repo("owner", 1, "x", benchStart, 2)
	second := foreign("second", 2, "x", benchStart, 3)
	s := state("s", 3, "x", benchStart)
	b := newBench(t)
	b.observe(announced(second))
	b.historic(owner, s)
	require.Equal(t, []string{"owner"}, b.out())
	require.Empty(t, b.ledger.entries, "the owner names the second, who names the third: not known yet")
	b.ok(owner)
	require.Equal(t, []string{"s"}, b.out())

	b = newBench(t)
	b.historic(owner, state("alien", 9, "x", benchStart))
	b.ok(owner)
	require.Equal(t, []string{"owner"}, b.out())
}

func TestNothingWaitsForEver(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart.Add(-time.Hour))))
	// Two addressable events that name each other's coordinate, an announcement that names an issue, and an issue that
	// names the announcement's coordinate.
	ref := func(key int, d string) string { return event.Ref{Kind: 30023, PubKey: testKey(key), D: d}.String() }
	p := ev("p", 30023, 5, benchStart, nostr.Tag{"d", "p"}, nostr.Tag{"a", ref(6, "q")}, toRepo(1, "x"))
	q := ev("q", 30023, 6, benchStart, nostr.Tag{"d", "q"}, nostr.Tag{"a", ref(5, "p")}, toRepo(1, "x"))
	i := issue("i", 2, 1, "x")
	again := repo("again", 1, "x", benchStart)
	again.Tags = append(again.Tags, to(i))
	n := *again.Event
	again = ev("again", n.Kind, 1, benchStart, n.Tags...)
	b.historic(p, q, i, again)
	b.ok(p, q, again)
	b.ok(i)
	b.is(Stored, p, q, i, again)
	b.nothingOpen()
}

func TestOrderAmongTheReady(t *testing.T) {
	b := newRawBench(t, func(o *PublisherOptions) { o.Window = 1 })
	b.observe(Observed{Loaded: true})
	b.observe(announced(repo("a", 1, "x", benchStart), repo("a2", 1, "y", benchStart)))
	deletion := func(name string) *event.Event {
		return ev(name, event.KindDeletion, 1, benchStart.Add(-time.Hour), toRepo(1, "x"))
	}
	rest := func(name string) *event.Event { return ev(name, 1, 2, benchStart, toRepo(1, "x")) }
	b.from(1, 1, deletion("d"), rest("r1"), rest("r2"), rest("r3"), issue("i", 2, 1, "x"), state("s", 1, "y", benchStart))
	b.from(2, 2, rest("q1"), rest("q2"), repo("n", 4, "z", benchStart))
	b.from(3, 0, deletion("ld"), rest("l"))
	b.up()
	var got []string
	for range 11 {
		out := b.out()
		require.Len(t, out, 1)
		got = append(got, out[0])
		for id, name := range b.names {
			if name == out[0] {
				b.c.answered(b.now, id, true, "")
				b.settle()
			}
		}
	}
	require.Equal(t, []string{"s", "l", "ld", "n", "i", "r1", "q1", "r2", "q2", "r3", "d"}, got, "a state does not wait behind live events")
}

func TestAtMostTheWindowIsInFlight(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.Window = 3; o.WindowBytes = 1500 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	var e []*event.Event
	for _, name := range names(6, "i") {
		e = append(e, issue(name, 2, 1, "x"))
	}
	b.historic(e...)
	require.Equal(t, []string{"i0", "i1", "i2"}, b.out())
	b.ok(e[1])
	require.Equal(t, []string{"i3"}, b.out())
	b.ok(e[0], e[2], e[3])
	big := ev(string(make([]byte, 2000)), 1, 2, benchStart, toRepo(1, "x"))
	b.from(9, 0, big)
	require.Equal(t, []string{"i4", "i5", big.Content}, b.out())
	b.ok(e[4], e[5])
	b.from(9, 0, issue("late", 2, 1, "x"))
	require.Empty(t, b.out(), "bytes count, too")
	b.ok(big)
	require.Equal(t, []string{"late"}, b.out())
}

func TestNothingByADeniedAuthorIsPublished(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.Rules.DenyAuthors = map[event.PubKey]bool{testKey(2): true} })
	a := repo("a", 1, "x", benchStart)
	b.observe(announced(a))
	denied := issue("denied", 2, 1, "x")
	reply := comment("reply", 3, denied)
	b.historic(denied, reply, issue("welcome", 3, 1, "x"))
	require.Equal(t, []string{"welcome"}, b.out())
	b.is(Irrelevant, denied)
	b.is(Parked, reply)
}
