package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

const ourDomain = "git.example.com"

var benchStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// benchT is what bench needs of *testing.T and *rapid.T.
type benchT interface {
	require.TestingT
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// bench drives a core by hand: it carries out nothing but what a test says, and checks signatures as true.
type bench struct {
	t       benchT
	c       *core
	ledger  *memLedger
	now     time.Time
	names   map[event.ID]string
	checks  []*event.Event // asked for, not answered
	byHand  bool           // checks are answered by the test
	sent    []string
	reports []Report
	taken   [][]AcceptedEvent // by report
	grants  int
	reads   [][]event.ID
	lookups []event.Ref
	frozen  bool // reads of the store are answered by the test
	authors []readAuthors
	written []readWritten
	deleted []Deleted
}

// newBench gives a core whose own relay is up and whose first picture is complete.
func newBench(t benchT, change ...func(*PublisherOptions)) *bench {
	b := newRawBench(t, change...)
	b.c.ownUp(b.now, 0)
	b.c.observed(b.now, Observed{Loaded: true})
	b.settle()
	return b
}

func newRawBench(t benchT, change ...func(*PublisherOptions)) *bench {
	b := &bench{t: t, ledger: newMemLedger(), now: benchStart, names: make(map[event.ID]string)}
	o := PublisherOptions{Ledger: b.ledger, Rules: nip34.Rules{Domains: []string{ourDomain}}}
	for _, f := range change {
		f(&o)
	}
	b.c = newCore(o)
	return b
}

// settle takes the actions and answers those that the test does not answer itself.
func (b *bench) settle() {
	b.t.Helper()
	for acts := b.c.take(); len(acts) > 0; acts = b.c.take() {
		for _, a := range acts {
			switch a := a.(type) {
			case verify:
				if b.byHand {
					b.checks = append(b.checks, a.event)
				} else {
					b.c.verified(b.now, a.event, true)
				}
			case publish:
				b.sent = append(b.sent, b.nameIn(a.msg))
			case tell:
				switch r := a.report.(type) {
				case Accepted:
					b.taken = append(b.taken, r.Events)
				case Deleted:
					b.deleted = append(b.deleted, r)
				default:
					b.reports = append(b.reports, a.report)
				}
			case grant:
				b.grants++
				a.to <- struct{}{}
			case lacking:
				a.to <- a.ids
			case readWaiting:
				b.reads = append(b.reads, a.ids)
				if !b.frozen {
					b.answerRead()
				}
			case readRefused:
				ids, position, err := b.ledger.Refused(b.t.Context(), a.before, a.beyond, readChunk)
				b.c.refusedBefore(b.now, ids, position, err)
			case readIrrelevant:
				b.lookups = append(b.lookups, a.ref)
				if !b.frozen {
					b.answerLookup()
				}
			case readAuthors:
				if b.authors = append(b.authors, a); !b.frozen {
					b.answerAuthors()
				}
			case readWritten:
				if b.written = append(b.written, a); !b.frozen {
					b.answerWritten()
				}
			}
		}
	}
}

func (b *bench) answerRead() {
	ids := b.reads[len(b.reads)-1]
	rows, err := b.ledger.WaitingEvents(b.t.Context(), ids)
	b.c.read(b.now, ids, rows, err)
}

func (b *bench) answerLookup() {
	ref := b.lookups[len(b.lookups)-1]
	ids, err := b.ledger.IrrelevantAddressed(b.t.Context(), ref.PubKey, ref.D)
	b.c.found(b.now, ids, err)
}

func (b *bench) answerAuthors() {
	a := b.authors[0]
	b.authors = b.authors[1:]
	authors, err := b.ledger.Authors(b.t.Context(), a.ids)
	b.c.gotAuthors(b.now, a.works, a.ids, authors, err)
}

func (b *bench) answerWritten() {
	a := b.written[0]
	b.written = b.written[1:]
	ids, err := b.ledger.Written(b.t.Context(), a.by)
	b.c.gotWritten(b.now, ids, err)
}

func (b *bench) nameIn(msg []byte) string {
	name, ok := b.names[idIn(b.t, msg)]
	if !ok {
		b.t.Fatalf("sent without a name: %s", msg)
	}
	return name
}

// idIn is the id of the event in an EVENT message.
func idIn(t benchT, msg []byte) event.ID {
	_, rest, found := strings.Cut(string(msg), `"id":"`)
	require.True(t, found && len(rest) >= 64)
	id, err := event.ParseID(rest[:64])
	require.NoError(t, err)
	return id
}

// historic delivers events as batch 1 of connection 1.
func (b *bench) historic(events ...*event.Event) {
	b.t.Helper()
	b.from(1, 1, events...)
}

// live delivers events as live ones of connection 1.
func (b *bench) live(events ...*event.Event) {
	b.t.Helper()
	b.from(1, 0, events...)
}

func (b *bench) from(conn ConnID, batch BatchID, events ...*event.Event) {
	b.t.Helper()
	for _, e := range events {
		b.deliver(Delivery{Conn: conn, Batch: batch, Event: e})
	}
}

// wanted delivers events that were asked for as ancestors.
func (b *bench) wanted(conn ConnID, batch BatchID, events ...*event.Event) {
	b.t.Helper()
	for _, e := range events {
		b.deliver(Delivery{Conn: conn, Batch: batch, Event: e, Wanted: true})
	}
}

// wide delivers live events that only wide filters asked for.
func (b *bench) wide(conn ConnID, events ...*event.Event) {
	b.t.Helper()
	for _, e := range events {
		b.deliver(Delivery{Conn: conn, Event: e, Wide: true})
	}
}

// deliver fills in what follows from the rest.
func (b *bench) deliver(d Delivery) {
	b.t.Helper()
	b.name(d.Event)
	d.Source, d.Mode, d.At = relayurl.URL(fmt.Sprintf("wss://relay%d.example", d.Conn)), modeOf(d.Batch), b.now
	b.c.deliver(b.now, d)
	b.settle()
}

func modeOf(batch BatchID) Mode {
	if batch == 0 {
		return Live
	}
	return Historic
}

// name gives an event the name that tests know it by: its content.
func (b *bench) name(e *event.Event) { b.names[e.ID] = e.Content }

// mark ends a page, or with final a batch.
func (b *bench) mark(conn ConnID, batch BatchID, final bool) {
	b.t.Helper()
	b.c.mark(b.now, Mark{Conn: conn, Batch: batch, Final: final, Stamp: b.now})
	b.settle()
}

// ok answers OK true.
func (b *bench) ok(events ...*event.Event) {
	b.t.Helper()
	for _, e := range events {
		b.answer(e, true, "")
	}
}

func (b *bench) no(e *event.Event, reason string) {
	b.t.Helper()
	b.answer(e, false, reason)
}

func (b *bench) answer(e *event.Event, ok bool, reason string) {
	b.t.Helper()
	b.c.answered(b.now, e.ID, ok, reason)
	b.settle()
}

// checked answers the oldest open check of a signature.
func (b *bench) checked(ok bool) {
	b.t.Helper()
	require.NotEmpty(b.t, b.checks)
	e := b.checks[0]
	b.checks = b.checks[1:]
	b.c.verified(b.now, e, ok)
	b.settle()
}

// reserve asks for credit; the channel has a value once it is granted.
func (b *bench) reserve(conn ConnID, n int) <-chan struct{} {
	granted := make(chan struct{}, 1)
	b.c.reserve(b.now, request{conn, n, granted})
	b.settle()
	return granted
}

func (b *bench) observe(o Observed) {
	b.t.Helper()
	b.c.observed(b.now, o)
	b.settle()
}

// wait lets time pass, and ticks whenever the core wants it.
func (b *bench) wait(d time.Duration) {
	b.t.Helper()
	end := b.now.Add(d)
	for n := 0; ; n++ {
		require.Less(b.t, n, 100_000, "the core wants to be called all the time")
		at := b.c.next()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.After(b.now) {
			b.now = at
		}
		b.c.tick(b.now)
		b.settle()
	}
	b.now = end
	b.c.tick(b.now)
	b.settle()
}

func (b *bench) down() {
	b.t.Helper()
	b.lose(fmt.Errorf("cut"))
}

func (b *bench) lose(why error) {
	b.t.Helper()
	b.c.ownDown(b.now, why)
	b.settle()
}

func (b *bench) up() {
	b.t.Helper()
	b.c.ownUp(b.now, 0)
	b.settle()
}

// restart goes on with what the store holds, as after a crash.
func (b *bench) restart() {
	b.t.Helper()
	b.c = newCore(b.c.o)
	require.NoError(b.t, (&Publisher{o: b.c.o}).load(b.t.Context(), b.c))
	b.c.ownUp(b.now, 0)
	b.observe(Observed{Loaded: true})
}

// out gives the names of what was sent since the last call.
func (b *bench) out() []string {
	sent := b.sent
	b.sent = nil
	return sent
}

// accepted gives what the engine was told of accepted events since the last call, by name.
func (b *bench) accepted() map[string]AcceptedEvent {
	out := make(map[string]AcceptedEvent)
	for _, events := range b.taken {
		for _, e := range events {
			out[b.names[e.ID]] = e
		}
	}
	b.taken = nil
	return out
}

// heard gives the reports since the last call, but for those of accepted events.
func (b *bench) heard() []Report {
	reports := b.reports
	b.reports = nil
	return reports
}

func (b *bench) is(want Disposition, events ...*event.Event) {
	b.t.Helper()
	for _, e := range events {
		require.Equal(b.t, want.String(), b.ledger.disposition(e.ID).String(), e.Content)
		require.Equal(b.t, want.String(), b.c.known[e.ID].String(), "%s in memory", e.Content)
	}
}

// nothingOpen checks that all places are free and all indexes empty.
func (b *bench) nothingOpen() {
	b.t.Helper()
	c := b.c
	require.Empty(b.t, c.works)
	require.Zero(b.t, c.queue.Len())
	require.Empty(b.t, c.versions)
	require.Empty(b.t, c.repos)
	require.Empty(b.t, c.link.flights)
	require.Zero(b.t, c.link.bytes)
	require.Zero(b.t, c.bytes)
	require.Zero(b.t, c.live)
	require.Zero(b.t, c.woken)
	require.Empty(b.t, c.unasked)
	reserved := 0
	for conn, n := range c.credit.reserved {
		reserved += n - c.credit.lapsed[conn]
	}
	require.Equal(b.t, reserved, c.credit.used, "places in the historic queue")
	for _, waiters := range c.needs.ids {
		b.allParked(waiters)
	}
	for _, index := range []needs{c.needs, c.held} {
		for _, waiters := range index.refs {
			b.allParked(waiters)
		}
	}
}

func (b *bench) allParked(waiters map[event.ID]struct{}) {
	b.t.Helper()
	for id := range waiters {
		require.NotNil(b.t, b.c.pool.rows[id], "%s waits and is not parked", b.names[id])
	}
}

func settledOf(reports []Report) []Settled {
	var out []Settled
	for _, r := range reports {
		if s, ok := r.(Settled); ok {
			out = append(out, s)
		}
	}
	return out
}

func names(n int, prefix string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return out
}

func reversed[T any](s []T) []T {
	out := slices.Clone(s)
	slices.Reverse(out)
	return out
}

func idsOf(events ...*event.Event) []event.ID {
	var ids []event.ID
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func listOf(events ...*event.Event) []*event.Event { return events }
