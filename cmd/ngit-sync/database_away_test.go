package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
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

// takeAway makes a SQLite database one that can neither be read nor written, at once and without a wait, until it is given back.
func takeAway(t *testing.T, database string) (giveBack func()) {
	t.Helper()
	run := func(query string) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(database, "sqlite:")+"?_pragma=busy_timeout(10000)")
		require.NoError(t, err)
		_, err = db.ExecContext(context.Background(), query)
		require.NoError(t, errors.Join(err, db.Close()))
	}
	run("ALTER TABLE ledger RENAME TO away")
	return func() {
		t.Helper()
		run("ALTER TABLE away RENAME TO ledger")
	}
}

// rows counts what the ledger has.
func (w *world) rows(events ...nostr.Event) (found int) {
	w.t.Helper()
	for _, e := range events {
		id, err := event.ParseID(e.ID)
		require.NoError(w.t, err)
		_, known, err := w.store.Explain(w.t.Context(), id)
		require.NoError(w.t, err)
		if known {
			found++
		}
	}
	return found
}

// The database goes away for ten minutes, in the middle of the first sync, and comes back: the own relay is served from memory
// meanwhile, and nothing is lost or asked twice.
func TestRingOutlivesAnOutageOfTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const u = "ws://one.example.com"
		w := newWorld(t)
		alice := newAuthor(1)
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 100, u)
		one := w.remote("one.example.com", relaytest.Options{Events: old, PageCap: 20, Delay: time.Second})
		w.cfg.Sync.Bootstrap = []relayurl.URL{u}
		w.start()
		w.within(time.Minute, "a part", func() bool { return len(w.missing(old...)) < len(old)-50 })
		giveBack := takeAway(t, w.database)
		orphan := newAuthor(3).comment(alice.issue("tool", time.Now(), "not there yet"), time.Now())
		one.Publish(orphan)
		all := old
		for i := range 100 {
			e := alice.issue("tool", time.Now(), fmt.Sprint("late ", i))
			one.Publish(e)
			all = append(all, e)
			sleep(6 * time.Second)
			require.Empty(t, w.missing(e), "live events get through")
		}
		require.False(t, w.store.Up())
		require.Empty(t, w.missing(all...), "history too")
		giveBack()
		w.within(time.Minute, "it is back", w.store.Up)
		w.connected(u)
		require.Equal(t, len(all), w.rows(all...))
		sleep(time.Minute)
		require.Equal(t, 1, one.Connections())
		w.stop()

		received := w.received(u)
		require.Less(t, received, 2*len(all))
		w.start()
		defer w.close(one)
		w.connected(u)
		sleep(time.Minute)
		require.Less(t, w.received(u), len(all)/2, "what is confirmed is not asked again")
	})
}

// The database is away for so long that memory runs full: no more is asked for, live events go on, and when it is back
// everything is asked again over the same connection.
func TestRingOutlivesALongOutageOfTheDatabase(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		t.Run(fmt.Sprint("negentropy ", speaks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const u = "ws://one.example.com"
				w := newWorld(t)
				w.stored.QueueRows = 150
				alice := newAuthor(1)
				old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 100, u)
				one := w.remote("one.example.com", relaytest.Options{
					Events: old, PageCap: 20, Delay: time.Second, Negentropy: relaytest.Negentropy{Speak: speaks},
				})
				w.cfg.Sync.Bootstrap = []relayurl.URL{u}
				w.start()
				w.connected(u)
				giveBack := takeAway(t, w.database)
				var late []nostr.Event
				for i := range 100 {
					e := alice.issue("tool", time.Now(), fmt.Sprint("late ", i))
					one.Publish(e)
					late = append(late, e)
					sleep(6 * time.Second)
				}
				more := thread(alice, "other", time.Now().Add(-240*time.Hour), 100, u)
				slip(one, more[1:]...)
				one.Publish(more[0])
				sleep(time.Minute)
				require.Empty(t, w.missing(late...), "live events get through")
				require.True(t, w.store.Full())
				require.NotEmpty(t, w.missing(more...), "history is not asked for without room for its rows")
				received := w.received(u)
				giveBack()
				w.arrive(5*time.Minute, append(late, more...)...)
				w.connected(u)
				require.Equal(t, 1, one.Connections())
				again := w.received(u) - received
				require.Equal(t, speaks, again < 2*len(more)+len(late), "what is known is not downloaded again by reconciling: %d", again)
				sleep(2 * time.Minute)
				w.stop()

				w.stored.QueueRows = 0
				w.start()
				defer w.close(one)
				w.connected(u)
				require.Less(t, w.received(u), len(old), "what was asked again is confirmed, on disk")
				require.Equal(t, sync.Connected, w.phase(u))
			})
		})
	}
}
