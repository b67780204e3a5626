package relay

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestPublisherWaitsForAnswersThatAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{Policy: func(*nostr.Event) *relaytest.Verdict {
			return &relaytest.Verdict{OK: true, After: 5 * time.Second}
		}}, func(o *PublisherOptions) { o.Window = 1 })
		a, b := signed(repo("a", 1, "x", benchStart), 1), signed(repo("b", 1, "y", benchStart), 1)
		s.deliver(1, 1, a, b)
		synctest.Wait()
		require.Equal(t, 5*time.Second, s.finish())
		require.Equal(t, Stored, s.ledger.disposition(a.ID))
		require.Zero(t, s.ledger.disposition(b.ID), "not sent any more, and not settled")
		require.Equal(t, []string{"a"}, s.received())
	})
}

// A store that is away at the start is waited for, but not for ever.
func TestPublisherAsksItsStoreAgainAtTheStart(t *testing.T) {
	away := func(o *PublisherOptions) { o.Ledger.(*memLedger).broken = true } //nolint:forcetypeassert // startShell's
	t.Run("for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := startShell(t, relaytest.Options{}, away)
			a := signed(repo("a", 1, "x", benchStart), 1)
			s.deliver(1, 1, a)
			time.Sleep(50 * time.Second)
			require.Empty(t, s.received())
			s.ledger.row(func() { s.ledger.broken = false })
			s.end(1, 1)
			require.Equal(t, []string{"a"}, s.received())
			s.finish()
		})
	})
	t.Run("for good", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			s := startShell(t, relaytest.Options{}, away)
			require.ErrorIs(t, <-s.done, errStoreBroken)
			require.Equal(t, time.Minute, time.Since(start))
		})
	})
	t.Run("stopped meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := startShell(t, relaytest.Options{}, away)
			require.Zero(t, s.finish())
		})
	})
}

// A store that never answers a read is asked again.
func TestPublisherGivesUpAReadOfItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{})
		root := issue("i", 2, 1, "x")
		s.deliver(1, 1, signed(repo("a", 1, "x", benchStart), 1), signed(comment("c", 3, root), 3))
		s.end(1, 1)
		s.ledger.hangs.Store(true)
		s.deliver(1, 2, signed(root, 2))
		s.end(1, 2)
		time.Sleep(storeWait - time.Second)
		require.Len(t, s.received(), 2)
		s.ledger.hangs.Store(false)
		time.Sleep(time.Second + storeRetry + time.Second)
		synctest.Wait()
		require.Len(t, s.received(), 3)
		s.finish()
	})
}

func TestPublisherDoesNotWaitLongerThanItsDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{Policy: func(*nostr.Event) *relaytest.Verdict {
			return &relaytest.Verdict{NoAnswer: true}
		}})
		s.deliver(1, 1, signed(repo("a", 1, "x", benchStart), 1))
		synctest.Wait()
		require.Equal(t, 10*time.Second, s.finish())
	})
}

func TestPublisherEndsThoughNobodyListens(t *testing.T) {
	tests := []struct {
		name string
		act  func(*shell)
	}{
		{"idle", func(*shell) {}},
		{"own relay away", func(s *shell) {
			s.own.Down(true)
			s.deliver(1, 1, signed(repo("a", 1, "x", benchStart), 1))
		}},
		{"own relay does not shake hands", func(s *shell) {
			s.own.Set(func(o *relaytest.Options) { o.HandshakeDelay = time.Hour })
			s.own.Drop()
		}},
		{"reports are not taken", func(s *shell) {
			go func() {
				for batch := range BatchID(1000) {
					s.p.Mark(Mark{Conn: 1, Batch: batch + 1, Final: true})
				}
			}()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startShell(t, relaytest.Options{}, func(o *PublisherOptions) { o.Reports = make(chan Report) })
				tt.act(s)
				synctest.Wait()
				require.LessOrEqual(t, s.finish(), time.Second)
				// Whoever is late does not hang.
				granted := make(chan struct{}, 1)
				for range 1000 {
					s.deliver(1, 1, repo("late", 1, "z", benchStart))
				}
				s.p.Reserve(1, 1, granted)
				s.p.Release(1, 1)
				s.p.Mark(Mark{})
				s.p.Gone(1)
				s.p.Observe(Observed{})
			})
		})
	}
}

func TestPublisherEndsAtOnceWhenToldBeforeItStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := relaytest.Start(t, relaytest.Options{})
		p := NewPublisher(PublisherOptions{Own: testURL, Dialer: testDialer(own, nil), Ledger: newMemLedger(), Reports: make(chan Report)})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, p.Run(ctx))
	})
}

func TestPublisherNeedsItsStoreToStart(t *testing.T) {
	l := newMemLedger()
	l.fail(true)
	p := NewPublisher(PublisherOptions{Ledger: l})
	require.ErrorIs(t, p.Run(t.Context()), errStoreBroken)
	p.Gone(1) // does not hang
}
