package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMarksSettleInOrderPerBatch(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i, j, k := issue("i", 2, 1, "x"), issue("j", 2, 1, "x"), issue("k", 2, 1, "x")
	page := []FilterEnd{{Until: 7}}
	b.from(1, 1, i)
	b.c.mark(b.now, Mark{Conn: 1, Batch: 1, Filters: page})
	b.from(1, 1, j)
	b.from(1, 2, k)
	b.mark(1, 1, true)
	b.mark(1, 2, true)
	b.ok(k)
	require.Equal(t, []Report{Settled{ID: 1, Batch: 2, At: b.now, Final: true, Learned: idsOf(k), New: 1, Seq: 2}}, b.heard(),
		"another batch is not held up")
	b.ok(j)
	require.Empty(t, b.heard(), "the page before it is still open")
	b.wait(time.Second)
	b.ok(i)
	require.Equal(t, []Report{
		Settled{ID: 1, Batch: 1, At: b.now, Filters: page, Learned: idsOf(i), New: 1, Seq: 4},
		Settled{ID: 1, Batch: 1, At: b.now, Final: true, Learned: idsOf(j), New: 1, Seq: 3},
	}, b.heard())
	require.Empty(t, b.c.tallies)
}

func TestMarkWithoutEventsSettlesAtOnce(t *testing.T) {
	b := newBench(t)
	b.c.mark(b.now, Mark{Conn: 1, Batch: 1, Final: true, Err: "closed"})
	b.c.mark(b.now, Mark{Conn: 1, Stamp: b.now.Add(-time.Second)})
	b.settle()
	require.Equal(t, []Report{
		Settled{ID: 1, Batch: 1, At: b.now, Final: true, Err: "closed"},
		LiveSettled{ID: 1, At: b.now.Add(-time.Second)},
	}, b.heard())
}

func TestSettledCountsAfterItsConnectionIsGone(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	i, j, k, l := issue("i", 2, 1, "x"), issue("j", 2, 1, "x"), issue("k", 2, 1, "x"), issue("l", 2, 1, "x")
	b.from(1, 1, i)
	b.mark(1, 1, false)
	b.from(1, 1, j) // no mark follows it
	b.from(1, 2, k)
	b.mark(1, 2, true)
	b.from(1, 0, l)
	b.mark(1, 0, false)
	b.c.gone(b.now, 1)
	b.ok(i, j, k, l)
	require.Equal(t, []Report{
		Settled{ID: 1, Batch: 1, At: b.now, Learned: idsOf(i), New: 1, Seq: 2},
		Settled{ID: 1, Batch: 2, At: b.now, Final: true, Learned: idsOf(k), New: 1, Seq: 4},
		LiveSettled{ID: 1, At: b.now, Seq: 5, New: 1},
	}, b.heard())
	require.Empty(t, b.c.tallies)
	b.nothingOpen()
}

// What the live subscription of a relay has brought as well is not counted as found by its batch; another relay's is no matter.
func TestWhatComesLiveTooIsNotNewToTheBatch(t *testing.T) {
	for conn, found := range map[ConnID]int{1: 0, 2: 1} {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		i := issue("i", 2, 1, "x")
		b.from(1, 1, i)
		b.from(conn, 0, i)
		b.mark(1, 1, true)
		b.ok(i)
		settled, ok := b.heard()[0].(Settled)
		require.True(t, ok)
		require.Equal(t, found, settled.New)
		require.Equal(t, idsOf(i), settled.Learned)
	}
}
