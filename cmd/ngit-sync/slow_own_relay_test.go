package main

import (
	"fmt"
	"slices"
	gosync "sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
	"github.com/ngit-sync/ngit-sync/sync"
)

// ngitLimiter is ngit-relay's default: 15 events, then 3 in 3 minutes.
type ngitLimiter struct {
	mu      gosync.Mutex
	count   int
	at      time.Time
	kinds   []int // accepted
	refused int
}

func (l *ngitLimiter) policy(e *nostr.Event) *relaytest.Verdict {
	const burst, back, every = 15, 3, 3 * time.Minute
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.at.IsZero() {
		l.at = now
	}
	for ; now.Sub(l.at) >= every; l.at = l.at.Add(every) {
		l.count = max(0, l.count-back)
	}
	if l.count >= burst {
		l.refused++
		return &relaytest.Verdict{Reason: "rate-limited: slow down, please"}
	}
	l.count++
	l.kinds = append(l.kinds, e.Kind)
	return nil
}

// limitedOwn runs a daemon whose own relay has that policy until all is there, and gives how many events it was sent by its remote.
func limitedOwn(t *testing.T, policy func(*nostr.Event) *relaytest.Verdict, meanwhile func(w *world)) (received int) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		u, at := "ws://one.example.com", time.Now().Add(-240*time.Hour)
		var all []nostr.Event
		for i := range 4 {
			all = append(all, thread(newAuthor(i), fmt.Sprint("tool", i), at, 8, u)...)
		}
		one := w.remote("one.example.com", relaytest.Options{Events: all})
		w.own.Set(func(o *relaytest.Options) { o.Policy = policy })
		w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(u)}
		w.start()
		defer w.close(one)
		w.within(10*time.Minute, "all is asked for, and settled", func() bool { return w.phase(u) == sync.Connected })
		meanwhile(w)
		w.arrive(3*time.Hour, all...)
		w.within(time.Hour, "nothing waits", func() bool { return w.ring.publisher.Own().ToGive == 0 })
		received = w.received(u)
	})
	return received
}

// An own relay with ngit-relay's limiter ends up complete, announcements, states and roots first, and next to nothing is fetched again
// for it.
func TestOwnRelayThatLimitsTheRateEndsUpComplete(t *testing.T) {
	unlimited := limitedOwn(t, nil, func(*world) {})
	limit := &ngitLimiter{}
	received := limitedOwn(t, limit.policy, func(w *world) {
		own := w.ring.publisher.Own()
		require.Positive(t, own.PerSecond)
		require.Positive(t, own.ToGive)
		require.Greater(t, own.Left, 5*time.Minute)
	})
	t.Logf("%d events sent to us, %d without a limit; %d refused of %d accepted: %v", received, unlimited, limit.refused, len(limit.kinds), limit.kinds)
	require.Len(t, limit.kinds, 72)
	order := map[int]int{event.KindAnnouncement: 0, event.KindState: 1, event.KindIssue: 2, event.KindComment: 3}
	byOrder := func(a, b int) int { return order[a] - order[b] }
	require.True(t, slices.IsSortedFunc(limit.kinds[15:], byOrder), "once the rate is limited: %v", limit.kinds)
	require.Equal(t, slices.Repeat([]int{event.KindAnnouncement}, 4), limit.kinds[:4])
	require.LessOrEqual(t, received, unlimited+unlimited/3, "roots that are learned one by one are asked about one by one")
}

// ownAway runs a daemon whose own relay is away for so long, while history is paged and live events come, and gives how many events it
// was sent by its remotes until all is there.
func ownAway(t *testing.T, away time.Duration) (received int) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice, live, full := newAuthor(1), "ws://live.example.com", "ws://full.example.com"
		few := thread(alice, "few", time.Now().Add(-240*time.Hour), 5, live)
		many := thread(alice, "many", time.Now().Add(-2400*time.Hour), unlessRaced(2000, 200), full)
		one := w.remote("live.example.com", relaytest.Options{Events: few})
		two := w.remote("full.example.com", relaytest.Options{Events: many, PageCap: 200, Delay: time.Second})
		w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(live)}
		w.start()
		defer w.close(one, two)
		w.connected(live)
		one.Publish(many[0]) // names the other one
		w.within(time.Minute, "history is being paged", func() bool { return len(w.missing(many...)) < len(many)-100 })

		w.own.Down(away > 0)
		n := unlessRaced(1000, 100)
		for i := range n {
			e := alice.issue("few", time.Now(), fmt.Sprint("late ", i))
			one.Publish(e)
			few = append(few, e)
			<-time.After(max(away, time.Minute) / time.Duration(n))
		}
		synctest.Wait()
		if own := w.ring.publisher.Own(); away > 0 {
			require.Greater(t, own.Pending, n)
			require.InDelta(t, own.Pending, own.ToGive, 100)
		}
		w.own.Down(false)
		w.arrive(10*time.Minute, append(few, many...)...)
		w.within(time.Hour, "nothing waits", func() bool { return w.ring.publisher.Own().ToGive == 0 })
		w.connected(live, full)
		require.Equal(t, 1, one.Connections())
		require.Equal(t, 1, two.Connections())
		received = w.received(live) + w.received(full)
	})
	return received
}

// The own relay is away for two hours, while thousands of live and historic events come. All goes to the pending table, and
// into the own relay when it is back; next to nothing is fetched again for that.
func TestTheOwnRelayIsAwayForTwoHours(t *testing.T) {
	always, received := ownAway(t, 0), ownAway(t, 2*time.Hour)
	t.Logf("%d events sent to us, %d when it is not away", received, always)
	require.LessOrEqual(t, received, always+always/10)
}
