package selfsub

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// bench is a subscriber at work, between an own relay, a publisher and an engine that the test plays.
type bench struct {
	t       *testing.T
	mu      sync.Mutex // orders what the subscriber writes behind what the test has read
	passed  time.Duration
	s       *Subscriber
	conn    relay.ConnID
	learned relay.Learned
	batches []relay.Batch // not answered
	held    []event.ID
	overs   int
	facts   []Facts
	flushes int
	lost    [][]event.ID
	shownBy int           // events handed on when the last loss was told
	stored  []event.ID    // in the ledger
	written chan struct{} // nil: at once
}

// newBench starts a subscriber inside a bubble, and shows it an empty picture.
func newBench(t *testing.T) *bench {
	b := &bench{t: t}
	facts := make(chan Facts)
	ctx, cancel := context.WithCancel(t.Context())
	b.s = New(Options{
		URL: "wss://own.example.com", Window: time.Second, Observe: func(relay.Observed) {}, Facts: facts, Log: zaptest.NewLogger(t),
		Held: func(events []*event.Event, over bool) (relay.Seq, bool) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, e := range events {
				b.held = append(b.held, e.ID)
			}
			if over {
				b.overs++
			}
			return relay.Seq(len(b.held)), true
		},
		Lost: func(ids []event.ID) int {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.lost, b.shownBy = append(b.lost, ids), len(b.held)
			return len(ids)
		},
		Stored: func(_ context.Context, _ nostr.Filter, yield func(int64, int, event.ID)) error {
			for _, id := range b.stored {
				yield(1, event.KindComment, id)
			}
			return nil
		},
		Flush: func(ctx context.Context) error {
			b.flushes++
			if b.written == nil {
				return nil
			}
			select {
			case <-b.written:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	ended := make(chan struct{})
	go func() {
		for f := range facts {
			b.mu.Lock()
			b.facts = append(b.facts, f)
			b.mu.Unlock()
		}
	}()
	go func() {
		b.s.Run(ctx, b)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		close(facts)
	})
	synctest.Wait()
	b.up()
	return b
}

func (b *bench) Dial(id relay.ConnID, _ relayurl.URL, _ relay.Trust, learned relay.Learned) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conn, b.learned = id, learned
}

func (b *bench) Send(id relay.ConnID, c relay.Command) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ask, ok := c.(relay.AskBatch); ok && id == b.conn {
		b.batches = append(b.batches, ask.Batch)
	}
}

func (b *bench) Hangup(id relay.ConnID) { b.s.reports <- relay.Down{ID: id} }

// pass lets time pass.
func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	b.passed += d
	b.mu.Unlock()
	<-time.After(d)
	synctest.Wait()
}

// up connects, and answers the picture.
func (b *bench) up() {
	b.s.Reports() <- relay.Up{ID: b.conn}
	synctest.Wait()
	b.answer(true)
	b.answer(true)
}

func (b *bench) down() {
	synctest.Wait()
	b.s.Reports() <- relay.Down{ID: b.conn, Failure: &health.Failure{Cause: health.CauseLost}}
	b.batches = nil
	synctest.Wait()
}

func (b *bench) ask(refs []event.Ref, roots ...event.ID) {
	synctest.Wait()
	b.s.Ask(refs, roots)
	synctest.Wait()
}

// next is the batch that waits for an answer.
func (b *bench) next() relay.Batch {
	b.t.Helper()
	require.Len(b.t, b.batches, 1)
	return b.batches[0]
}

// answer ends it, well or not, behind these events.
func (b *bench) answer(ok bool, events ...*event.Event) { b.answerWithout(ok, nil, events...) }

// answerWithout does so, and says that ids are absent.
func (b *bench) answerWithout(ok bool, absent []event.ID, events ...*event.Event) {
	b.t.Helper()
	synctest.Wait()
	x := b.next()
	b.batches = nil
	for _, e := range events {
		b.s.Deliver(relay.Delivery{Conn: b.conn, Batch: x.ID, Event: e})
	}
	ends := slices.Repeat([]relay.FilterEnd{{Done: ok, Failed: !ok}}, len(x.Filters))
	b.s.Mark(relay.Mark{Conn: b.conn, Batch: x.ID, Filters: ends})
	b.s.Mark(relay.Mark{Conn: b.conn, Batch: x.ID, Filters: ends, Final: true, Err: "why", Absent: absent})
	synctest.Wait()
}

