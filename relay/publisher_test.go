package relay

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// shell is a running publisher with a scripted own relay, inside a bubble.
type shell struct {
	t       *testing.T
	own     *relaytest.Relay
	p       *Publisher
	ledger  *memLedger
	reports chan Report
	stop    context.CancelFunc
	done    chan error
}

func startShell(t *testing.T, script relaytest.Options, change ...func(*PublisherOptions)) *shell {
	s := &shell{
		t: t, own: relaytest.Start(t, script), ledger: newMemLedger(),
		reports: make(chan Report, 10_000), done: make(chan error, 1),
	}
	o := PublisherOptions{
		Own: testURL, Dialer: testDialer(s.own, nil), Ledger: s.ledger, Reports: s.reports,
		Rules: nip34.Rules{Domains: []string{ourDomain}}, Verifiers: 2,
	}
	for _, f := range change {
		f(&o)
	}
	s.p = NewPublisher(o)
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	go func() { s.done <- s.p.Run(ctx) }()
	s.p.Observe(Observed{Loaded: true})
	synctest.Wait()
	if len(s.reports) > 0 { // else the store cannot be read
		require.Equal(t, Holds{All: true}, <-s.reports)
	}
	return s
}

func (s *shell) deliver(conn ConnID, batch BatchID, events ...*event.Event) {
	for _, e := range events {
		s.p.Deliver(Delivery{
			Conn: conn, Source: relayurl.URL(fmt.Sprintf("wss://relay%d.example", conn)), Batch: batch, Mode: modeOf(batch),
			Event: e, At: time.Now(),
		})
	}
}

// end marks the end of a batch and waits for its report.
func (s *shell) end(conn ConnID, batch BatchID) Settled {
	s.p.Mark(Mark{Conn: conn, Batch: batch, Final: true})
	for {
		if settled, ok := (<-s.reports).(Settled); ok && settled.Batch == batch && settled.Final {
			return settled
		}
	}
}

// finish stops the publisher and gives how long that took.
func (s *shell) finish() time.Duration {
	start := time.Now()
	s.stop()
	require.NoError(s.t, <-s.done)
	return time.Since(start)
}

func (s *shell) received() []string {
	var names []string
	for _, e := range s.own.Received() {
		names = append(names, e.Content)
	}
	return names
}

// parentsFirst is a policy that refuses an event whose parents are not stored yet, as ngit-relay does.
func parentsFirst(own **relaytest.Relay, after func(*nostr.Event) time.Duration) func(*nostr.Event) *relaytest.Verdict {
	return func(e *nostr.Event) *relaytest.Verdict {
		for _, tag := range e.Tags {
			if tag[0] == "e" && !(*own).Has(tag[1]) {
				return &relaytest.Verdict{Reason: "blocked: event does not relate to a stored repository"}
			}
		}
		return &relaytest.Verdict{OK: true, After: after(e)}
	}
}

func TestPublisherOrdersByDependencyThoughAnswersOvertakeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var own *relaytest.Relay
		s := startShell(t, relaytest.Options{Verify: true})
		own = s.own
		s.own.Set(func(o *relaytest.Options) {
			o.Policy = parentsFirst(&own, func(e *nostr.Event) time.Duration {
				return time.Duration(len(e.Content)%5) * time.Second // parents are slow, children quick
			})
		})
		a := signed(repo("repo", 1, "x", benchStart), 1)
		var all []*event.Event
		last := signed(issue("root", 2, 1, "x"), 2)
		all = append(all, a, last)
		for i := range 20 {
			last = signed(comment(fmt.Sprintf("comment%*d", i%5, i), 3, last), 3)
			all = append(all, last)
		}
		s.deliver(1, 1, reversed(all)...)
		s.deliver(2, 2, all[5:15]...)
		// What is judged before its parent has arrived is parked, and settled by that: how many are depends on how fast
		// signatures are checked. In the end all are there.
		require.LessOrEqual(t, s.end(1, 1).New+s.end(2, 2).New, len(all))
		<-time.After(10 * time.Minute)
		synctest.Wait()
		require.Len(t, s.own.Received(), len(all), "each was sent once, and none too early")
		for _, e := range all {
			require.Equal(t, Stored, s.ledger.disposition(e.ID))
		}
		require.Zero(t, s.finish())
	})
}

func TestPublisherKeepsToItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{Policy: func(*nostr.Event) *relaytest.Verdict {
			return &relaytest.Verdict{OK: true, After: time.Second}
		}}, func(o *PublisherOptions) { o.Window = 4 })
		start := time.Now()
		for i := range 20 {
			s.deliver(1, 1, signed(repo("r", 1, fmt.Sprint(i), benchStart), 1))
		}
		s.end(1, 1)
		require.Equal(t, 5*time.Second, time.Since(start))
		s.finish()
	})
}

