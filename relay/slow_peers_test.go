package relay

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// peer runs a connection to a scripted relay that hands what it brings to the publisher, and asks a batch of each kind.
func (s *shell) peer(id ConnID, script relaytest.Options, kind ...int) {
	r := relaytest.Start(s.t, script)
	reports, commands := make(chan Report), make(chan Command, len(kind))
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range reports {
		}
	}()
	o := ConnOptions{
		ID: id, URL: relayurl.URL(fmt.Sprintf("ws://peer%d.example", id)), Dialer: testDialer(r, nil), Sink: s.p, Reports: reports, Commands: commands,
	}
	go func() {
		defer close(reports)
		_ = NewConn(o).Run(ctx)
	}()
	s.t.Cleanup(func() {
		cancel()
		<-done
	})
	for n, k := range kind {
		commands <- AskBatch{Batch{ID: BatchID(n + 1), Filters: historicKinds(k)}}
	}
}

// historyBesides gives how long quick relays take to give these histories, each of kind 1621, after so many slow ones have begun to give theirs.
func historyBesides(t *testing.T, histories [][]nostr.Event, slow int, script relaytest.Options) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := startShell(t, relaytest.Options{})
		s.p.Observe(announced(repo("a", 1, "x", benchStart)))
		for n := range slow {
			s.peer(ConnID(100+n), script, 1, 2, 3, 4, 5, 6, 7)
		}
		time.Sleep(time.Second / 2)
		start := time.Now()
		for n, events := range histories {
			s.peer(ConnID(n+1), relaytest.Options{Events: events, PageCap: 1000, Delay: 50 * time.Millisecond, Concurrent: true}, 1621)
		}
		over := time.After(12 * time.Hour)
		for open, stored := len(histories), 0; open > 0; {
			select {
			case r := <-s.reports:
				if settled, ok := r.(Settled); ok && settled.ID < 100 {
					require.Empty(t, settled.Err)
					stored += settled.New
					if settled.Final {
						open--
					}
				}
			case <-over:
				require.Fail(t, "still at it", "%d slow: %d events", slow, stored)
			}
		}
		took = time.Since(start)
		s.finish()
	})
	return took
}

// Relays that give an event every 14 s, of seven pages at once, reserve more than the queue has places.
func TestSlowPeersHoldUpNobody(t *testing.T) {
	var many []nostr.Event
	for kind := 1; kind <= 7; kind++ {
		many = append(many, relaytest.Notes(30, kind, 100_000)...)
	}
	histories := make([][]nostr.Event, 3)
	for n := range histories {
		histories[n] = relaytest.Notes(1500, 1621, int64(100_000*(n+1)), toRepo(1, "x"))
	}
	trickling := relaytest.Options{Events: many, PageCap: 1000, Trickle: 14 * time.Second, Concurrent: true}
	alone := historyBesides(t, histories, 0, trickling)
	four, twenty := historyBesides(t, histories, 4, trickling), historyBesides(t, histories, 20, trickling)
	t.Logf("alone %s, with four slow ones %s, with twenty %s", alone, four, twenty)
	require.Less(t, four-alone, time.Second)
	require.Less(t, twenty-alone, 4*time.Second, "each of their pages is waited for once")
}

// What comes for credit that others have by now is read with room only.
func TestALatePageWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavy := make(chan chan<- struct{}, 1)
		script := relaytest.Options{Events: relaytest.Notes(200, 1, 100_000), Delay: creditAge}
		g := newRig(t, script, func(o *ConnOptions) { o.Sink.(*sinkhole).heavy = heavy })
		g.ask(1, kinds(1))
		time.Sleep(2 * creditAge)
		for n := lateEvents; n < 200; n += lateEvents {
			synctest.Wait()
			require.Len(t, g.sink.ids(1), n)
			(<-heavy) <- struct{}{}
		}
		require.Empty(t, g.wait(1).Err)
		require.Len(t, g.sink.ids(1), 200)
	})
}
