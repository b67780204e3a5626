package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/sync"
)

func newTestQueue(rows int) *queue { return newQueue(bounds{rows, 1 << 20}, func(int) {}) }

func TestLookupsSeeOnlyWhatIsNotWritten(t *testing.T) {
	q := newTestQueue(100)
	first, second, other := &op{verb: park, id: fakeID(1)}, &op{verb: unpark, id: fakeID(1)}, &op{verb: park, id: fakeID(2)}
	first.wait, other.wait = &emptyWaiting, &emptyWaiting
	q.pushOps(first, other)
	group, _ := q.take(10, 100)
	require.Len(t, group, 2)
	q.pushOps(second)
	require.Equal(t, []*op{first, second}, q.changes(fakeID(1)), "what is with the writer is not written yet")
	q.done()
	require.Equal(t, []*op{second}, q.changes(fakeID(1)))
	require.Empty(t, q.changes(fakeID(2)))
	require.Len(t, q.tail, 1)
	group, _ = q.take(10, 100)
	require.Same(t, second, group[0].op)
	q.done()
	require.Empty(t, q.tail)
	require.Zero(t, q.length())
	require.Zero(t, q.size.bytes)
	require.Nil(t, group[0].prev, "what is written is let go")
}

func TestGroupsAreBoundedByWeight(t *testing.T) {
	q := newTestQueue(100)
	heavy := &facts{tags: make([]int64, 2000)}
	for n := range 10 {
		q.pushOps(&op{verb: record, id: fakeID(n), facts: heavy})
	}
	group, _ := q.take(groupRows, groupWeight)
	require.Len(t, group, 5)
	q.done()
	group, _ = q.take(groupRows, 1)
	require.Len(t, group, 1, "a row that is heavier than a group is one")
}

func TestBytesAreBounded(t *testing.T) {
	q := newQueue(bounds{1000, 100 * itemBytes}, func(int) {})
	rows := 0
	for ; !q.full() && rows < 1000; rows++ {
		q.pushRows([]*item{{row: sync.SaveBatch{Number: uint64(rows), Spec: make([]byte, 10*itemBytes)}}})
	}
	require.Equal(t, 7, rows, "three quarters")
	for range 3 {
		q.pushRows([]*item{{row: sync.SaveBatch{Number: uint64(rows), Spec: make([]byte, 10*itemBytes)}}})
		rows++
	}
	before := q.loss
	q.pushOps(&op{verb: record, id: fakeID(1), facts: &facts{}})
	require.NotEqual(t, before, q.loss, "a ledger row is dropped")
	for range 20 {
		q.pushRows([]*item{{row: sync.SaveBatch{Number: 1 << 20, Spec: make([]byte, 10*itemBytes)}}})
	}
	require.LessOrEqual(t, q.size.bytes, 2*100*itemBytes)
}

// How far a batch has got is said again with every page. However slow the database is, the writer comes to some of it.
func TestARowIsNotReplacedForEver(t *testing.T) {
	q := newTestQueue(1 << 20)
	page := func(n int) {
		for i := range 500 {
			q.pushOps(&op{verb: record, id: fakeID(500*n + i), facts: &facts{}})
		}
		q.pushRows([]*item{{row: sync.SaveBatch{Spec: []byte{byte(n)}}, rests: q.seq}})
	}
	page(0)
	page(1)
	var written []byte
	for n := 2; n < 12; n++ { // two pages come while the writer is at one
		page(2 * n)
		page(2*n + 1)
		group, _ := q.take(groupRows, groupWeight)
		for _, it := range group {
			if save, ok := it.row.(sync.SaveBatch); ok {
				written = append(written, save.Spec[0])
			}
		}
		q.done()
	}
	require.IsIncreasing(t, written)
	require.Greater(t, len(written), 1)
	require.Equal(t, 2, q.length()-ledgerRows(q), "the first and the last")
}

func ledgerRows(q *queue) (n int) {
	for _, it := range q.items {
		if it != nil && it.op != nil {
			n++
		}
	}
	return n
}

// Rows that others count by never move.
func TestWhatMayBeReplaced(t *testing.T) {
	for _, row := range []sync.Row{
		sync.SaveRepo{}, sync.SaveRoot{}, sync.DropRepo{}, sync.DropRelay{}, sync.ClearCoverage{}, sync.DropBatch{},
		sync.SaveLack{}, sync.DropLack{},
	} {
		_, ok := keyOf(row)
		require.False(t, ok, "%T", row)
	}
}

func TestLoss(t *testing.T) {
	var l loss
	require.False(t, l.hits(0))
	require.False(t, l.hits(1<<60))
	l.add(10)
	l.add(20)
	require.False(t, l.hits(9))
	require.True(t, l.hits(10))
	require.True(t, l.hits(15))
	l.recover(5)
	require.True(t, l.hits(10))
	l.recover(12)
	require.False(t, l.hits(12))
	require.True(t, l.hits(13))
	l.all = true
	require.True(t, l.hits(0))
	l.recover(20)
	require.True(t, l.none())
	require.False(t, l.hits(1<<60))
}

func TestRowsAreBoundedInNumber(t *testing.T) {
	dropped := 0
	q := newQueue(bounds{10, 1 << 20}, func(n int) { dropped += n })
	for i := range 30 {
		q.pushOps(&op{verb: record, id: fakeID(i), facts: &facts{}})
	}
	require.Equal(t, 10, ledgerRows(q))
	require.Equal(t, 20, dropped)
}
