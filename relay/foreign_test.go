package relay

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestForeignEventsOfWideFiltersAreDroppedUnverified(t *testing.T) {
	stored, held, parked, rejected := noEvent(1), noEvent(2), issue("parked", 2, 7, "q"), noEvent(4)
	queued := issue("queued", 2, 1, "x")
	on := func(id event.ID) *event.Event { return ev("e", event.KindComment, 9, benchStart, tagTo(id)) }
	tests := []struct {
		name string
		e    *event.Event
		drop bool
	}{
		{"on our repo", issue("e", 9, 1, "x"), false},
		{"on a maintainer's coordinate", issue("e", 9, 2, "x"), false},
		{"on a repo in the queue", issue("e", 9, 3, "new"), false},
		{"on what is stored", on(stored), false},
		{"on what is held", on(held), false},
		{"on what is parked", on(parked.ID), false},
		{"on what is in the queue", on(queued.ID), false},
		{"announcement", repo("e", 9, "z", benchStart), false},
		{"on a stranger's repo", issue("e", 9, 9, "x"), true},
		{"on what is rejected", on(rejected), true},
		{"on what nobody knows", on(noEvent(5)), true},
		{"on nothing", ev("e", 1, 9, benchStart), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			b := newBench(t, func(o *PublisherOptions) { o.Metrics = NewPublisherMetrics(reg) })
			b.observe(announced(repo("a", 1, "x", benchStart, 2)))
			b.c.know(stored, Stored)
			b.c.know(held, Held)
			b.c.know(rejected, Rejected)
			b.historic(parked)
			b.byHand = true
			b.historic(queued, repo("new", 3, "new", benchStart))
			b.checks = nil
			for range 2 {
				b.wide(5, tt.e)
			}
			require.Equal(t, tt.drop, len(b.checks) == 0)
			dropped := gathered(t, reg)["ngit_sync_events_dropped_total foreign"]
			b.mark(5, 0, false)
			if !tt.drop {
				require.Zero(t, dropped)
				return
			}
			require.InDelta(t, 2, dropped, 0)
			require.Equal(t, []Report{LiveSettled{ID: 5, At: b.now}}, b.heard(), "it holds nothing up, and is no offence")
			require.Zero(t, b.c.known[tt.e.ID])
			require.Zero(t, b.ledger.disposition(tt.e.ID))
			b.from(5, 0, tt.e)
			require.NotEmpty(t, b.checks, "another filter that brings it is another matter")
		})
	}
}

func TestWideEventWhoseParentFailsIsForeign(t *testing.T) {
	i := issue("i", 2, 1, "x")
	c := comment("c", 9, i)
	failed := func(act func(b *bench)) *bench {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		b.historic(i)
		act(b)
		b.mark(5, 0, false)
		require.Empty(t, b.heard())
		b.no(i, "blocked: spam")
		require.Equal(t, []Report{LiveSettled{ID: 5, At: b.now, Seq: b.ledger.seq}}, b.heard())
		b.nothingOpen()
		return b
	}
	b := failed(func(b *bench) { b.wide(5, c) })
	require.Equal(t, Unknown, b.ledger.disposition(c.ID))
	require.Zero(t, b.c.known[c.ID])
	require.Equal(t, 1, b.c.foreign[5].count)
	b.wait(time.Second)
	b.wide(5, c)
	require.Equal(t, 2, b.c.foreign[5].count)

	b = failed(func(b *bench) {
		b.wide(5, c)
		b.c.gone(b.now, 5)
		b.from(6, 0, c)
		b.wide(5, c)
	})
	b.is(Parked, c)
}

func TestWideEventOnWhatIsParkedWaitsForIt(t *testing.T) {
	b := newBench(t)
	i := issue("i", 2, 1, "x")
	c := comment("c", 9, i)
	b.historic(i)
	b.wide(5, c)
	b.is(Parked, i, c)
	require.Empty(t, b.c.foreign)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.ok(i)
	require.Equal(t, []string{"i", "c"}, b.out())
}

func TestForeignEventsBeforeTheFirstPictureAreDroppedWithIt(t *testing.T) {
	b := newRawBench(t)
	ours, stranger, both := issue("ours", 2, 1, "x"), issue("stranger", 2, 9, "x"), issue("both", 3, 9, "x")
	nothing := ev("nothing", 1, 9, benchStart)
	b.wide(5, ours, stranger, both, nothing)
	b.from(6, 0, both)
	b.wide(7, stranger)
	b.c.gone(b.now, 7)
	b.mark(5, 0, false)
	b.up()
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.observe(Observed{Loaded: true})
	require.Equal(t, []string{"ours"}, b.out())
	b.ok(ours)
	require.Equal(t, []Report{LiveSettled{ID: 5, At: b.now, Seq: 3, New: 1}}, b.heard())
	b.is(Unknown, stranger, nothing)
	b.is(Parked, both)
	require.Equal(t, 2, b.c.foreign[5].count)
	require.NotContains(t, b.c.foreign, ConnID(7), "its connection is gone")
	b.nothingOpen()
}

func TestTooManyForeignEventsAreToldOncePerWindow(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.ForeignPerSecond, o.ForeignWindow = 2, 5*time.Second })
	e := issue("e", 9, 9, "x")
	flood := func(conn ConnID, n int) {
		for range n {
			b.wide(conn, e)
		}
	}
	flood(5, 10)
	flood(6, 3)
	require.Empty(t, b.heard())
	b.wait(4 * time.Second)
	flood(5, 1)
	require.Equal(t, []Report{Foreign{ID: 5, At: b.now}}, b.heard(), "11 in 5 s")
	flood(5, 20)
	require.Empty(t, b.heard(), "once")
	b.wait(time.Second)
	flood(5, 10)
	require.Empty(t, b.heard(), "a new window counts from nothing")
	flood(5, 1)
	require.Equal(t, []Report{Foreign{ID: 5, At: b.now}}, b.heard())
	b.wait(time.Hour)
	flood(6, 10)
	require.Empty(t, b.heard())
	b.c.gone(b.now, 5)
	b.c.gone(b.now, 6)
	require.Empty(t, b.c.foreign)

	o := PublisherOptions{}.withDefaults()
	var f foreignWindow
	for range 3000 {
		require.False(t, f.add(benchStart, &o))
	}
	require.True(t, f.add(benchStart.Add(10*time.Minute-1), &o))
	require.False(t, f.add(benchStart.Add(10*time.Minute), &o))
}
