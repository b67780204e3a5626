package relay

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestWhatEndsAsAcceptedIsTold(t *testing.T) {
	tests := []struct {
		name string
		end  func(b *bench, i *event.Event)
		told bool
	}{
		{"stored", func(b *bench, i *event.Event) { b.ok(i) }, true},
		{"duplicate", func(b *bench, i *event.Event) { b.no(i, "duplicate: have it") }, true},
		{"held", func(b *bench, i *event.Event) { b.answer(i, true, "purgatory: later") }, true},
		{"shown by the own relay", func(b *bench, i *event.Event) {
			b.down()
			b.observe(Observed{Stored: listOf(i)})
		}, true},
		{"shown while it is parked", func(b *bench, i *event.Event) {
			b.no(i, "blocked: event does not relate to a stored repository")
			b.observe(Observed{Stored: listOf(i)})
		}, true},
		{"superseded", func(b *bench, i *event.Event) { b.no(i, "replaced: newer") }, false},
		{"rejected", func(b *bench, i *event.Event) { b.no(i, "blocked: no") }, false},
		{"parked", func(b *bench, i *event.Event) { b.no(i, "invalid: created_at too late") }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.observe(announced(repo("a", 1, "x", benchStart)))
			i := issue("i", 2, 1, "x")
			b.historic(i)
			tt.end(b, i)
			require.Empty(t, b.taken, "not at once")
			b.wait(time.Second)
			got := b.accepted()
			if !tt.told {
				require.Empty(t, got)
				return
			}
			require.Equal(t, map[string]AcceptedEvent{"i": {
				ID: i.ID, Kind: event.KindIssue, CreatedAt: benchStart.Unix(),
				Refs: event.References{Refs: []event.Ref{event.RepoRef(testKey(1), "x")}},
			}}, got)
			b.historic(i)
			b.wait(time.Minute)
			require.Empty(t, b.taken, "what is known is not told again")
		})
	}
}

func TestAcceptedEventsAreToldTogether(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	first, second, third := issue("first", 2, 1, "x"), issue("second", 2, 1, "x"), issue("third", 2, 1, "x")
	b.historic(first, second, third)
	b.ok(first)
	b.wait(999 * time.Millisecond)
	b.ok(second)
	require.Empty(t, b.taken)
	require.Equal(t, b.now.Add(time.Millisecond), b.c.next())
	b.wait(time.Millisecond)
	require.Len(t, b.taken, 1, "one second after the first of them")
	require.Len(t, b.accepted(), 2)
	b.ok(third)
	b.c.drain()
	b.settle()
	require.Len(t, b.accepted(), 1, "nothing is kept back at the end")

	t.Run("as soon as they are many", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		for _, name := range names(takenBatch+1, "i") {
			i := issue(name, 2, 1, "x")
			b.historic(i)
			b.ok(i)
		}
		require.Len(t, b.taken, 1)
		require.Len(t, b.taken[0], takenBatch)
		b.wait(time.Second)
		require.Len(t, b.taken, 2)
	})
	t.Run("and when their answers come after the end has begun", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		b.historic(first)
		b.c.drain()
		b.ok(first)
		require.Contains(t, b.accepted(), "first")
	})
}

func TestAncestorsThatAreLackingAreTold(t *testing.T) {
	missing := ev("missing", 1, 9, benchStart)
	tests := []struct {
		name string
		kind int
		tag  string
		want bool
	}{
		{"issue", event.KindIssue, "e", true},
		{"patch", event.KindPatch, "e", true},
		{"pull request", event.KindPullRequest, "q", true},
		{"update", event.KindPRUpdate, "E", true},
		{"comment", event.KindComment, "E", true},
		{"reply", kindReply, "e", true},
		{"note", kindNote, "q", true},
		{"status open", event.KindStatusOpen, "e", true},
		{"status merged", event.KindStatusMerged, "e", true},
		{"status closed", event.KindStatusClosed, "e", true},
		{"status draft", event.KindStatusDraft, "e", true},
		{"reaction", event.KindReaction, "e", false},
		{"deletion", event.KindDeletion, "e", false},
		{"zap", 9735, "e", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.observe(announced(repo("a", 1, "x", benchStart)))
			e := ev("e", tt.kind, 1, benchStart, toRepo(1, "x"), nostr.Tag{tt.tag, missing.ID.String()}, nostr.Tag{"p", strings.Repeat("0", 64)})
			b.historic(e)
			b.ok(e)
			b.wait(time.Second)
			got := b.accepted()["e"]
			require.Equal(t, idsOf(missing), got.Refs.IDs)
			if tt.want {
				require.Equal(t, idsOf(missing), got.Lacks)
			} else {
				require.Empty(t, got.Lacks)
			}
		})
	}
}

func TestOnlyWhatIsNotKnownHereIsLacking(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	unknown, irrelevant, stored, rejected, gone := noEvent(1), noEvent(2), noEvent(3), noEvent(4), noEvent(5)
	b.c.know(irrelevant, Irrelevant)
	b.c.know(stored, Stored)
	b.c.know(rejected, Rejected)
	b.c.know(gone, Tombstone)
	e := ev("e", event.KindComment, 2, benchStart, toRepo(1, "x"), tagTo(unknown), tagTo(irrelevant), tagTo(stored), tagTo(rejected), tagTo(gone))
	b.historic(e)
	b.ok(e)
	b.wait(time.Second)
	require.Equal(t, []event.ID{unknown, irrelevant}, b.accepted()["e"].Lacks, "what was irrelevant by itself may be an ancestor")
}

func TestWhatIsToldOfAnEventIsBounded(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	tags := []nostr.Tag{toRepo(1, "x")}
	for n := range 200 {
		tags = append(tags, tagTo(noEvent(byte(n))), toRepo(9, strconv.Itoa(n)))
	}
	e := ev("e", event.KindComment, 2, benchStart, tags...)
	b.historic(e)
	b.ok(e)
	b.wait(time.Second)
	got := b.accepted()["e"]
	require.Len(t, got.Lacks, 10)
	require.Len(t, got.Refs.IDs, 50)
	require.Len(t, got.Refs.Refs, 50)
	require.Equal(t, event.RepoRef(testKey(1), "x"), got.Refs.Refs[0])
}

func TestAcceptedEventsReachTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{})
		a := signed(repo("a", 1, "x", benchStart), 1)
		s.deliver(1, 1, a)
		start := time.Now()
		told, ok := (<-s.reports).(Accepted)
		require.True(t, ok)
		require.Equal(t, time.Second, time.Since(start))
		require.Len(t, told.Events, 1)
		require.Equal(t, a.ID, told.Events[0].ID)
		require.Zero(t, told.Conn())

		b := signed(repo("b", 1, "y", benchStart), 1)
		s.deliver(1, 1, b)
		synctest.Wait()
		require.Zero(t, s.finish())
		told, ok = (<-s.reports).(Accepted)
		require.True(t, ok, "told at the end")
		require.Equal(t, b.ID, told.Events[0].ID)
	})
}

// noEvent makes an id that no event has.
func noEvent(n byte) event.ID { return event.ID{0xff, n} }

func tagTo(id event.ID) nostr.Tag { return nostr.Tag{"e", id.String()} }
