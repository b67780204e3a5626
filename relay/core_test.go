package relay

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestEventIsCheckedPublishedAndRecorded(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.historic(a)
	require.Equal(t, []string{"a"}, b.out())
	require.Zero(t, b.c.known[a.ID], "known only after its outcome")
	b.ok(a)
	b.is(Stored, a)
	require.Equal(t, "wss://relay1.example", string(b.ledger.entries[a.ID].Source))
	b.nothingOpen()
}

func TestUntouchableEventsAreDroppedUncheckedAndUnrecorded(t *testing.T) {
	soon := benchStart.Add(time.Minute).Unix()
	tests := []struct {
		name string
		e    *event.Event
		drop bool
	}{
		{"ephemeral", ev("e", 20001, 1, benchStart, toRepo(1, "x")), true},
		{"auth", ev("e", event.KindAuth, 1, benchStart, toRepo(1, "x")), true},
		{"gift wrap", ev("e", event.KindGiftWrap, 1, benchStart, toRepo(1, "x")), true},
		{"protected", ev("e", 1, 1, benchStart, toRepo(1, "x"), nostr.Tag{"-"}), true},
		{"expired", ev("e", 1, 1, benchStart, toRepo(1, "x"), nostr.Tag{"expiration", "1000"}), true},
		{"to expire", ev("e", 1, 1, benchStart, toRepo(1, "x"), nostr.Tag{"expiration", strconv.FormatInt(soon, 10)}), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.byHand = true
			b.historic(tt.e)
			require.Equal(t, tt.drop, len(b.checks) == 0)
			require.Empty(t, b.ledger.entries)
			if tt.drop {
				b.mark(1, 1, true)
				require.Len(t, settledOf(b.heard()), 1, "an event that is dropped holds nothing up")
				b.nothingOpen()
			}
		})
	}
}

func TestKnownEventHasItsOutcomeAtOnce(t *testing.T) {
	for d := Stored; d <= Parked; d++ {
		t.Run(d.String(), func(t *testing.T) {
			b := newBench(t)
			b.byHand = true
			e := issue("e", 1, 1, "x")
			b.c.know(e.ID, d)
			b.c.seq = 41
			b.historic(e)
			b.mark(1, 1, true)
			require.Empty(t, b.checks)
			require.Empty(t, b.out())
			s := settledOf(b.heard())
			require.Len(t, s, 1)
			require.Equal(t, Seq(41), s[0].Seq, "it rests on a row that may not be written yet")
			require.Zero(t, s[0].New)
			b.nothingOpen()
		})
	}
}

func TestEventInFlightIsJoined(t *testing.T) {
	b := newBench(t)
	a := repo("a", 1, "x", benchStart)
	b.from(1, 1, a)
	b.from(2, 2, a)
	b.from(3, 0, a)
	b.from(2, 2, a)
	b.mark(1, 1, true)
	b.mark(2, 2, true)
	b.mark(3, 0, false)
	require.Equal(t, []string{"a"}, b.out(), "one EVENT for all")
	require.Empty(t, b.heard())
	b.ok(a)
	reports := b.heard()
	require.Len(t, reports, 3)
	s := settledOf(reports)
	require.Equal(t, []event.ID{a.ID}, s[0].Learned)
	require.Equal(t, 1, s[0].New)
	require.Equal(t, []event.ID{a.ID}, s[1].Learned, "who joined waits for it to come back, too")
	require.Zero(t, s[1].New, "only who brought it counts it")
	require.Equal(t, b.ledger.seq, s[0].Seq)
	require.Equal(t, LiveSettled{ID: 3, At: b.now, Seq: b.ledger.seq}, reports[2])
	b.nothingOpen()
}

func TestFalseSignatureIsChargedAndNotRemembered(t *testing.T) {
	b := newBench(t)
	b.byHand = true
	a := repo("a", 1, "x", benchStart)
	b.from(1, 1, a)
	b.mark(1, 1, true)
	b.checked(false)
	reports := b.heard()
	require.Equal(t, []Report{
		Offended{ID: 1, At: b.now, Kind: OffenceSignature},
		Settled{ID: 1, Batch: 1, At: b.now, Final: true, Announcements: 1},
	}, reports)
	require.Empty(t, b.ledger.entries)
	require.Empty(t, b.c.known)
	b.nothingOpen()

	b.from(2, 2, a)
	b.checked(true)
	require.Equal(t, []string{"a"}, b.out(), "the same id from another source is judged afresh")
}

// A relay that was filled without checks has false signatures in heaps, and is no flood.
func TestFalseSignaturesAreReportedOnceASecond(t *testing.T) {
	b := newBench(t)
	b.byHand = true
	a := repo("a", 1, "x", benchStart)
	reports := func() (of []ConnID) {
		for _, r := range b.heard() {
			if o, ok := r.(Offended); ok {
				of = append(of, o.ID)
			}
		}
		return of
	}
	bring := func(conn ConnID) {
		b.from(conn, 1, a)
		b.checked(false)
	}
	for range 50 {
		bring(1)
	}
	bring(2)
	require.Equal(t, []ConnID{1, 2}, reports())
	b.wait(offenceEvery)
	bring(1)
	require.Equal(t, []ConnID{1}, reports())
	b.c.gone(b.now, 1)
	b.c.gone(b.now, 2)
	require.Empty(t, b.c.charged)
}

