package main

import (
	"flag"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
	"github.com/ngit-sync/ngit-sync/sync"
)

var dayCount = flag.Int("days", unlessRaced(2, 1), "how many days of virtual time TestDailyPasses lasts; each takes about 0.7 s")

// Every relay is gone over once a day, at a time of its own; live goes on meanwhile; what came into a relay's store without a word
// and dated back is found within 25 h; nothing grows.
func TestDailyPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const remotes = 3
		days := *dayCount
		w := newWorld(t)
		w.cfg.Sync.FullJitter = time.Hour
		alice := newAuthor(1)
		var relays []*relaytest.Relay
		var urls []string
		var written []nostr.Event
		for i := range remotes {
			host := fmt.Sprintf("r%d.example.com", i)
			urls = append(urls, "ws://"+host)
			events := thread(alice, fmt.Sprint("tool", i), time.Now().Add(-240*time.Hour), 20, urls[i])
			relays = append(relays, w.remote(host, relaytest.Options{Events: events}))
			w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, relayurl.URL(urls[i]))
			written = append(written, events...)
		}
		w.start()
		defer w.close(relays...)
		w.connected(urls...)
		w.arrive(0, written...)
		first := time.Now()
		goroutines := runtime.NumGoroutine()

		live := 0
		for day := range days {
			var slipped []nostr.Event
			for i, r := range relays {
				slipped = append(slipped, alice.issue(fmt.Sprint("tool", i), time.Now().Add(-time.Duration(2+day)*24*time.Hour), fmt.Sprint("slipped in ", day)))
				slip(r, slipped[i])
			}
			for hour := range 25 {
				e := alice.issue(fmt.Sprint("tool", hour%remotes), time.Now().Add(-time.Minute), fmt.Sprint("live ", day, " ", hour))
				relays[hour%remotes].Publish(e)
				live++
				sleep(time.Second)
				require.Empty(t, w.missing(e), "live, whatever else goes on")
				written = append(written, e)
				sleep(59*time.Minute + 59*time.Second)
			}
			require.Empty(t, w.missing(slipped...), "found within 25 h")
			written = append(written, slipped...)
		}
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+20) // fewer: what tests before this one have left over has ended
		ends := map[time.Time]bool{}
		for i, r := range relays {
			passes := fullPasses(r, alice.coordinate(fmt.Sprint("tool", i)), first)
			require.Len(t, passes, days, urls[i])
			last := first
			for _, at := range passes {
				require.InDelta(t, 24*time.Hour, at.Sub(last), float64(time.Hour+time.Minute), "%s: from pass to pass", urls[i])
				last = at
			}
			ends[last] = true
			require.Equal(t, sync.Connected, w.phase(urls[i]))
			require.Equal(t, 1, r.Connections())
			require.Less(t, w.received(urls[i]), (days+2)*len(r.Events())*2, "events that were sent to us")
		}
		require.Len(t, ends, remotes, "each at a time of its own")
		require.Len(t, w.own.Received(), len(written), "nothing is published twice")
	})
}

// fullPasses is when a repo's events were asked for without since and limit, after that moment: once in each pass.
func fullPasses(r *relaytest.Relay, coordinate string, after time.Time) []time.Time {
	var out []time.Time
	for _, q := range r.Requests() {
		for _, f := range q.Filters {
			values := f.Tags["a"]
			if q.At.After(after) && !f.LimitZero && f.Since == nil && f.Until == nil && len(values) > 0 && values[0] == coordinate &&
				(len(out) == 0 || q.At.Sub(out[len(out)-1]) > time.Hour) {
				out = append(out, q.At)
			}
		}
	}
	return out
}
