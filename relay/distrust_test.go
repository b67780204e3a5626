package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const banned = "blocked: pubkey is not admitted"

// bar is a bench whose own relay takes one repo, and the log of its core.
func bar(t *testing.T) (*bench, *observer.ObservedLogs) {
	watch, logs := observer.New(zap.InfoLevel)
	b := newBench(t, func(o *PublisherOptions) { o.Log = zap.New(watch) })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	return b, logs
}

// manyIssues makes issues by as many authors.
func manyIssues(prefix string, n int) []*event.Event {
	var out []*event.Event
	for i, name := range names(n, prefix) {
		out = append(out, issue(name, 100+i, 1, "x"))
	}
	return out
}

func (b *bench) refuseAll(reason string, events ...*event.Event) {
	b.t.Helper()
	for _, e := range events {
		b.no(e, reason)
	}
}

func TestFiftyRefusalsWithOneTextStopPublishing(t *testing.T) {
	b, logs := bar(t)
	e := manyIssues("i", 60)
	b.historic(e...)
	b.mark(1, 1, true)
	require.Len(t, b.out(), 60)
	for n, i := range e[:49] {
		b.no(i, fmt.Sprintf("%s (%s, %d)", banned, i.PubKey, 7*n))
	}
	b.is(Rejected, e[:49]...)
	require.Empty(t, b.c.link.halted)
	b.no(e[49], banned+" (x1, 2)")
	b.is(Parked, e[:50]...)
	require.Equal(t, CauseRetry, b.ledger.waiting[e[0].ID].Cause)
	require.Contains(t, b.c.link.halted, "refuses everything: "+banned)
	require.Empty(t, b.c.offers)

	b.refuseAll(banned+" (x2, 3)", e[50:]...) // were on their way
	b.is(Parked, e...)
	require.Len(t, settledOf(b.heard()), 1)
	require.Empty(t, b.out())

	var waits []time.Duration
	for range 9 { // one probe at a time
		start := b.now
		for len(b.sent) == 0 {
			require.Less(t, b.now.Sub(start), 2*time.Hour)
			b.wait(time.Second)
		}
		waits = append(waits, b.now.Sub(start).Round(10*time.Second))
		sent := b.out()
		require.Len(t, sent, 1)
		b.no(b.event(sent[0]), banned+" (x3, 9)")
	}
	minutes := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	require.Equal(t, []time.Duration{
		minutes(1), minutes(2), minutes(4), minutes(8), minutes(16), minutes(32), minutes(60), minutes(60), minutes(60),
	}, waits)
	for _, i := range e {
		require.Equal(t, Parked, b.ledger.disposition(i.ID))
	}
	require.Equal(t, 1, logs.FilterMessageSnippet("refuses everything").Len(), "said once")

	b.wait(time.Hour)
	sent := b.out()
	require.Len(t, sent, 1)
	b.ok(b.event(sent[0]))
	require.Empty(t, b.c.link.halted)
	for range 4 { // the last probes are due within the hour
		for _, name := range b.out() {
			b.ok(b.event(name))
		}
		b.wait(20 * time.Minute)
	}
	b.is(Stored, e...)
	require.Equal(t, 1, logs.FilterMessageSnippet("publishing goes on").Len())
	b.nothingOpen()
}

// event finds what was delivered under a name.
func (b *bench) event(name string) *event.Event {
	b.t.Helper()
	for id, n := range b.names {
		if n != name {
			continue
		}
		if w := b.c.works[id]; w != nil {
			return w.event
		}
	}
	b.t.Fatalf("%s is not in the works", name)
	return nil
}

func TestOtherAnswersInBetweenEndTheRow(t *testing.T) {
	tests := []struct {
		name   string
		ok     bool
		reason string
		row    int // refusals that count on
	}{
		{"stored", true, "", 0},
		{"held", true, purgatory, 0},
		{"superseded", false, "replaced: have newer event", 0},
		{"another text", false, "blocked: event kind is blocked by relay", 1},
		{"a limit on the event", false, "invalid: created_at too early", 0},
		{"duplicate", true, "duplicate: have this event", 49},
		{"limited", false, "rate-limited: slow down", 49},
		{"transient", false, "error: database error", 49},
		{"no parent", false, "blocked: event does not relate to a stored repository", 49},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := bar(t)
			e := manyIssues("i", 51)
			b.historic(e...)
			b.refuseAll(banned, e[:49]...)
			b.answer(e[49], tt.ok, tt.reason)
			require.Len(t, b.c.distrust.rows, tt.row)
			b.no(e[50], banned)
			require.Equal(t, tt.row == 49, b.c.link.halted != "")
			if tt.row != 49 {
				b.is(Rejected, e[:49]...)
				b.is(Rejected, e[50])
			}
		})
	}
}

