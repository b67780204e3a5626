package relay

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// foreignAnnouncement is irrelevant.
func foreignAnnouncement(n int) *event.Event {
	return ev(fmt.Sprint("foreign ", n), event.KindAnnouncement, 9, benchStart.Add(time.Duration(n)*time.Second))
}

// What was rejected or irrelevant for longer than the retention is forgotten, daily, and judged anew when it comes again.
func TestOldRefusalsAreForgotten(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("a", 1, "x", benchStart)))
	spam, kept := issue("spam", 2, 1, "x"), issue("kept", 2, 1, "x")
	b.historic(spam, kept)
	b.no(spam, "blocked: spam")
	b.ok(kept)
	for n := range readChunk + 10 {
		b.historic(foreignAnnouncement(n))
	}
	b.wait(89 * 24 * time.Hour)
	young := foreignAnnouncement(9999)
	b.historic(young)
	b.is(Irrelevant, young, foreignAnnouncement(0))
	b.c.pruneAt = b.now
	b.wait(time.Second)
	b.is(Irrelevant, young, foreignAnnouncement(0), foreignAnnouncement(readChunk+9))

	b.wait(2 * 24 * time.Hour)
	b.is(Irrelevant, young)
	b.is(Stored, kept)
	require.Equal(t, Unknown, b.ledger.disposition(foreignAnnouncement(0).ID))
	require.Equal(t, Unknown, b.ledger.disposition(foreignAnnouncement(readChunk+9).ID), "in as many steps as it takes")
	require.Equal(t, Unknown, b.ledger.disposition(spam.ID))
	require.Equal(t, 1, b.c.outside)
	b.out()
	b.historic(spam)
	require.Equal(t, []string{"spam"}, b.out())
	b.ok(spam)
	b.nothingOpen()
}

// A store that cannot be read, or has no room, is asked again.
func TestOldRefusalsAreForgottenOnceTheStoreIsBack(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.Retention = time.Hour })
	b.historic(foreignAnnouncement(1))
	b.wait(2 * time.Hour)
	b.ledger.broken = true
	b.c.pruneAt = b.now
	b.wait(time.Minute)
	b.ledger.full.Store(true)
	b.ledger.broken = false
	b.wait(time.Minute)
	b.is(Irrelevant, foreignAnnouncement(1))
	b.ledger.full.Store(false)
	b.wait(time.Minute)
	require.Empty(t, b.ledger.entries)
	require.Zero(t, b.c.outside)
}

// After a restart as many irrelevant ids are known as before, of each source and in all, and no more rows than these are kept.
func TestIrrelevantIDsAreBoundedAcrossARestart(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.IrrelevantIDs, o.IrrelevantPerSource = 30, 20 })
	for n := range 25 {
		b.historic(foreignAnnouncement(n))
		b.wait(time.Second)
	}
	for n := range 25 {
		e := foreignAnnouncement(100 + n)
		b.ledger.entries[e.ID] = Entry{Event: e, Disposition: Irrelevant, Source: "wss://other.example", At: b.now.Add(time.Duration(n) * time.Second)}
	}
	require.Equal(t, 20, b.c.outside)
	b.restart()
	require.Equal(t, 30, b.c.outside)
	require.Len(t, b.ledger.entries, 30)
	b.is(Irrelevant, foreignAnnouncement(24), foreignAnnouncement(124))
	require.Equal(t, Unknown, b.ledger.disposition(foreignAnnouncement(5).ID), "the oldest go first")
	b.historic(foreignAnnouncement(24))
	require.Len(t, b.ledger.entries, 30, "it is known")
}
