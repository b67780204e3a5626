package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const purgatory = "purgatory: won't be served until git data arrives"

func (b *bench) heldBy(e *event.Event) {
	b.t.Helper()
	b.answer(e, true, purgatory)
}

func TestHeldEventIsAcceptedAndSettled(t *testing.T) {
	b := newBench(t)
	a, i := repo("a", 1, "x", benchStart), issue("i", 2, 1, "x")
	b.historic(a)
	b.mark(1, 1, true)
	b.heldBy(a)
	b.is(Held, a)
	require.Equal(t, CauseHeld, b.ledger.waiting[a.ID].Cause)
	require.Equal(t, purgatory, b.ledger.waiting[a.ID].Reason)
	s := settledOf(b.heard())
	require.Len(t, s, 1)
	require.Equal(t, b.ledger.seq, s[0].Seq)
	require.Empty(t, s[0].Learned, "it does not come back soon")
	require.Zero(t, s[0].New)
	require.True(t, b.c.scope.index.Covers(a.Coordinate()))
	b.wait(takenWait)
	require.Contains(t, b.accepted(), "a")
	b.nothingOpen()
	b.out()
	b.historic(a)
	require.Empty(t, b.out(), "it is known")

	b.historic(i)
	require.Equal(t, []string{"i"}, b.out(), "what hangs on it is published")
	b.heldBy(i)
	c := comment("c", 3, i)
	b.restart()
	b.is(Held, a, i)
	b.historic(c)
	require.Equal(t, []string{"c"}, b.out(), "also after a restart")
}

func TestHeldEventIsOfferedAgainUntilItExpires(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		b := newBench(t)
		a := repo("a", 1, "x", benchStart)
		b.historic(a)
		b.heldBy(a)
		b.out()
		start := b.now
		var at []time.Duration
		for b.now.Sub(start) < 7*24*time.Hour-time.Minute {
			if restarts && len(at) == 3 {
				b.restart()
			}
			b.wait(time.Minute)
			if len(b.out()) > 0 {
				at = append(at, b.now.Sub(start))
				b.is(Held, a)
				b.answer(a, true, "duplicate: in purgatory")
				require.Equal(t, len(at), b.ledger.waiting[a.ID].Tries)
			}
		}
		require.Equal(t, []time.Duration{
			time.Hour, 5 * time.Hour, 29 * time.Hour, 53 * time.Hour, 77 * time.Hour, 101 * time.Hour, 125 * time.Hour, 149 * time.Hour,
		}, at)
		b.wait(time.Minute + 2*time.Second)
		b.is(Unknown, a)
		require.Empty(t, b.ledger.waiting)
		require.Empty(t, b.c.held.refs)
		b.nothingOpen()
		b.historic(a)
		require.Equal(t, []string{"a"}, b.out(), "who brings it then begins anew")
	}
}

func TestHeldEventIsConfirmed(t *testing.T) {
	tests := []struct {
		name string
		by   func(b *bench, a *event.Event)
	}{
		{"by our own feed", func(b *bench, a *event.Event) { b.observe(announced(a)) }},
		{"by its id", func(b *bench, a *event.Event) { b.observe(Observed{Stored: listOf(a)}) }},
		{"by a survey", func(b *bench, a *event.Event) { b.c.surveyed(b.now, []*event.Event{a}, true); b.settle() }},
		{"by a duplicate", func(b *bench, a *event.Event) {
			b.wait(time.Hour)
			require.Equal(b.t, []string{"a"}, b.out())
			b.answer(a, true, "duplicate: have this event")
		}},
		{"by an OK", func(b *bench, a *event.Event) {
			b.wait(time.Hour)
			require.Equal(b.t, []string{"a"}, b.out())
			b.ok(a)
		}},
		{"by our own feed while it is on its way", func(b *bench, a *event.Event) {
			b.wait(time.Hour)
			require.Equal(b.t, []string{"a"}, b.out())
			b.observe(announced(a))
			b.answer(a, true, "duplicate: have this event")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			a := repo("a", 1, "x", benchStart)
			b.historic(a)
			b.heldBy(a)
			b.out()
			tt.by(b, a)
			b.is(Stored, a)
			require.Empty(t, b.ledger.waiting)
			require.Empty(t, b.c.held.refs)
			b.wait(8 * 24 * time.Hour)
			require.Empty(t, b.out())
			b.nothingOpen()
			b.restart()
			b.is(Stored, a)
		})
	}
}

