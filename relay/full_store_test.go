package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// While the store has no room nothing more is asked for; it is looked at again.
func TestAStoreWithoutRoomGivesNoCredit(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.ledger.full.Store(true)
	granted := make(chan struct{}, 1)
	b.c.reserve(b.now, request{1, 8, granted})
	b.wait(time.Minute)
	require.Zero(t, b.grants)
	b.ledger.full.Store(false)
	b.wait(roomCheck)
	require.Equal(t, 1, b.grants)
	require.True(t, b.c.roomAt.IsZero(), "there is nothing to wait for")
}

// What would need a row of the pending table is kept in the queue, and its batch open, until there is room for it.
func TestAnEventThatFindsNoRoomInThePendingTableIsKept(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i := issue("i", 2, 1, "x")
	orphan := comment("orphan", 3, i)
	b.ledger.full.Store(true)
	b.from(1, 1, orphan)
	b.mark(1, 1, true)
	b.from(2, 0, orphan)
	b.mark(2, 0, false)
	b.wait(time.Minute)
	require.Empty(t, b.heard(), "nothing of it is on disk")
	require.Empty(t, b.ledger.waiting)
	b.ledger.full.Store(false)
	b.wait(storeRetry)
	b.is(Parked, orphan)
	require.Len(t, b.heard(), 2)
	b.historic(i)
	b.ok(i, orphan)
	b.is(Stored, i, orphan)
	b.nothingOpen()
}

// An event that is refused for now is not sent every few seconds because there is no room to park it.
func TestAnEventThatFindsNoRoomIsNotSentAllTheTime(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i := ev("i", event.KindIssue, 2, benchStart.Add(time.Hour), toRepo(1, "x"))
	b.historic(i)
	b.ledger.full.Store(true)
	for n := range 10 {
		require.Len(t, b.out(), 1, n)
		b.no(i, "invalid: created_at too late")
		b.wait(time.Minute)
	}
	b.ledger.full.Store(false)
	b.no(i, "invalid: created_at too late")
	b.is(Parked, i)
}
