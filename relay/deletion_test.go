package relay

import (
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// deletion makes a deletion request.
func deletion(name string, key int, at time.Time, tags ...nostr.Tag) *event.Event {
	return ev(name, event.KindDeletion, key, at, tags...)
}

func vanish(name string, key int, at time.Time, relays ...string) *event.Event {
	var tags []nostr.Tag
	for _, u := range relays {
		tags = append(tags, nostr.Tag{"relay", u})
	}
	return ev(name, event.KindVanish, key, at, tags...)
}

const (
	alice   = 1
	bob     = 2
	mallory = 3
)

// newTalk is a bench whose own relay has alice's repo, an issue of hers and a comment of bob's, as the ledger says.
func newTalk(t *testing.T) (b *bench, i, c *event.Event) {
	b = newBench(t)
	b.observe(announced(repo("a", alice, "x", benchStart)))
	i = issue("i", alice, alice, "x")
	c = comment("c", bob, i)
	b.historic(i, c)
	b.ok(i, c)
	b.out()
	return b, i, c
}

func TestDeletionsInScope(t *testing.T) {
	unknown := issue("unknown", bob, 9, "z")
	for _, tt := range []struct {
		name string
		e    func(i, c *event.Event) *event.Event
		want Disposition // Unknown: published
	}{
		{"of one's own", func(_, c *event.Event) *event.Event { return deletion("d", bob, benchStart, to(c)) }, Unknown},
		{"of one's own and another's", func(i, c *event.Event) *event.Event { return deletion("d", bob, benchStart, to(i), to(c)) }, Unknown},
		{"of another's", func(i, _ *event.Event) *event.Event { return deletion("d", bob, benchStart, to(i)) }, Irrelevant},
		{"of two others'", func(i, c *event.Event) *event.Event { return deletion("d", mallory, benchStart, to(i), to(c)) }, Irrelevant},
		{"of another's repo", func(_, _ *event.Event) *event.Event { return deletion("d", bob, benchStart, toRepo(alice, "x")) }, Irrelevant},
		{"of what is not known", func(_, _ *event.Event) *event.Event { return deletion("d", bob, benchStart, to(unknown)) }, Parked},
		{"of what is not known and another's", func(i, _ *event.Event) *event.Event { return deletion("d", bob, benchStart, to(i), to(unknown)) }, Parked},
		{"of one's own repo", func(_, _ *event.Event) *event.Event { return deletion("d", alice, benchStart, toRepo(alice, "x")) }, Unknown},
		{"of a repo that is not ours", func(_, _ *event.Event) *event.Event { return deletion("d", bob, benchStart, toRepo(bob, "z")) }, Parked},
		{"of nothing", func(_, _ *event.Event) *event.Event { return deletion("d", bob, benchStart) }, Irrelevant},
		{"that quotes one's own", func(_, c *event.Event) *event.Event {
			return deletion("d", bob, benchStart, nostr.Tag{"q", c.ID.String()})
		}, Irrelevant},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, i, c := newTalk(t)
			d := tt.e(i, c)
			b.from(2, 2, d)
			b.mark(2, 2, true)
			if tt.want == Unknown {
				require.Equal(t, []string{"d"}, b.out())
				require.Empty(t, settledOf(b.heard()))
				return
			}
			require.Empty(t, b.out())
			b.is(tt.want, d)
			require.Len(t, settledOf(b.heard()), 1)
			b.nothingOpen()
		})
	}
}

// Asked for by its id, an event belongs to a conversation whatever it references; a deletion does not become its author's by that.
func TestADeletionOfAnothersIsNotWanted(t *testing.T) {
	b, i, _ := newTalk(t)
	d := deletion("d", mallory, benchStart, to(i))
	b.wanted(1, 2, d)
	require.Empty(t, b.out())
	b.is(Irrelevant, d)
}

