package relay

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// idNumber is an id of its own.
func idNumber(n int) (id event.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

// TestRowsThatMadeRoomLeaveNoDues: events dated a week ahead push each other out of a full pending table, all week.
func TestRowsThatMadeRoomLeaveNoDues(t *testing.T) {
	p := newPool()
	o := PublisherOptions{PendingEvents: 100, PendingBytes: 1 << 20, PendingAge: time.Hour}
	for i := range 10_000 {
		p.put(Waiting{ID: idNumber(i), Cause: CauseFuture, Due: benchStart.Add(time.Hour + time.Duration(i)), Since: benchStart, Size: 1})
		for r := p.excess(benchStart, &o); r != nil; r = p.excess(benchStart, &o) {
			p.remove(r)
		}
	}
	require.Len(t, p.rows, 100)
	require.LessOrEqual(t, len(p.dues), 2*101+staleDues)
	p.wakeDue(benchStart.Add(2 * time.Hour))
	require.Len(t, p.takeWoken(1000, 1000), 100, "none of those that are left is forgotten")
}

func TestRowsAreTakenUpAFewBytesAtATime(t *testing.T) {
	p := newPool()
	for i := range 10 {
		p.wake(p.put(Waiting{ID: idNumber(i), Cause: CauseParent, Since: benchStart, Size: 300}))
	}
	require.Len(t, p.takeWoken(100, 1000), 4)
	require.Len(t, p.takeWoken(2, 1000), 2)
	require.Len(t, p.takeWoken(100, 10_000), 4)
}

func TestNamesOfRelaysInThePendingTableAreBounded(t *testing.T) {
	p := newPool()
	for i := range 3 * sourcesKept {
		p.remove(p.put(Waiting{ID: idNumber(i), Cause: CausePace, Source: relayurl.URL(fmt.Sprintf("wss://r%d.example", i))}))
	}
	require.LessOrEqual(t, len(p.sources), sourcesKept)
}

// TestRivalsCountAsBytes: while a signature is checked, events of the same id under other ones take memory too.
func TestRivalsCountAsBytes(t *testing.T) {
	for _, ok := range []bool{true, false} {
		b := newBench(t)
		b.byHand = true
		e := issue("i", 2, 1, "x")
		b.from(1, 1, e)
		one := b.c.bytes
		require.Positive(t, one)
		b.from(2, 1, forgedCopy(e))
		require.InDelta(t, 2*one, b.c.bytes, 200)
		b.from(3, 1, forgedCopy(e))
		require.InDelta(t, 3*one, b.c.bytes, 300)
		b.checked(ok)
		for len(b.checks) > 0 {
			b.checked(false)
		}
		require.Zero(t, b.c.bytes)
	}
}

// TestLiveEventsAreBoundedInBytes: they need no credit, and the store has no room for what does not fit.
func TestLiveEventsAreBoundedInBytes(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueBytes, o.PendingEvents = 10_000, 1 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	for _, name := range names(100, "e") {
		b.live(ev(name+strings.Repeat("x", 1000), 1, 2, benchStart, toRepo(1, "x")))
	}
	require.Less(t, b.c.bytes, int64(2*10_000+3000))
	require.Greater(t, b.c.bytes, int64(10_000))
}