func TestRefusalsThatMeanAnyEventOfOurs(t *testing.T) {
	tests := []struct {
		reason string
		want   bool
	}{
		{"blocked: event kind is blocked by relay", true},
		{"restricted: you must be whitelisted to post to this relay", true},
		{"ERROR: restricted: no", true},
		{"pow: required a difficulty >= 20", true},
		{"error: Pubkey not registered", true},
		{"computer says no", true},
		{"invalid: created_at too early", false},
		{"invalid: event too large: 70342", false},
		{"blocked: event does not relate to a stored repository", false},
		{"rate-limited: slow down", false},
		{"error: database error", false},
		{"deleted: user requested deletion", false},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, general(classify(false, tt.reason), tt.reason), tt.reason)
	}
}

func TestRefusalWithoutAKnownReasonCountsWhenItIsFinal(t *testing.T) {
	b, _ := bar(t)
	e := manyIssues("i", 50)
	b.historic(e...)
	for range maxTries {
		b.out()
		require.Empty(t, b.c.link.halted)
		b.refuseAll("computer says no", e...)
		b.wait(time.Minute)
	}
	require.NotEmpty(t, b.c.link.halted)
	for _, i := range e {
		require.Equal(t, Parked, b.ledger.disposition(i.ID))
	}
}

func TestSameText(t *testing.T) {
	same := [][2]string{
		{banned, strings.ToUpper(banned)},
		{"invalid: tag val too large: 1025", "invalid: tag val too large: 7"},
		{"blocked: 3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d is banned",
			"blocked: fa984bd7dbb282f07e16e7ae87b26a2a7b9b90b7246a44771f0cf5ae58018f52 is banned"},
		{"blocked: npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6", "blocked: npub1l2vyh47mk2p0qlsku7hg0vn29faehy9hy34ygaclpn66ukqp3afqutajft"},
		{"blocked: deadbeef", "blocked: 12345678"},
		{"", ""},
		{"blocked: €5", "blocked: €17"},
	}
	for _, s := range same {
		require.Equal(t, sameText(s[0]), sameText(s[1]))
	}
	for _, s := range [][2]string{{"blocked: kind", "blocked: author"}, {"blocked: bad", "blocked: dead"}, {"blocked: a", "invalid: a"}} {
		require.NotEqual(t, sameText(s[0]), sameText(s[1]))
	}
	require.LessOrEqual(t, len(sameText(strings.Repeat("x ", 100_000))), 256)
}

// A relay floods us with what our own relay refuses rightly. What other relays bring is held up for an answer at most, and after it the
// flood is rejected.
func TestFloodOfRightlyRefusedEventsDoesNotStopTheOthers(t *testing.T) {
	t.Run("others are waiting", func(t *testing.T) {
		b, _ := bar(t)
		b.c.o.Window = 50
		flood := manyIssues("f", 50)
		b.from(1, 1, flood...)
		honest := issue("honest", 2, 1, "x")
		b.from(2, 2, honest)
		require.NotContains(t, b.out(), "honest")
		b.c.o.Window = 1
		b.refuseAll(banned, flood[:49]...)
		require.Empty(t, b.out())
		b.no(flood[49], banned)
		require.Equal(t, []string{"honest"}, b.out(), "a second opinion")
		b.c.o.Window = 64
		b.ok(honest)
		require.Empty(t, b.c.link.halted)
		b.is(Stored, honest)

		b.wait(time.Minute)
		require.Len(t, b.out(), 50)
		b.refuseAll(banned, flood...)
		b.is(Rejected, flood...)
		require.Empty(t, b.c.link.halted, "it means these events")
		more := manyIssues("m", 200)
		b.from(1, 1, more...)
		for _, e := range more {
			b.no(e, banned)
		}
		b.is(Rejected, more...)
		b.nothingOpen()
	})
	t.Run("another comes later", func(t *testing.T) {
		b, _ := bar(t)
		flood := manyIssues("f", 50)
		b.from(1, 1, flood...)
		b.refuseAll(banned, flood...)
		for range 8 { // hourly by now
			b.wait(time.Hour)
			for _, name := range b.out() {
				b.no(b.event(name), banned)
			}
		}
		require.True(t, b.c.link.probeAt.After(b.now.Add(2*time.Minute)))
		honest := issue("honest", 2, 1, "x")
		b.from(2, 0, honest)
		b.wait(time.Minute)
		require.Equal(t, []string{"honest"}, b.out())
		b.ok(honest)
		require.Empty(t, b.c.link.halted)
	})
}