func TestWhatIsDeletedIsATombstone(t *testing.T) {
	b, i, c := newTalk(t)
	later := comment("later", bob, i)
	theirs := comment("theirs", mallory, i)
	d := deletion("d", bob, benchStart, to(c), to(i), to(later), to(theirs))
	b.historic(d)
	b.is(Stored, c)
	b.ok(d)
	b.is(Tombstone, c)
	b.is(Stored, d, i)
	require.Equal(t, "deleted by "+d.ID.String(), b.ledger.entries[c.ID].Reason)
	require.Equal(t, []Deleted{{Deletion{ID: d.ID, Author: testKey(bob), Until: benchStart.Unix(), IDs: idsOf(c)}}}, b.deleted)
	check := func() {
		t.Helper()
		b.out()
		b.from(3, 3, c, later, theirs)
		require.NotContains(t, b.out(), "later")
		b.is(Tombstone, c, later)
	}
	check()
	require.Equal(t, "deleted by "+d.ID.String(), b.ledger.entries[later.ID].Reason)
	b.ok(theirs)
	b.is(Stored, theirs)

	another := comment("another", bob, i)
	b.historic(deletion("d2", bob, benchStart, to(c), to(another)))
	require.Equal(t, []string{"d2"}, b.out(), "it names a tombstone of its author's")
	b.ok(deletion("d2", bob, benchStart, to(c), to(another)))
	b.restart()
	b.observe(announced(repo("a", 1, "x", benchStart)))
	check()
	b.historic(another)
	require.Empty(t, b.out(), "after a restart, too")
	b.is(Tombstone, another)
	b.nothingOpen()
}

func TestADeletionThatIsRefusedDeletesNothing(t *testing.T) {
	b, _, c := newTalk(t)
	d := deletion("d", bob, benchStart, to(c))
	b.historic(d)
	b.no(d, "blocked: no deletions here")
	b.is(Rejected, d)
	b.is(Stored, c)
	require.Empty(t, b.ledger.graves)
}

func TestADeletionBeforeItsTarget(t *testing.T) {
	for _, restart := range []bool{false, true} {
		b, i, _ := newTalk(t)
		c := comment("target", bob, i)
		d := deletion("d", bob, benchStart, to(c))
		not := deletion("not theirs", mallory, benchStart, to(c))
		b.historic(d, not)
		b.is(Parked, d, not)
		if restart {
			b.restart()
			b.observe(announced(repo("a", 1, "x", benchStart)))
		}
		b.from(2, 2, c)
		require.Equal(t, []string{"d"}, b.out(), "restart: %t", restart)
		b.is(Tombstone, c)
		b.ok(d)
		b.is(Stored, d)
		b.is(Irrelevant, not)
		b.nothingOpen()
	}
}

func TestADeletionOfWhatIsOutOfScopeStaysParked(t *testing.T) {
	b, _, _ := newTalk(t)
	note := ev("note", 1, bob, benchStart)
	d := deletion("d", bob, benchStart, to(note))
	b.historic(d, note)
	require.Empty(t, b.out())
	b.is(Irrelevant, note)
	b.is(Parked, d)
}

func TestADeletionByAnotherWaitsForItsTargetAndIsIrrelevantThen(t *testing.T) {
	b, i, _ := newTalk(t)
	c := comment("target", alice, i)
	d := deletion("d", bob, benchStart, to(c))
	b.historic(d)
	b.is(Parked, d)
	b.from(2, 2, c)
	require.Equal(t, []string{"target"}, b.out())
	b.ok(c)
	b.is(Stored, c)
	b.is(Irrelevant, d)
	require.Empty(t, b.out())
	b.nothingOpen()
}

func TestADeletionNeverDeletesADeletion(t *testing.T) {
	b, _, c := newTalk(t)
	first := deletion("first", bob, benchStart, to(c))
	second := deletion("second", bob, benchStart, to(first))
	b.historic(second)
	b.is(Parked, second)
	b.historic(first)
	b.ok(first)
	b.is(Stored, first)
	b.ok(second)
	b.is(Stored, first, second)
	b.is(Tombstone, c)
}

func TestADeletedRepoIsOutOfScopeUntilItIsAnnouncedAgain(t *testing.T) {
	for name, tags := range map[string]func(a *event.Event) nostr.Tag{
		"by coordinate": func(*event.Event) nostr.Tag { return toRepo(alice, "x") },
		"by id":         to,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := repo("a", alice, "x", benchStart)
			s := state("s", alice, "x", benchStart)
			b.historic(a, s)
			b.ok(a, s)
			d := deletion("d", alice, benchStart.Add(time.Hour), tags(a))
			b.historic(d)
			b.ok(d)
			b.is(Tombstone, a)
			b.is(Stored, s)
			require.Len(t, b.deleted, 1)
			b.out()
			i := issue("i", bob, alice, "x")
			old := repo("old", alice, "x", benchStart.Add(-time.Hour))
			b.from(2, 2, a, old, i)
			require.Empty(t, b.out())
			b.is(Parked, i)

			b.restart()
			b.from(2, 2, a)
			require.Empty(t, b.out())
			b.is(Tombstone, a)
			again := repo("again", alice, "x", benchStart.Add(2*time.Hour))
			b.from(2, 2, again)
			b.ok(again)
			require.Equal(t, []string{"again", "i"}, b.out())
		})
	}
}

