package main

import (
	"slices"
	gosync "sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
	"github.com/ngit-sync/ngit-sync/sync"
)

// limiter refuses questions for stored events for a while.
type limiter struct {
	mu     gosync.Mutex
	after  time.Duration // from the first question to the first refusal
	length time.Duration
	asked  []time.Time
	began  time.Time
}

func (l *limiter) refuse(_ string, filters []nostr.Filter) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if filters[0].LimitZero {
		return ""
	}
	now := time.Now()
	l.asked = append(l.asked, now)
	if now.Sub(l.asked[0]) >= l.after && l.began.IsZero() {
		l.began = now
	}
	if !l.began.IsZero() && now.Sub(l.began) < l.length {
		return "rate-limited: slow down there chief"
	}
	return ""
}

// moments are those of the questions in a stretch of time.
func (l *limiter) moments(from, until time.Time) []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []time.Time
	for _, at := range l.asked {
		if !at.Before(from) && at.Before(until) {
			out = append(out, at)
		}
	}
	return out
}

// gap is the usual time between two of the moments.
func gap(at []time.Time) time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, at[i].Sub(at[i-1]))
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// limitedWorld is a relay with 2,000 events on many pages, asked once a second at most.
func limitedWorld(t *testing.T, refuse func(string, []nostr.Filter) string) (*world, *relaytest.Relay, []nostr.Event) {
	w := newWorld(t)
	all := thread(newAuthor(1), "tool", time.Now().Add(-2400*time.Hour), 999, "ws://one.example.com")
	one := w.remote("one.example.com", relaytest.Options{
		Events: all, PageCap: 10, RefuseREQ: refuse, Document: `{"limitation":{"max_limit":10}}`,
	})
	w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
	w.cfg.Limits.ReqsPerMinute = 60
	return w, one, all
}

// A relay refuses everything for 64 s in the middle of paging. It is left alone for 65 s, then paging goes on where it was, at half the
// pace.
func TestRateLimitInTheMiddleOfPaging(t *testing.T) {
	const u = "ws://one.example.com"
	unlimited := 0
	synctest.Test(t, func(t *testing.T) {
		w, one, all := limitedWorld(t, nil)
		w.start()
		defer w.close(one)
		w.arrive(time.Hour, all...)
		w.connected(u)
		unlimited = w.received(u)
	})
	synctest.Test(t, func(t *testing.T) {
		limit := &limiter{after: time.Minute, length: 64 * time.Second}
		w, one, all := limitedWorld(t, limit.refuse)
		two := w.bystander()
		w.start()
		defer w.close(one, two)

		sleep(limit.after + 5*time.Second)
		require.EqualValues(t, health.RateLimited, w.gauge("relay_status", u))
		began := limit.began
		require.LessOrEqual(t, len(limit.moments(began, began.Add(65*time.Second))), 4, "what was on its way")
		before := gap(limit.moments(began.Add(-20*time.Second), began))
		require.InDelta(t, time.Second, before, float64(100*time.Millisecond), "the pace before it")
		require.Greater(t, len(w.missing(all...)), 500)

		sleep(time.Until(began.Add(2 * time.Minute)))
		require.NotEqualValues(t, health.RateLimited, w.gauge("relay_status", u))
		// What was saved up during the pause goes first.
		from := began.Add(65*time.Second + 30*time.Second)
		after := gap(limit.moments(from, from.Add(30*time.Second)))
		require.Greater(t, after, 3*before/2, "the pace is halved, and recovers slowly")
		w.arrive(20*time.Minute, all...)
		w.within(2*time.Hour, "connected", func() bool { return w.phase(u) == sync.Connected })
		require.InDelta(t, unlimited, w.received(u), 100, "little is fetched twice")
		require.Equal(t, 1, one.Connections())
	})
}
