package store_test

import (
	"context"
	"io"
	"net"
	"net/url"
	gosync "sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// wire stands between a store and its Postgres and can be cut.
type wire struct {
	listener net.Listener
	network  string
	server   string

	mu    gosync.Mutex // guards everything that follows
	cut   bool
	left  map[net.Conn]bool // towards the store
	right map[net.Conn]bool // towards the server
	wg    gosync.WaitGroup
}

func newWire(t *testing.T, dsn string) (w *wire, through string) {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	w = &wire{left: map[net.Conn]bool{}, right: map[net.Conn]bool{}}
	w.network, w.server = pgconn.NetworkAddress(config.Host, config.Port)
	w.listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		w.listener.Close()
		w.sever(true)
		w.wg.Wait()
	})
	return w, throughAddr(t, dsn, w.listener.Addr().String())
}

// throughAddr is a database's URL by way of another address.
func throughAddr(t *testing.T, dsn, addr string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Host = addr
	query := u.Query()
	query.Del("host")
	query.Del("port")
	u.RawQuery = query.Encode()
	return u.String()
}

func (w *wire) accept() {
	for {
		left, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		cut := w.cut
		w.mu.Unlock()
		if cut {
			left.Close()
			continue
		}
		right, err := net.DialTimeout(w.network, w.server, 10*time.Second)
		if err != nil {
			left.Close()
			continue
		}
		w.mu.Lock()
		w.left[left], w.right[right] = true, true
		w.mu.Unlock()
		w.wg.Go(func() { io.Copy(right, left) }) //nolint:errcheck // ends when cut
		w.wg.Go(func() {
			io.Copy(left, right) //nolint:errcheck // ends when cut
			left.Close()
		})
	}
}

// sever cuts every connection and refuses new ones. The server hears of it only when told.
func (w *wire) sever(tellServer bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.left {
		c.Close()
	}
	clear(w.left)
	if tellServer {
		for c := range w.right {
			c.Close()
		}
		clear(w.right)
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

func issue(t *testing.T, n int) *event.Event { return benchEvent(t, n) }

func openThrough(t *testing.T, dsn string, wait time.Duration) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dsn, store.Options{Log: zaptest.NewLogger(t), LockWait: wait})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.Close(ctx) //nolint:errcheck // the test says how it ends
	})
	return s
}

func record(t *testing.T, s *store.Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		s.Record(relay.Entry{Event: issue(t, n), Disposition: relay.Stored, At: time.Now()})
	}
}

func count(t *testing.T, s *store.Store) int {
	t.Helper()
	n := 0
	require.NoError(t, s.LoadKnown(t.Context(), func(event.ID, relay.Disposition) { n++ }))
	return n
}

func goesDown(t *testing.T, s *store.Store) {
	t.Helper()
	require.Eventually(t, func() bool { return !s.Up() }, time.Minute, time.Millisecond)
}

func TestPostgresConnectionLost(t *testing.T) {
	w, dsn := newWire(t, newPostgres(t).URL)
	s := openThrough(t, dsn, time.Second)
	record(t, s, 0, 10)
	require.NoError(t, s.Flush(t.Context()))

	w.sever(true)
	record(t, s, 10, 20)
	waiting := relay.Waiting{Event: issue(t, 20), ID: issue(t, 20).ID, Kind: issue(t, 20).Kind, Cause: relay.CausePace}
	s.Park(waiting)
	goesDown(t, s)
	got, err := s.WaitingEvents(t.Context(), []event.ID{waiting.ID})
	require.NoError(t, err, "what is not written yet needs no database")
	require.Equal(t, []relay.Waiting{waiting}, got)
	_, err = s.WaitingEvents(t.Context(), []event.ID{issue(t, 1).ID})
	require.Error(t, err, "what is not known to be absent is not said to be")
	_, err = s.Load(t.Context())
	require.Error(t, err)

	w.mend()
	require.NoError(t, s.Flush(t.Context()))
	require.True(t, s.Up())
	require.Equal(t, 21, count(t, s))
}

// A server that has not noticed that our connection broke still holds our lock.
func TestPostgresStaleSession(t *testing.T) {
	w, dsn := newWire(t, newPostgres(t).URL)
	s := openThrough(t, dsn, time.Minute)
	record(t, s, 0, 10)
	require.NoError(t, s.Flush(t.Context()))
	w.sever(false)
	record(t, s, 10, 20)
	goesDown(t, s)
	w.mend()
	start := time.Now()
	require.NoError(t, s.Flush(t.Context()))
	require.Less(t, time.Since(start), 30*time.Second, "the lock was waited for")
	require.Equal(t, 20, count(t, s))
}

func TestPostgresTakenByAnotherDaemon(t *testing.T) {
	db := newPostgres(t)
	w, dsn := newWire(t, db.URL)
	s := openThrough(t, dsn, 100*time.Millisecond)
	record(t, s, 0, 10)
	require.NoError(t, s.Flush(t.Context()))
	w.sever(true)
	record(t, s, 10, 20)
	goesDown(t, s)
	other := openThrough(t, db.URL, time.Minute)
	w.mend()
	<-s.Done()
	require.ErrorIs(t, s.Err(), store.ErrLocked)
	require.ErrorIs(t, s.Flush(t.Context()), store.ErrLocked)
	require.Equal(t, 10, count(t, other), "nothing was written without the lock")
}

func TestPostgresReplacedWhileInUse(t *testing.T) {
	db := newPostgres(t)
	w, dsn := newWire(t, db.URL)
	s := openThrough(t, dsn, time.Second)
	w.sever(true)
	s.Apply([]sync.Row{sync.SaveRelay{URL: "wss://a.example"}}, 0)
	goesDown(t, s)
	db.Exec(t, `DELETE FROM goose_db_version WHERE version_id > 0`)
	w.mend()
	<-s.Done()
	var schema *store.SchemaError
	require.ErrorAs(t, s.Err(), &schema)
	require.ErrorContains(t, s.Err(), "restart")
}

func TestPostgresUnreachable(t *testing.T) {
	w, dsn := newWire(t, newPostgres(t).URL)
	w.sever(true)
	_, err := store.Open(t.Context(), dsn, store.Options{})
	require.ErrorContains(t, err, w.listener.Addr().String())
	require.ErrorContains(t, err, "; start that server, or correct host and port in database.url")
	require.NotErrorIs(t, err, store.ErrLocked)
	require.NotContains(t, err.Error(), "\n")
}