// answers counts the questions that were answered.
func (b *bench) answers() int {
	n := 0
	for _, f := range b.facts {
		if f.Answered {
			n++
		}
	}
	return n
}

func (b *bench) last() Facts { return b.facts[len(b.facts)-1] }

func values(x relay.Batch, tag string) []string {
	var out []string
	for _, f := range x.Filters {
		out = append(out, f.Tags[tag]...)
	}
	return out
}

func signed(kind int, content string, tags ...nostr.Tag) *event.Event {
	n := nostr.Event{Kind: kind, CreatedAt: 1, Content: content, Tags: tags}
	relaytest.Sign(&n, 1)
	e, err := event.Wrap(n)
	if err != nil {
		panic(err)
	}
	return e
}

var tool = event.RepoRef(event.PubKey{1}, "tool")

func TestQuestionGoesFromCoordinatesToRoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		known := event.ID{7}
		b.ask([]event.Ref{tool}, known)
		first := b.next()
		require.Equal(t, []string{tool.String()}, values(first, "a"))
		require.Equal(t, []string{tool.String()}, values(first, "A"))
		require.Equal(t, []string{tool.String()}, values(first, "q"))
		require.Contains(t, first.Filters, nostr.Filter{
			Kinds: []int{event.KindAnnouncement, event.KindState}, Authors: []string{tool.PubKey.String()}, Tags: nostr.TagMap{"d": {"tool"}},
		})
		issue, reply := signed(event.KindIssue, "issue", nostr.Tag{"a", tool.String()}), signed(event.KindComment, "reply")
		b.answer(true, issue, reply)
		require.Zero(t, b.answers())
		require.Equal(t, []string{known.String(), issue.ID.String()}, values(b.next(), "e"))
		require.Equal(t, values(b.next(), "e"), values(b.next(), "E"))
		require.Equal(t, values(b.next(), "e"), values(b.next(), "q"))

		later := signed(event.KindPatch, "later")
		b.answer(true, reply, later, issue)
		require.Equal(t, []string{later.ID.String()}, values(b.next(), "e"), "each root once")
		b.answer(true)
		require.Equal(t, 1, b.answers())
		require.Equal(t, []event.ID{issue.ID, reply.ID, reply.ID, later.ID, issue.ID}, b.held)
		require.Equal(t, 1, b.overs)
		f := b.last()
		require.EqualValues(t, 5, f.Rests)
		var roots []event.ID
		for _, f := range b.facts {
			for _, r := range f.Roots {
				roots = append(roots, r.ID)
			}
		}
		require.Subset(t, roots, []event.ID{issue.ID, later.ID}, "the engine hears of them before the answer, or with it")
	})
}

// What the ledger has as stored need not be shown again, but for roots: the engine hears of those that it does not know by no other way.
func TestLedgerStandsForWhatItHasButForUnknownRoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		known, unknown, reply := event.ID{1}, event.ID{2}, event.ID{3}
		b.s.opt.Stored = func(_ context.Context, f nostr.Filter, yield func(int64, int, event.ID)) error {
			require.Equal(t, []int{9}, f.Kinds)
			yield(10, event.KindIssue, known)
			yield(20, event.KindPatch, unknown)
			yield(30, event.KindComment, reply)
			return nil
		}
		b.ask([]event.Ref{tool}, known)
		first := b.next().Ours
		b.answer(true, signed(event.KindIssue, "issue", nostr.Tag{"a", tool.String()}))
		for _, ours := range []relay.KnownIDs{first, b.next().Ours} {
			got := map[event.ID]int64{}
			require.NoError(t, ours(t.Context(), nostr.Filter{Kinds: []int{9}}, func(at int64, id event.ID) { got[id] = at }))
			require.Equal(t, map[event.ID]int64{known: 10, reply: 30}, got)
		}
	})
}

