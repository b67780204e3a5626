package main

import (
	"database/sql"
	"flag"
	"path/filepath"
	gosync "sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

var restartStride = flag.Int("restart-stride", unlessRaced(5, 20), "TestRestartAtEachPoint takes every so many of the points; crashes at a page are all taken")

const restartPoints = 60

// The daemon ends after each of its first frames to the remote relay, or to its own, and is started again a minute later. However
// it ends, all is there soon, and not only with the daily pass.
func TestRestartAtEachPoint(t *testing.T) {
	for _, tt := range []struct {
		name, host string
		crash      bool
		stride     int
	}{
		{"crash at a question", "one.example.com", true, unlessRaced(1, 15)},
		{"crash at an event", ownHost, true, *restartStride},
		{"stop at a question", "one.example.com", false, *restartStride},
		{"stop at an event", ownHost, false, *restartStride},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := 1; n <= restartPoints && !t.Failed(); n += tt.stride {
				synctest.Test(t, func(t *testing.T) {
					defer func() {
						if t.Failed() {
							t.Logf("at frame %d", n)
						}
					}()
					restartAt(t, tt.host, n, tt.crash)
				})
			}
		})
	}
}

// restartAt ends the daemon at its n-th frame to a host. After a crash the database is what was committed then, and the own relay
// has heard nothing since.
func restartAt(t *testing.T, host string, n int, crash bool) {
	const answer = 20 * time.Millisecond // rows are committed between two answers, or not
	w := newWorld(t)
	alice, u := newAuthor(1), "ws://one.example.com"
	all := thread(alice, "tool", time.Now().Add(-240*time.Hour), 12, u)
	one := w.remote("one.example.com", relaytest.Options{
		Events: all, PageCap: 3, Delay: answer, Negentropy: relaytest.Negentropy{Speak: n%2 == 0, Delay: answer},
	})
	w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(u)}
	reached, crashed := make(chan struct{}), filepath.Join(t.TempDir(), "crashed.db")
	end := gosync.OnceFunc(func() {
		if crash {
			copyDatabase(w.database, crashed)
			w.own.Down(true)
		}
		close(reached)
	})
	var frames atomic.Int64
	w.lines.watch(func(to string) {
		if to == host && frames.Add(1) == int64(n) {
			end()
		}
	})
	w.start()
	select {
	case <-reached:
	case <-time.After(30 * time.Second): // there are no more frames than this
		end()
	}
	w.lines.watch(nil)
	w.stop()
	w.own.Down(false)
	if crash {
		w.database = "sqlite:" + crashed
	}

	late := thread(alice, "other", time.Now(), 2, u)
	late = append(late, alice.issue("tool", time.Now(), "late"), newAuthor(2).comment(all[2], time.Now().Add(-10*time.Minute)))
	one.Publish(late...)
	<-time.After(time.Minute)
	w.start()
	defer w.close(one)
	w.arrive(3*time.Minute, append(all, late...)...)
}

// copyDatabase keeps what has been committed so far.
func copyDatabase(from, to string) {
	db, err := sql.Open("sqlite", "file:"+from[len("sqlite:"):]+"?_pragma=busy_timeout(2000)")
	if err == nil {
		_, err = db.Exec("VACUUM INTO ?", to)
	}
	if err != nil {
		panic(err) // in a goroutine of the daemon
	}
	_ = db.Close()
}
