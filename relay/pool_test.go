package relay

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestPendingTableIsBounded(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.PendingEvents = 3; o.PendingBytes = 11_000 })
	var e []*event.Event
	for i, name := range names(5, "i") {
		e = append(e, issue(name, 2, 20+i, "x"))
		b.historic(e[i])
		b.wait(time.Second)
	}
	b.is(Unknown, e[0], e[1])
	b.is(Parked, e[2], e[3], e[4])
	big := issue(fmt.Sprintf("%09000d", 1), 2, 30, "x")
	b.historic(big)
	b.is(Unknown, e[2], e[3])
	b.is(Parked, e[4], big)
	b.wait(7*24*time.Hour - 2*time.Second)
	b.is(Parked, big)
	b.wait(10 * time.Second)
	b.is(Unknown, e[4], big)
	require.Empty(t, b.ledger.waiting)
	require.Empty(t, b.c.needs.refs)
	require.Zero(t, b.c.pool.bytes)

	b.historic(e[0])
	b.is(Parked, e[0])
}

func TestIrrelevantIDsAreBounded(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.IrrelevantPerSource = 2; o.IrrelevantIDs = 3 })
	note := func(name string) *event.Event { return ev(name, 1, 1, benchStart) }
	e := []*event.Event{note("0"), note("1"), note("2"), note("3"), note("4")}
	b.from(1, 1, e[0], e[1], e[2])
	b.is(Unknown, e[0])
	b.is(Irrelevant, e[1], e[2])
	b.from(2, 1, e[3], e[4])
	b.is(Unknown, e[1])
	b.is(Irrelevant, e[2], e[3], e[4])
}

func TestForeignAnnouncementsOnTheOwnRelayAreBounded(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.ForeignRepos = 2 })
	for i, name := range names(4, "f") {
		b.observe(announced(foreign(name, 10+i, "x", benchStart)))
	}
	b.observe(announced(repo("a", 1, "x", benchStart)))
	require.Equal(t, 3, b.c.scope.index.Len())
	b.observe(announced(repo("a", 1, "x", benchStart.Add(time.Second), 13)))
	require.True(t, b.c.scope.index.Covers(event.RepoRef(testKey(13), "x")))
}

func TestLoadedStateGoesOn(t *testing.T) {
	b := newBench(t)
	known, unmet, late := issue("known", 2, 1, "x"), issue("unmet", 2, 9, "q"), issue("late", 2, 1, "x")
	met := comment("met", 3, known)
	future := repo("future", 4, "f", benchStart.Add(time.Hour))
	ledger := b.ledger
	for i, e := range []*event.Event{met, unmet, late} {
		ledger.Park(Waiting{Event: e, ID: e.ID, Needs: e.References(), Cause: CauseParent, Size: e.Size, Since: b.now.Add(-time.Duration(i) * time.Hour)})
	}
	ledger.Park(Waiting{Event: future, ID: future.ID, Cause: CauseFuture, Due: b.now.Add(time.Hour), Size: future.Size, Since: b.now})
	ledger.Record(Entry{Event: known, Disposition: Stored})

	r := newRawBench(t)
	r.ledger, r.c.o.Ledger = ledger, ledger
	for _, e := range []*event.Event{known, met, unmet, late, future} {
		r.name(e)
	}
	p := &Publisher{o: r.c.o}
	require.NoError(t, p.load(t.Context(), r.c))
	r.up()
	r.observe(announced(repo("a", 1, "x", benchStart)))
	r.observe(Observed{Loaded: true})
	require.ElementsMatch(t, []string{"met", "late"}, r.out())
	r.is(Parked, unmet, met, late, future)
	r.ok(met, late)
	r.is(Stored, known, met, late)
	r.wait(time.Hour)
	require.Equal(t, []string{"future"}, r.out())

	ledger.fail(true)
	require.ErrorIs(t, p.load(t.Context(), newCore(r.c.o)), errStoreBroken)
}

// What was parked for one event and is woken by it comes into the queue by and by.
func TestRowsInTheQueueAreBounded(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	root := issue("root", 2, 1, "x")
	for i := range 3 * maxWoken {
		b.historic(comment(fmt.Sprint("c", i), 3, root))
	}
	require.Len(t, b.c.pool.rows, 3*maxWoken)
	b.historic(root)
	b.ok(root)
	require.Equal(t, maxWoken, b.c.woken)
	require.Len(t, b.c.works, maxWoken)
}