func TestQuestionThatFailsEndsAfterThreeTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ask([]event.Ref{tool})
		for range 2 {
			b.answer(false)
			require.Empty(t, b.batches, "not at once")
			require.Zero(t, b.answers())
			b.pass(retryPicture)
		}
		b.answer(false)
		require.Equal(t, 1, b.answers())

		b.ask([]event.Ref{tool})
		b.answer(false)
		require.Equal(t, 2, b.answers(), "one try is enough for those that follow")
		b.ask([]event.Ref{tool})
		b.answer(true)
		require.Equal(t, 3, b.answers())
		b.ask([]event.Ref{tool})
		b.answer(false)
		require.Equal(t, 3, b.answers(), "until one is answered")
		b.pass(retryPicture)
		b.answer(false)
		b.pass(retryPicture)
		b.answer(true, signed(event.KindIssue, "issue"))
		b.answer(false)
		require.Equal(t, 3, b.answers(), "each step has its tries")
	})
}

func TestQuestionIsAskedAgainWhenTheOwnRelayIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ask([]event.Ref{tool})
		issue := signed(event.KindIssue, "issue")
		b.answer(true, issue)
		require.Len(t, values(b.next(), "e"), 1)
		b.down()
		for range 3 { // away is no refusal
			b.pass(maxRedial)
			b.down()
		}
		b.pass(maxRedial)
		require.Zero(t, b.answers())
		b.up()
		require.Len(t, values(b.next(), "e"), 1, "it goes on where it was")
		b.answer(true)
		require.Equal(t, 1, b.answers())
	})
}

func TestOwnRelayThatRefusesNegentropyIsPagedForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.s.Reports() <- relay.Evidence{ID: b.conn, At: time.Now(), Subscriptions: 3}
		b.s.Reports() <- relay.Evidence{ID: b.conn, At: time.Now(), NoNegentropy: "silence"}
		said := time.Now()
		b.down()
		b.pass(maxRedial)
		require.Equal(t, relay.Learned{NoNegentropy: said.Add(24 * time.Hour)}, b.learned)
	})
}

func TestQuestionThatCostsTheConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.ask([]event.Ref{tool})
		for range 2 {
			b.down()
			require.Zero(t, b.answers())
			b.pass(maxRedial)
			b.up()
		}
		b.down()
		require.Equal(t, 1, b.answers())
	})
}

func TestQuestionDoesNotWaitForAPictureThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.down()
		b.ask([]event.Ref{tool})
		b.pass(maxRedial)
		b.s.Reports() <- relay.Up{ID: b.conn}
		synctest.Wait()
		for range 3 {
			require.Zero(t, b.answers())
			b.answer(false)
			b.pass(retryPicture)
		}
		require.Equal(t, 1, b.answers())
	})
}

func TestRootsOfAQuestionAreBounded(t *testing.T) {
	q := question{known: map[event.ID]bool{}}
	for i := range mostRoots + 10 {
		q.add(event.ID{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	require.Len(t, q.roots, mostRoots)
	require.Len(t, q.known, mostRoots)
}

func TestSurveyWaitsForTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.written = make(chan struct{})
		b.ask([]event.Ref{tool})
		e := signed(event.KindComment, "reply")
		x := b.next()
		grant := make(chan struct{}, 1)
		for range mostUnwritten {
			b.s.Deliver(relay.Delivery{Conn: b.conn, Batch: x.ID, Event: e})
		}
		synctest.Wait()
		require.GreaterOrEqual(t, len(b.held), mostUnwritten-mostHeld, "what was shown is not kept")
		b.s.Reserve(b.conn, 1, grant)
		synctest.Wait()
		require.Empty(t, grant)
		b.s.Deliver(relay.Delivery{Conn: b.conn, Batch: 0, Event: e})
		close(b.written)
		synctest.Wait()
		require.Len(t, grant, 1)
		<-grant
		b.s.Reserve(b.conn, 1, grant)
		require.Len(t, grant, 1)
		require.Equal(t, 1, b.flushes)
	})
}