func TestPublisherFindsTheEventThatItsRelayCannotStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{Policy: func(e *nostr.Event) *relaytest.Verdict {
			if e.Content == "poison" {
				return &relaytest.Verdict{Drop: true}
			}
			return &relaytest.Verdict{OK: true, After: time.Second}
		}})
		var all []*event.Event
		for i := range 6 {
			all = append(all, signed(repo("good", 1, fmt.Sprint(i), benchStart), 1))
		}
		poison := signed(repo("poison", 1, "p", benchStart), 1)
		s.deliver(1, 1, append(all, poison)...)
		settled := s.end(1, 1)
		require.Equal(t, 6, settled.New)
		require.Equal(t, Parked, s.ledger.disposition(poison.ID), "nothing shows yet that the own relay takes others")
		s.deliver(1, 1, signed(repo("good", 1, "later", benchStart), 1))
		<-time.After(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, Rejected, s.ledger.disposition(poison.ID))
		require.Contains(t, s.ledger.entries[poison.ID].Reason, "lost the connection twice")
		require.Equal(t, 8, s.own.Connections())
		s.finish()
	})
}

func TestPublisherWaitsForItsRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{Verify: true})
		require.True(t, s.p.Own().Ready())
		s.own.Down(true)
		synctest.Wait()
		require.False(t, s.p.Own().Up)
		require.NotEmpty(t, s.p.Own().Err)
		a, i := signed(repo("a", 1, "x", benchStart), 1), signed(issue("i", 2, 1, "x"), 2)
		s.deliver(1, 1, a)
		s.deliver(1, 0, i)
		s.p.Mark(Mark{Conn: 1, Stamp: time.Now()})
		time.AfterFunc(10*time.Minute, func() { s.own.Down(false) })
		start := time.Now()
		require.Zero(t, s.end(1, 1).New)
		require.LessOrEqual(t, time.Since(start), spillAge+spillAgain, "its row carries it from here on")
		for s.ledger.disposition(i.ID) != Stored {
			<-time.After(time.Second)
			require.LessOrEqual(t, time.Since(start), 10*time.Minute+ownBackoffMax+time.Second)
		}
		require.GreaterOrEqual(t, time.Since(start), 10*time.Minute)
		require.Equal(t, []string{"a", "i"}, s.received())
		require.True(t, s.p.Own().Ready())
		s.finish()
	})
}

func TestPublisherFindsThePaceOfItsRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := &limiter{rate: 1, burst: 5, tokens: 5, at: time.Now()}
		refused := 0
		s := startShell(t, relaytest.Options{Policy: func(*nostr.Event) *relaytest.Verdict {
			if limit.take(time.Now()) {
				return nil
			}
			refused++
			return &relaytest.Verdict{Reason: "rate-limited: slow down, please"}
		}}, func(o *PublisherOptions) { o.Window = 8 })
		for i := range 60 {
			s.deliver(1, 1, signed(repo("r", 1, fmt.Sprint(i), benchStart), 1))
		}
		synctest.Wait()
		require.True(t, s.p.Own().Limited)
		require.False(t, s.p.Own().Ready())
		require.Positive(t, s.p.Own().PerSecond)
		start := time.Now()
		require.Equal(t, 60, s.end(1, 1).New)
		require.Less(t, time.Since(start), 2*time.Minute)
		require.Less(t, refused, 30)
		s.finish()
	})
}

func TestPublisherObeysWhatItsRelayStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{Document: `{"limitation":{"max_message_length":5000}}`})
		a := signed(repo("a", 1, "x", benchStart), 1)
		long := signed(ev(fmt.Sprintf("%05000d", 1), 1, 2, benchStart, toRepo(1, "x")), 2)
		s.deliver(1, 1, a, long)
		require.Equal(t, 1, s.end(1, 1).New)
		require.Equal(t, OwnLimit, s.ledger.disposition(long.ID))
		s.finish()
	})
}

func TestPublisherReportsForgedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{})
		e := repo("a", 1, "x", benchStart)
		s.deliver(4, 1, e)
		require.Equal(t, Offended{ID: 4, At: time.Now(), Kind: OffenceSignature}, <-s.reports)
		require.Zero(t, s.end(4, 1).New)
		require.Empty(t, s.own.Received())
		s.finish()
	})
}

func TestPublisherReadsTheStoreInHelpers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{})
		a := signed(repo("a", 1, "x", benchStart, 2), 1)
		st, i := signed(state("s", 2, "x", benchStart), 2), signed(issue("i", 3, 1, "x"), 3)
		s.deliver(1, 1, st, i)
		require.NotZero(t, s.end(1, 1).Seq)
		require.Equal(t, Irrelevant, s.ledger.disposition(st.ID))
		require.Equal(t, Parked, s.ledger.disposition(i.ID))
		s.deliver(1, 2, a)
		s.end(1, 2)
		synctest.Wait()
		require.Equal(t, []string{"a", "i"}, s.received())
		require.Equal(t, Stored, s.ledger.disposition(i.ID))
		require.Zero(t, s.ledger.disposition(st.ID), "forgotten: its author has joined")
		s.deliver(1, 3, st)
		require.Equal(t, 1, s.end(1, 3).New)
		s.finish()
	})
}

func TestPublisherGrantsCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{}, func(o *PublisherOptions) { o.QueueEvents = 2 })
		s.own.Down(true)
		granted := make(chan struct{}, 1)
		s.p.Reserve(1, 2, granted)
		<-granted
		a, b := signed(repo("a", 1, "x", benchStart), 1), signed(repo("b", 1, "y", benchStart), 1)
		s.deliver(1, 1, a, b)
		s.p.Reserve(1, 1, granted)
		synctest.Wait()
		require.Empty(t, granted, "the own relay is away: nothing more is asked for")
		s.own.Down(false)
		<-granted
		s.p.Release(1, 1)
		s.p.Gone(1)
		s.finish()
	})
}
