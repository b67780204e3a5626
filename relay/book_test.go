package relay

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// issuesOf are issues of the repo that the benches know.
func issuesOf(name string, n int) []*event.Event {
	out := make([]*event.Event, n)
	for i := range out {
		out[i] = issue(fmt.Sprint(name, i), 2, 1, "x")
	}
	return out
}

// What a stranger has refused by the thousand is remembered in a bounded number, in memory and in the ledger: he loses his own ids first,
// and what is forgotten is judged again when it comes again.
func TestRefusedIDsAreBounded(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.RefusedIDs = 6 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	quiet, flood := issuesOf("quiet", 2), issuesOf("flood", 20)
	b.from(1, 1, quiet...)
	b.no(quiet[0], "blocked: spam")
	b.no(quiet[1], "blocked: spam")
	for _, e := range flood {
		b.from(2, 1, e)
		b.no(e, "blocked: spam")
	}
	b.is(Rejected, quiet...)
	b.is(Rejected, flood[16:]...)
	b.is(Unknown, flood[:16]...)
	require.Len(t, b.c.known, 7, "the announcement too")
	require.Len(t, b.c.offers, 6)
	require.Len(t, b.ledger.entries, 7)
	b.out()
	b.from(2, 2, flood[0])
	require.Equal(t, []string{"flood0"}, b.out())
	b.ok(flood[0])
	b.nothingOpen()
}

// An id that is refused again, a day later, is counted once.
func TestWhatIsRefusedAgainIsCountedOnce(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.RefusedIDs = 2 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	e := issuesOf("spam", 2)
	b.from(1, 1, e...)
	b.no(e[0], "blocked: spam")
	b.no(e[1], "blocked: spam")
	b.wait(25 * time.Hour)
	b.from(1, 2, e[1])
	b.no(e[1], "blocked: spam")
	b.is(Rejected, e...)
}

func TestSupersededIDsAreBounded(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.RefusedIDs = 3 })
	var versions []*event.Event
	for n := range 10 {
		e := repo(fmt.Sprint("v", n), 1, "x", benchStart.Add(time.Duration(n)*time.Second))
		versions = append(versions, e)
		b.historic(e)
		b.ok(e)
		b.observe(announced(e))
		b.wait(time.Second)
	}
	b.is(Stored, versions[9])
	b.is(Superseded, versions[6:9]...)
	b.is(Unknown, versions[:6]...)
	require.Len(t, b.ledger.entries, 4)
}

// Tombstones have a bound of their own: refusals do not drive them out.
func TestTombstonesAreBounded(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.Tombstones, o.RefusedIDs = 3, 2 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	gone, spam := issuesOf("gone", 8), issuesOf("spam", 8)
	for i, e := range gone {
		b.from(1, 1, e)
		b.no(e, "deleted: by its author")
		b.from(1, 1, spam[i])
		b.no(spam[i], "blocked: spam")
	}
	b.is(Tombstone, gone[5:]...)
	b.is(Unknown, gone[:5]...)
	b.is(Rejected, spam[6:]...)
}

// After a restart as many are known as before, and a larger number of rows than may be kept, of an older version or a larger limit, is
// brought down to it. A store without room keeps its rows: memory does not wait for it.
func TestRefusedIDsAreBoundedAcrossARestart(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.RefusedIDs, o.Tombstones = 5, 4 })
	fill := func(name string, d Disposition) []*event.Event {
		events := issuesOf(name, 9)
		for i, e := range events {
			b.ledger.entries[e.ID] = Entry{Event: e, Disposition: d, Source: "wss://other.example", At: b.now.Add(time.Duration(i) * time.Second)}
		}
		return events
	}
	refused, gone := fill("refused", OwnLimit), fill("gone", Tombstone)
	b.restart()
	b.is(OwnLimit, refused[4:]...)
	b.is(Tombstone, gone[5:]...)
	require.Len(t, b.ledger.entries, 9)

	fill("refused", OwnLimit)
	b.ledger.full.Store(true)
	b.restart()
	require.Len(t, b.c.known, 9)
	require.Len(t, b.ledger.entries, 13)
}