func TestHeldEventsAreOfferedWhenTheirRepoIsServed(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	s := state("s", 1, "x", benchStart)
	pr := ev("pr", event.KindPullRequest, 2, benchStart, toRepo(1, "x"))
	other := repo("other", 4, "y", benchStart)
	b.historic(a, other)
	b.heldBy(a)
	b.heldBy(other)
	b.historic(s, pr)
	b.heldBy(s)
	b.heldBy(pr)
	b.out()
	b.wait(10 * time.Minute)
	require.Empty(t, b.out(), "another held event serves nothing")

	b.restart()
	next := state("next", 1, "x", benchStart.Add(time.Minute))
	b.historic(next)
	require.Equal(t, []string{"next"}, b.out())
	b.ok(next)
	require.Equal(t, []string{"a"}, b.out(), "the older state has had its day")
	b.is(Superseded, s)
	b.ok(a)
	b.is(Stored, a)
	require.Equal(t, []string{"pr"}, b.out(), "behind its announcement")
	b.heldBy(pr)
	b.is(Held, pr, other)
	b.observe(announced(a))
	require.Empty(t, b.out(), "it is known that this one is served")

	b.observe(announced(repo("a2", 1, "x", benchStart.Add(time.Hour))))
	require.Equal(t, []string{"pr"}, b.out(), "a newer one that our feed shows")
	b.ok(pr)
	b.is(Stored, pr)
	b.nothingOpen()
}

func TestHeldEventStaysHeldWhateverIsInTheWay(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.historic(a)
	b.heldBy(a)
	b.out()
	b.wait(time.Hour)
	for range maxTries {
		require.Equal(t, []string{"a"}, b.out())
		b.no(a, "error: database error")
		b.wait(time.Minute)
	}
	b.is(Held, a)
	require.Equal(t, CauseHeld, b.ledger.waiting[a.ID].Cause)
	require.Zero(t, b.ledger.waiting[a.ID].Tries, "that was none")
	b.wait(time.Hour - 2*time.Minute)
	require.Empty(t, b.out())
	b.wait(time.Minute)
	require.Equal(t, []string{"a"}, b.out())
	b.is(Held, a)
}

func TestHeldEventThatIsRefusedLaterIsNotHeld(t *testing.T) {
	tests := []struct {
		reason string
		want   Disposition
	}{
		{"invalid: previously expired from purgatory without git data", Rejected},
		{"replaced: have newer event", Superseded},
		{"deleted: user requested deletion", Tombstone},
		{"invalid: no announcement exists for this repository", Parked},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			b := newBench(t)
			a := repo("a", 1, "x", benchStart)
			b.historic(a)
			b.heldBy(a)
			b.wait(time.Hour)
			b.no(a, tt.reason)
			b.is(tt.want, a)
			require.Empty(t, b.c.held.refs)
			require.Equal(t, tt.want == Parked, len(b.ledger.waiting) == 1)
			b.nothingOpen()
		})
	}
}

func TestTheEngineHearsWhichAnnouncementsAreHeld(t *testing.T) {
	a := repo("a", 1, "x", benchStart)
	newer := repo("newer", 1, "x", benchStart.Add(time.Hour))
	gone := Released{ID: a.ID, Ref: a.Coordinate()}
	served := Released{ID: a.ID, Ref: a.Coordinate(), Served: true}
	again := func(b *bench) {
		b.wait(time.Hour)
		require.Equal(b.t, []string{"a"}, b.out())
	}
	tests := []struct {
		name string
		then func(b *bench)
		want []Report
	}{
		{"it stays so", func(b *bench) { again(b); b.heldBy(a) }, nil},
		{"our feed shows it", func(b *bench) { b.observe(announced(a)) }, []Report{served}},
		{"the own relay has it", func(b *bench) { again(b); b.answer(a, true, "duplicate: have this event") }, []Report{served}},
		{"it is refused", func(b *bench) { again(b); b.no(a, "invalid: no") }, []Report{gone}},
		{"it misses something", func(b *bench) { again(b); b.no(a, "invalid: no announcement exists for this repository") }, []Report{gone}},
		{"nothing comes of it", func(b *bench) {
			for range 8 * 24 {
				b.wait(time.Hour)
				if len(b.out()) > 0 {
					b.heldBy(a)
				}
			}
		}, []Report{gone}},
		{"a newer one is held", func(b *bench) {
			b.historic(newer)
			b.heldBy(newer)
		}, []Report{Holds{Announcements: announced(newer).Announcements}, served}},
		{"a newer one is stored", func(b *bench) {
			b.historic(newer)
			b.ok(newer)
		}, []Report{served}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.heard()
			b.historic(a)
			b.heldBy(a)
			require.Equal(t, []Report{Holds{Announcements: announced(a).Announcements}}, b.heard())
			b.out()
			tt.then(b)
			require.Equal(t, tt.want, b.heard())
			b.restart()
			all := b.heard()[0].(Holds)
			require.True(t, all.All)
			require.Len(t, all.Announcements, len(b.c.onHold))
			require.Equal(t, tt.want == nil || len(tt.want) == 2, len(all.Announcements) == 1)
		})
	}
}
