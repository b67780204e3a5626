package relay

import (
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestScopeOfWhatIsAskedForAsAnAncestor(t *testing.T) {
	tests := []struct {
		name string
		e    *event.Event
		want Disposition // Unknown: published; dropped: nothing
		drop bool
	}{
		{"note that references nothing", ev("e", 1, 9, benchStart), Unknown, false},
		{"comment on what is not known", comment("e", 9, ev("?", 1, 9, benchStart)), Unknown, false},
		{"issue on a stranger's coordinate", issue("e", 9, 3, "x"), Unknown, false},
		{"announcement that does not list us", foreign("e", 3, "x", benchStart), Irrelevant, false},
		{"state of a stranger", state("e", 3, "x", benchStart), Irrelevant, false},
		{"never synced", ev("e", event.KindGiftWrap, 9, benchStart), Unknown, true},
		{"protected", ev("e", 1, 9, benchStart, nostr.Tag{"-"}), Unknown, true},
		{"expired", ev("e", 1, 9, benchStart, nostr.Tag{"expiration", "1000"}), Unknown, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.observe(announced(repo("a", 1, "x", benchStart)))
			for range 2 { // an announcement stays irrelevant however often it comes
				b.wanted(1, 1, tt.e)
			}
			b.mark(1, 1, true)
			if tt.drop || tt.want != Unknown {
				require.Empty(t, b.out())
				require.Equal(t, tt.want, b.ledger.disposition(tt.e.ID))
				require.Len(t, settledOf(b.heard()), 1)
				b.nothingOpen()
				return
			}
			require.Equal(t, []string{"e"}, b.out())
			b.ok(tt.e)
			b.is(Stored, tt.e)
			b.nothingOpen()
		})
	}
}

func TestFalseSignatureOfAnAncestorIsCharged(t *testing.T) {
	b := newBench(t)
	b.byHand = true
	b.wanted(1, 1, ev("e", 1, 9, benchStart))
	b.checked(false)
	require.Equal(t, []Report{Offended{ID: 1, At: b.now, Kind: OffenceSignature}}, b.heard())
	require.Empty(t, b.c.known)
	b.nothingOpen()
}

func TestWantedOnceIsWanted(t *testing.T) {
	e := comment("e", 9, ev("?", 1, 9, benchStart))
	tests := []struct {
		name string
		act  func(b *bench)
	}{
		{"joined by a live one", func(b *bench) {
			b.byHand = true
			b.wanted(1, 1, e)
			b.live(e)
			b.checked(true)
		}},
		{"joins a live one", func(b *bench) {
			b.byHand = true
			b.live(e)
			b.wanted(1, 1, e)
			b.checked(true)
		}},
		{"twice in one page", func(b *bench) {
			b.byHand = true
			b.historic(e)
			b.wanted(1, 1, e)
			b.checked(true)
		}},
		{"as a rival of a true signature", func(b *bench) {
			b.byHand = true
			b.live(e)
			b.wanted(1, 1, forgedCopy(e))
			b.checked(true)
		}},
		{"after a false signature", func(b *bench) {
			b.byHand = true
			b.live(forgedCopy(e))
			b.wanted(1, 1, e)
			b.checked(false)
			b.checked(true)
		}},
		{"before the first picture", func(b *bench) {
			b.wanted(1, 1, e)
			b.live(e)
		}},
		{"parked because what it references is not known", func(b *bench) {
			b.historic(e)
			b.observe(Observed{Loaded: true})
			b.is(Parked, e)
			b.wanted(1, 1, e)
			b.wanted(2, 2, e)
		}},
		{"parked, and read at the moment", func(b *bench) {
			b.historic(e)
			b.observe(Observed{Loaded: true})
			b.frozen = true
			b.c.lift(b.c.needs.ids[e.References().IDs[0]])
			b.wait(0)
			require.Len(b.t, b.reads, 1)
			b.wanted(1, 1, e)
			b.answerRead()
			b.settle()
		}},
		{"parked, and waiting in the queue for what it references", func(b *bench) {
			parent := comment("?", 9, ev("??", 1, 9, benchStart))
			e := comment("e", 9, parent)
			b.name(e)
			b.historic(e)
			b.observe(Observed{Loaded: true})
			b.byHand, b.frozen = true, true
			b.c.lift(b.c.needs.ids[parent.ID])
			b.wait(0)
			b.historic(parent) // in the queue when e is judged
			b.answerRead()
			b.settle()
			b.wanted(1, 1, e)
			b.checked(true)
			b.is(Parked, parent)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newRawBench(t)
			b.c.ownUp(b.now, 0)
			b.name(e)
			tt.act(b)
			b.observe(Observed{Loaded: true})
			require.Equal(t, []string{"e"}, b.out())
		})
	}
}