// An own relay that takes nothing is not probed more often than once a minute, however many strangers come.
func TestStrangersDoNotHastenTheProbes(t *testing.T) {
	b, _ := bar(t)
	first := manyIssues("f", 50)
	b.historic(first...)
	b.refuseAll(banned, first...)
	b.out()
	probes := 0
	for n := range 600 {
		b.from(ConnID(10+n), 0, issue(fmt.Sprint("l", n), 1000+n, 1, "x"))
		b.wait(6 * time.Second)
		for _, name := range b.out() {
			probes++
			b.no(b.event(name), banned)
		}
	}
	require.LessOrEqual(t, probes, 61)
	require.Greater(t, probes, 50)
	for id := range b.names {
		require.NotEqual(t, Rejected, b.ledger.disposition(id))
	}
}

// Another author is a stranger only to a flood of one author.
func TestFloodOfManyAuthorsHasNoStrangersOfItsOwn(t *testing.T) {
	b, _ := bar(t)
	flood := manyIssues("f", 60)
	b.historic(flood...)
	b.refuseAll(banned, flood[:50]...)
	b.out()
	b.historic(manyIssues("g", 70)...)
	require.Empty(t, b.out())
	patch := ev("patch", event.KindPatch, 100, benchStart, toRepo(1, "x"))
	b.live(patch)
	b.refuseAll(banned, flood[50:]...)
	b.wait(time.Minute)
	require.Equal(t, []string{"patch"}, b.out(), "another kind")

	b, _ = bar(t)
	one := make([]*event.Event, 50)
	for i, name := range names(50, "o") {
		one[i] = issue(name, 7, 1, "x")
	}
	b.historic(one...)
	b.refuseAll(banned, one...)
	b.wait(2 * time.Minute)
	b.out()
	b.live(issue("another author", 8, 1, "x"))
	b.wait(2 * time.Minute)
	require.Contains(t, b.out(), "another author")
}

func TestReconnectProbesAtOnceAndKeepsTheHalt(t *testing.T) {
	b, _ := bar(t)
	e := manyIssues("i", 50)
	b.historic(e...)
	b.refuseAll(banned, e...)
	b.out()
	b.wait(time.Minute)
	require.Len(t, b.out(), 1)
	b.down()
	b.wait(time.Second)
	b.up()
	sent := b.out()
	require.Len(t, sent, 1)
	b.no(b.event(sent[0]), banned)
	require.NotEmpty(t, b.c.link.halted)
	b.wait(time.Minute)
	require.Len(t, b.out(), 1, "the waits begin anew")
}

func TestOffersAreNotCounted(t *testing.T) {
	b, _ := bar(t)
	e := manyIssues("i", 100)
	for k := range 3 {
		b.historic(e[30*k : 30*k+30]...)
		b.refuseAll(banned, e[30*k:30*k+30]...)
		b.historic(e[90+k])
		b.ok(e[90+k])
	}
	b.down() // what the text meant is forgotten
	b.up()
	b.wait(24 * time.Hour)
	b.historic(e[:90]...)
	b.refuseAll(banned, e[:90]...)
	require.Empty(t, b.c.link.halted)
	b.is(Rejected, e[:90]...)
}

func TestRememberedRefusalsAreBounded(t *testing.T) {
	b, _ := bar(t)
	var e []*event.Event
	for i := range 50 {
		e = append(e, issue(fmt.Sprintf("%0*d", 400_000, i), 100+i, 1, "x"))
	}
	for _, i := range e {
		b.historic(i)
		b.no(i, banned)
	}
	require.NotEmpty(t, b.c.link.halted)
	kept := 0
	for _, i := range e {
		switch b.ledger.disposition(i.ID) {
		case Parked:
			kept++
		default:
			require.Equal(t, Unknown, b.c.known[i.ID], "a later pass brings it again")
		}
	}
	require.Equal(t, refusalBytes/e[0].Size, kept)
}
