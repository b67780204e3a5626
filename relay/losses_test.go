package relay

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func lostIDs(n int) (out []event.ID) {
	for i := range n {
		var id event.ID
		binary.BigEndian.PutUint32(id[:], uint32(i)+1)
		out = append(out, id)
	}
	return out
}

func TestWhatIsLostAgainAndAgainWaits(t *testing.T) {
	l, now := losses{}, benchStart
	ids := lostIDs(2)
	var fetched []int
	for d := range 80 {
		if len(l.sift(now.Add(time.Duration(d)*offerDay), ids[:1], 1000)) > 0 {
			fetched = append(fetched, d)
		}
	}
	require.Equal(t, []int{0, 1, 2, 9, 39, 69}, fetched)
	require.Equal(t, ids[1:], l.sift(now.Add(80*offerDay), ids, 1000), "another one is no worse off")
}

func TestOwnRelayThatIsWipedAgainAndAgainIsFilledAtOnce(t *testing.T) {
	l := losses{}
	ids := lostIDs(100)
	for range 10 {
		require.Len(t, l.sift(benchStart, ids, 900), 100)
	}
	require.Empty(t, l.sift(benchStart, ids, 1000))
}

func TestLossesAreBounded(t *testing.T) {
	l := losses{}
	l.sift(benchStart, lostIDs(10), 1000)
	require.Len(t, l.sift(benchStart.Add(lossAge), lostIDs(lossesKept + 10)[10:], 1000), lossesKept)
	require.Len(t, l, lossesKept)
	require.NotContains(t, l, lostIDs(1)[0], "old ones go")
}

// An own relay that says OK and does not keep an event gets it a few times, and the ledger goes on saying that it has it.
func TestEventThatTheOwnRelayDoesNotKeepStaysKnownForAWhile(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	for n := range 20 {
		kept := issue(string(rune('A'+n)), 2, 1, "x")
		b.historic(kept)
		b.ok(kept)
	}
	i := issue("i", 2, 1, "x")
	for range 3 {
		b.historic(i)
		b.ok(i)
		b.is(Stored, i)
		b.c.lost(b.now, []event.ID{i.ID})
	}
	b.is(Stored, i)
	require.Zero(t, b.c.lost(b.now, []event.ID{i.ID}))
	require.Equal(t, 1, b.c.lost(b.now.Add(offerDay), []event.ID{i.ID}))
}