func TestIrrelevantEventIsJudgedAgainWhenItIsWanted(t *testing.T) {
	b := newBench(t)
	e := ev("e", 1, 9, benchStart)
	b.historic(e)
	b.is(Irrelevant, e)
	b.historic(e)
	require.Empty(t, b.out())
	b.wanted(2, 1, e)
	b.mark(2, 1, true)
	require.Equal(t, []string{"e"}, b.out())
	require.Empty(t, settledOf(b.heard()), "it has no outcome any more")
	b.ok(e)
	b.is(Stored, e)
	require.Zero(t, b.c.outside)
	require.Len(t, settledOf(b.heard()), 1)
	b.nothingOpen()
}

func TestWantedEventIsStillInScopeAfterItWasParked(t *testing.T) {
	tests := []struct {
		name   string
		reason string
		wait   time.Duration
	}{
		{"for a retry", "error: busy", time.Minute},
		{"for its time", "invalid: created_at too late", 5 * time.Minute},
	}
	for _, tt := range tests {
		for _, restart := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				b := newBench(t)
				e := ev("e", 1, 9, benchStart)
				b.wanted(1, 1, e)
				for n := 0; b.ledger.disposition(e.ID) != Parked; n++ {
					require.Less(t, n, maxTries)
					b.no(e, tt.reason)
					b.wait(10 * time.Second)
				}
				b.out()
				b.wanted(1, 2, e)
				require.Empty(t, b.out(), "not before its time")
				if restart {
					b.restart()
				}
				b.wait(tt.wait)
				require.Equal(t, []string{"e"}, b.out())
				b.ok(e)
				b.is(Stored, e)
				require.Equal(t, "wss://relay1.example", string(b.ledger.entries[e.ID].Source), "its source is not forgotten")
				b.nothingOpen()
			})
		}
	}
	t.Run("for its time, and in scope by itself", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		i := issue("i", 2, 1, "x")
		b.historic(i)
		b.no(i, "invalid: created_at too late")
		b.wanted(1, 2, i)
		require.Equal(t, []string{"i"}, b.out(), "asked for, it still waits")
	})
	t.Run("for a parent that the own relay misses", func(t *testing.T) {
		b := newBench(t)
		parent := ev("parent", 1, 9, benchStart)
		e := comment("e", 9, parent)
		b.wanted(1, 1, e)
		b.no(e, "blocked: event does not relate to a stored repository")
		b.is(Parked, e)
		require.Equal(t, "wss://relay1.example", string(b.ledger.waiting[e.ID].Source))
		b.wanted(1, 2, e)
		require.Equal(t, []string{"e"}, b.out(), "not sent again for being asked for again")
		b.wanted(1, 2, parent)
		b.ok(parent)
		require.Equal(t, []string{"parent", "e"}, b.out())
		b.no(e, "blocked: event does not relate to a stored repository")
		b.is(Parked, e)
		require.Equal(t, "wss://relay1.example", string(b.ledger.waiting[e.ID].Source))
	})
}

func TestAncestorsGoOneStepDeep(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	grand := ev("grand", 1, 9, benchStart)
	parent := comment("parent", 9, grand)
	c := ev("c", event.KindComment, 9, benchStart, toRepo(1, "x"), to(parent))
	b.historic(c)
	b.ok(c)
	b.wait(time.Second)
	require.Equal(t, idsOf(parent), b.accepted()["c"].Lacks)
	b.wanted(1, 2, parent)
	b.ok(parent)
	b.wait(time.Second)
	got := b.accepted()
	require.Contains(t, got, "parent")
	require.Empty(t, got["parent"].Lacks)

	t.Run("but what is in scope by itself lacks its own", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		e := ev("e", event.KindIssue, 9, benchStart, toRepo(1, "x"), to(grand))
		b.wanted(1, 2, e)
		b.ok(e)
		b.wait(time.Second)
		require.Equal(t, idsOf(grand), b.accepted()["e"].Lacks)
	})
}

func TestAncestorAtHandIsNotAskedFor(t *testing.T) {
	parent := comment("parent", 9, ev("?", 1, 9, benchStart))
	c := ev("c", event.KindComment, 9, benchStart, toRepo(1, "x"), to(parent))

	t.Run("parked", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		b.historic(parent)
		b.is(Parked, parent)
		b.historic(c)
		b.ok(c)
		require.Equal(t, []string{"c", "parent"}, b.out())
		b.ok(parent)
		b.is(Stored, parent)
		b.wait(time.Second)
		require.Empty(t, b.accepted()["c"].Lacks)
		b.nothingOpen()
	})
	t.Run("in the queue", func(t *testing.T) {
		b := newBench(t)
		b.observe(announced(repo("a", 1, "x", benchStart)))
		b.historic(c)
		b.byHand = true
		b.historic(parent)
		b.ok(c)
		b.checked(true)
		require.Equal(t, []string{"c", "parent"}, b.out())
		b.wait(time.Second)
		require.Empty(t, b.accepted()["c"].Lacks)
	})
}