func TestRivalSignaturesAreCheckedOneAfterTheOther(t *testing.T) {
	forge := func(e *event.Event, digit string) *event.Event {
		n := *e.Event
		n.Sig = strings.Repeat(digit, 128)
		f, err := event.Wrap(n)
		require.NoError(t, err)
		return f
	}
	a := repo("a", 1, "x", benchStart)

	t.Run("a false one first", func(t *testing.T) {
		b := newBench(t)
		b.byHand = true
		b.from(1, 1, forge(a, "1"))
		b.from(2, 1, forge(a, "1"))
		b.from(3, 1, a)
		b.from(4, 0, forge(a, "2"))
		b.from(1, 1, forge(a, "2"))
		for conn := ConnID(1); conn <= 3; conn++ {
			b.mark(conn, 1, true)
		}
		require.Len(t, b.checks, 1)
		b.checked(false)
		require.Equal(t, []Report{
			Offended{ID: 1, At: b.now, Kind: OffenceSignature},
			Offended{ID: 2, At: b.now, Kind: OffenceSignature},
			Settled{ID: 2, Batch: 1, At: b.now, Final: true, Announcements: 1},
		}, b.heard(), "who sent the same is charged, and connection 1 waits for its second one")
		require.Len(t, b.checks, 1)
		require.Equal(t, a.Sig, b.checks[0].Sig)
		b.checked(true)
		require.Equal(t, []string{"a"}, b.out())
		require.Empty(t, b.heard(), "the others joined")
		b.ok(a)
		require.Len(t, settledOf(b.heard()), 2)
		b.nothingOpen()
	})
	t.Run("all false", func(t *testing.T) {
		b := newBench(t)
		b.byHand = true
		b.from(1, 1, forge(a, "1"), forge(a, "2"), forge(a, "3"))
		b.mark(1, 1, true)
		b.checked(false)
		b.checked(false)
		require.Empty(t, settledOf(b.heard()))
		b.checked(false)
		require.Len(t, settledOf(b.heard()), 1)
		require.Empty(t, b.c.known)
		b.nothingOpen()
	})
}

func TestNothingIsJudgedBeforeTheFirstPicture(t *testing.T) {
	b := newRawBench(t)
	b.c.ownUp(b.now, 0)
	a, i := repo("a", 1, "x", benchStart), issue("i", 2, 1, "x")
	stranger := foreign("s", 3, "y", benchStart)
	b.historic(i, stranger)
	require.Empty(t, b.out())
	require.Empty(t, b.ledger.entries)
	require.Empty(t, b.ledger.waiting)
	b.observe(announced(a))
	require.Empty(t, b.out())
	b.observe(Observed{Loaded: true})
	require.Equal(t, []string{"i"}, b.out())
	b.is(Irrelevant, stranger)

	at := newRawBench(t, func(o *PublisherOptions) { o.PublishAtOnce = true })
	at.c.ownUp(at.now, 0)
	at.historic(a)
	require.Equal(t, []string{"a"}, at.out())
}

func TestLiveEventsBeyondTheirAllowanceHoldTheCursor(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.LiveEvents = 4; o.PendingBytes = 1 })
	a := repo("a", 1, "x", benchStart)
	b.historic(a)
	e := []*event.Event{issue("i0", 2, 1, "x"), issue("i1", 2, 1, "x"), issue("i2", 2, 1, "x")}
	b.from(5, 0, e[0], e[1])
	b.mark(5, 0, false)
	b.from(6, 0, e[0])
	b.from(6, 0, issue("other", 2, 1, "x"))
	require.Equal(t, 3, b.c.live, "another connection has room left, and joining takes none")
	b.mark(6, 0, false)
	first := b.now
	b.wait(time.Second)
	b.from(5, 0, e[2])
	b.mark(5, 0, false)
	b.ok(a, e[0], e[1], issue("other", 2, 1, "x"))
	require.Equal(t, []Report{LiveSettled{ID: 5, At: first, Seq: 3, New: 2}, LiveSettled{ID: 6, At: first, Seq: 4, New: 1}}, b.heard(),
		"the mark before the drop counts, the one after it does not")
	b.is(Stored, e[0], e[1])
	require.Equal(t, Unknown, b.ledger.disposition(e[2].ID))

	b.mark(5, 0, false)
	require.Empty(t, b.heard())
	b.c.gone(b.now, 5)
	b.from(7, 0, e[2])
	b.mark(7, 0, false)
	b.ok(e[2])
	require.Equal(t, []Report{LiveSettled{ID: 7, At: b.now, Seq: b.ledger.seq, New: 1}}, b.heard())
	b.nothingOpen()
}
