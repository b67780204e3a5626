package main

import (
	"fmt"
	gosync "sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

const (
	kindLabel = 1985 // names a repo by `a` alone: exactly one filter asks for it
	// againMost bounds what a cut may have the daemon fetch twice, in events, however long the pass: a connection's share of the
	// publisher's queue, the pages in front of it and behind it, and what the store had not written. It is 5 % of 100,000, the size
	// that `go run ./bench resume` measures.
	againMost = 5000
)

// labelled is so much that a half of it, fetched twice, is more than againMost.
var labelled = unlessRaced(20_000, 12_000)

// labels are so many events about repos of one owner, two a second, the newest first.
func labels(owner author, repos, n int) []nostr.Event {
	out := make([]nostr.Event, n)
	at := time.Now().Add(-200 * 24 * time.Hour)
	var wg gosync.WaitGroup
	for half := range 2 {
		wg.Go(func() {
			for i := half; i < n; i += 2 {
				out[i] = newAuthor(1000+i%7).sign(kindLabel, at.Add(-time.Duration(i/2)*time.Second),
					nostr.Tag{"a", owner.coordinate(fmt.Sprint("repo-", i%repos))}, nostr.Tag{"l", fmt.Sprint(i)})
			}
		})
	}
	wg.Wait()
	return out
}

// A historic pass that is cut off in its middle goes on where it had settled.
func TestBinaryGoesOnWhereAPassHadSettled(t *testing.T) {
	t.Setenv("NGIT_SYNC_HEALTH_BASE_BACKOFF", "200ms")
	tests := []struct {
		name  string
		repos int
		kill  bool
	}{
		{name: "connection lost twice", repos: 1},
		{name: "kill -9", repos: 250, kill: true},
	}
	alice := newAuthor(1)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			own := relaytest.Start(t, relaytest.Options{})
			events := labels(alice, tt.repos, labelled)
			one := relaytest.Start(t, relaytest.Options{Events: events})
			ownURL, oneURL := serve(t, own, "127.0.0.1:0"), serve(t, one, "127.0.0.1:0")
			for i := range tt.repos {
				one.Publish(alice.announce(fmt.Sprint("repo-", i), time.Now().Add(-time.Hour), oneURL))
			}
			args := []string{"--own-relay", ownURL, "--domain", testDomain, "--bootstrap", oneURL}
			database := inSQLite(t.TempDir())
			arrived := func(share float64) func() bool {
				return func() bool { return len(own.Events()) >= int(share*float64(labelled))+tt.repos }
			}

			p := startBinary(t, database, args...)
			if tt.kill {
				eventually(t, "a half has arrived", arrived(0.5))
				require.Error(t, p.end(syscall.SIGKILL))
				p = startBinary(t, database, args...)
			} else {
				for _, share := range []float64{1. / 3, 2. / 3} {
					eventually(t, "a part has arrived", arrived(share))
					one.Drop()
				}
			}
			eventually(t, "all has arrived", arrived(1))
			caughtUp(t, p, oneURL)
			require.Equal(t, labelled, held(own, events))
			again := one.Sent() - labelled
			t.Logf("%d events were sent twice", again)
			require.Less(t, again, againMost)
			require.NoError(t, p.end(syscall.SIGTERM))
		})
	}
}

// What a cut leaves to which look: the rest of the pass finds what is dated below the point where it had settled, the look beside it what is
// dated after its start, and the daily pass what is dated in between.
func TestWhatWasPublishedDuringACutArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		w := newWorld(t)
		well := w.bystander()
		url := "ws://cut.example.com"
		a := newAuthor(1)
		events := manyIssues(a, "tool", n, url) // a minute apart
		oldest := time.Unix(int64(events[1].CreatedAt), 0)
		r := w.remote("cut.example.com", relaytest.Options{Events: events, PageCap: 5, Delay: time.Second})
		w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, relayurl.URL(url))
		w.start()
		w.within(time.Hour, "a half has arrived", func() bool { return len(w.missing(events...)) <= n/2 })
		r.Down(true)
		sleep(time.Second)
		recent := a.issue("tool", time.Now(), "recent")
		below := a.issue("tool", oldest.Add(time.Minute/2), "below")
		above := a.issue("tool", oldest.Add((n-10)*time.Minute), "above")
		r.Publish(recent, below, above)
		r.Down(false)
		w.arrive(10*time.Minute, append(events, recent, below)...)
		w.connected(url)
		require.Len(t, w.missing(above), 1, "no look reaches there before the daily pass")
		w.arrive(26*time.Hour, above)
		w.close(r, well)
	})
}