// A version that came before its deletion could be published is none of ours any more; a younger one is.
func TestAParkedDeletionOfACoordinate(t *testing.T) {
	b := newBench(t)
	d := deletion("d", alice, benchStart, toRepo(alice, "x"))
	b.historic(d)
	b.is(Parked, d)
	a := repo("a", alice, "x", benchStart)
	b.historic(a)
	require.Equal(t, []string{"d"}, b.out())
	b.is(Tombstone, a)
	b.ok(d)
	b.is(Stored, d)
	younger := repo("younger", alice, "x", benchStart.Add(time.Second))
	b.historic(younger)
	require.Equal(t, []string{"younger"}, b.out())
}

func TestWhatTheOwnRelayShowsIsDeletedByItsAuthorOnly(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", alice, "x", benchStart)))
	mine, other := issue("mine", bob, alice, "x"), issue("other", alice, alice, "x")
	b.observe(Observed{Stored: listOf(mine, other)})
	d := deletion("d", bob, benchStart, to(mine), to(other))
	b.observe(Observed{Deletions: listOf(d)})
	b.is(Tombstone, mine)
	b.is(Stored, other)
	require.Equal(t, idsOf(mine), b.deleted[0].IDs)
	b.observe(Observed{Deletions: listOf(d)})
	require.Equal(t, idsOf(mine), b.deleted[1].IDs, "told again, because the engine may not have heard")
	require.Empty(t, b.written, "and not looked up again")
}

func TestWhatIsInFlightWhenItIsDeletedIsATombstone(t *testing.T) {
	b, i, _ := newTalk(t)
	c := comment("flying", bob, i)
	on := comment("on", alice, c)
	b.historic(c, on)
	require.Equal(t, []string{"flying"}, b.out())
	b.observe(Observed{Deletions: listOf(deletion("d", bob, benchStart, to(c)))})
	b.ok(c)
	b.is(Tombstone, c)
	require.Equal(t, idsOf(c), b.deleted[len(b.deleted)-1].IDs)
	b.is(Parked, on)
	require.Empty(t, b.out())
}

func TestWhatWaitsInThePendingTableIsDeleted(t *testing.T) {
	b, i, own := newTalk(t)
	c := comment("waits", bob, i)
	b.historic(c)
	b.no(c, "blocked: event does not relate to a stored repository")
	b.is(Parked, c)
	d := deletion("d", bob, benchStart, to(c), to(own))
	b.historic(d)
	b.ok(d)
	b.is(Tombstone, c)
	require.Empty(t, b.ledger.waiting)
	b.nothingOpen()
}

func TestQuestionsAboutDeletionsAreAskedAgainWhenTheStoreFails(t *testing.T) {
	b, _, c := newTalk(t)
	b.ledger.fail(true)
	d := deletion("d", bob, benchStart, to(c))
	b.historic(d)
	require.Empty(t, b.out())
	b.wait(storeRetry)
	require.Empty(t, b.out())
	b.ledger.fail(false)
	b.wait(storeRetry)
	require.Equal(t, []string{"d"}, b.out())
	b.ledger.fail(true)
	b.ok(d)
	b.is(Stored, c)
	b.ledger.fail(false)
	b.wait(storeRetry)
	b.is(Tombstone, c)
	b.nothingOpen()
}

func TestRequestToVanish(t *testing.T) {
	at := benchStart.Add(time.Hour)
	for _, tt := range []struct {
		name string
		e    *event.Event
		want Disposition // Unknown: published
	}{
		{"from everywhere", vanish("v", bob, at, "ALL_RELAYS"), Unknown},
		{"from our domain", vanish("v", bob, at, "wss://elsewhere.example", "wss://"+ourDomain+"/"), Unknown},
		{"from elsewhere", vanish("v", bob, at, "wss://elsewhere.example", "wss://not."+ourDomain), Irrelevant},
		{"from nowhere", vanish("v", bob, at), Irrelevant},
		{"of a stranger", vanish("v", mallory, at, "ALL_RELAYS"), Irrelevant},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, i, c := newTalk(t)
			b.from(2, 2, tt.e)
			if tt.want != Unknown {
				require.Empty(t, b.out())
				b.is(tt.want, tt.e)
				b.nothingOpen()
				return
			}
			require.Equal(t, []string{"v"}, b.out())
			b.ok(tt.e)
			b.is(Tombstone, c)
			b.is(Stored, i, tt.e)
			require.True(t, b.deleted[0].All)
			require.Equal(t, idsOf(c), b.deleted[0].IDs)
			before, after := comment("before", bob, i), ev("after", event.KindComment, bob, at.Add(time.Second), to(i))
			took := deletion("took back", bob, benchStart, to(c))
			b.restart()
			b.observe(announced(repo("a", 1, "x", benchStart)))
			b.from(3, 3, before, after, took)
			require.Equal(t, []string{"after"}, b.out())
			b.is(Tombstone, before, took)
			b.nothingOpenBut(t, after)
		})
	}
	t.Run("refused", func(t *testing.T) {
		b, _, c := newTalk(t)
		v := vanish("v", bob, at, "ALL_RELAYS")
		b.historic(v)
		b.no(v, "blocked: kind not allowed")
		b.is(Rejected, v)
		b.is(Stored, c)
		require.Equal(t, "blocked: kind not allowed", b.ledger.entries[v.ID].Reason)
		require.Empty(t, b.ledger.graves)
		require.Empty(t, b.deleted)
	})
	t.Run("of the owner", func(t *testing.T) {
		b := newBench(t)
		a := repo("a", alice, "x", benchStart)
		b.historic(a)
		b.ok(a)
		v := vanish("v", alice, at, "ALL_RELAYS")
		b.historic(v)
		b.ok(v)
		b.is(Tombstone, a)
		require.False(t, b.c.scope.index.Covers(a.Coordinate()))
	})
}

// nothingOpenBut answers what is in flight first.
func (b *bench) nothingOpenBut(t *testing.T, e *event.Event) {
	t.Helper()
	b.ok(e)
	b.nothingOpen()
}

func TestVersionThatIsReplacedIsSuperseded(t *testing.T) {
	v1, v2, v3 := repo("v1", alice, "x", benchStart), repo("v2", alice, "x", benchStart.Add(1e9)), repo("v3", alice, "x", benchStart.Add(2e9))
	s1, s2 := state("s1", alice, "x", benchStart), state("s2", alice, "x", benchStart.Add(1e9))
	article := func(name string, at time.Time) *event.Event {
		return ev(name, 30023, bob, at, nostr.Tag{"d", "a"}, toRepo(alice, "x"))
	}
	a1, a2 := article("a1", benchStart), article("a2", benchStart.Add(1e9))
	b := newBench(t)
	for _, e := range []*event.Event{v1, s1, a1, s2, v2, a2} {
		b.historic(e)
		b.ok(e)
	}
	b.is(Superseded, v1, s1, a1)
	b.is(Stored, v2, s2, a2)
	require.Equal(t, "replaced by "+v2.ID.String(), b.ledger.entries[v1.ID].Reason)
	b.observe(announced(v3))
	b.is(Superseded, v2)
	b.is(Stored, v3)

	b.restart() // nobody knows the newest state but the ledger
	b.observe(announced(v3))
	s3 := state("s3", alice, "x", benchStart.Add(2e9))
	b.historic(s3)
	b.ok(s3)
	b.is(Superseded, s2)
	b.is(Stored, s3, v3)
}

func TestWhatHasExpiredIsNoLoss(t *testing.T) {
	b, i, c := newTalk(t)
	e := ev("e", 1, bob, benchStart, to(i), nostr.Tag{"expiration", "1772366460"})
	b.historic(e)
	b.ok(e)
	b.is(Stored, e)
	b.wait(2 * time.Minute)
	b.historic(e)
	b.is(Tombstone, e)
	b.is(Stored, c)
}

func TestGravesAreBounded(t *testing.T) {
	g := newGraves()
	grave := func(author, n int) Grave {
		return Grave{Author: event.PubKey{byte(author), byte(author >> 8)}, Target: [32]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}}
	}
	var gone []Grave
	for n := range gravesOfAuthor + 10 {
		_, out := g.add(grave(1, n))
		gone = append(gone, out...)
	}
	require.Len(t, gone, 10)
	require.Equal(t, grave(1, 0), gone[0], "the oldest first")
	for n := 0; g.count < gravesKept; n++ {
		g.add(grave(2+n/9000, n%9000))
	}
	_, gone = g.add(grave(5000, 1))
	require.Equal(t, []Grave{grave(1, 10)}, gone, "of who has the most")
	require.Equal(t, gravesKept, g.count)
	fresh, _ := g.add(grave(5000, 1))
	require.Empty(t, fresh)
}
