package store_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/internal/badline"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// newLine stands between a store and its Postgres.
func newLine(t *testing.T, dsn string) (line *badline.Line, through string) {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	line, err = badline.Listen(t.Context(), badline.Options{Target: net.JoinHostPort(config.Host, fmt.Sprint(config.Port))})
	require.NoError(t, err)
	t.Cleanup(line.Close)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Host = line.Addr()
	query := u.Query()
	query.Del("host")
	query.Del("port")
	u.RawQuery = query.Encode()
	return line, u.String()
}

// sever lets no new connection through, and ends those that are open.
func sever(t *testing.T, line *badline.Line, end func(*badline.Line) int) {
	t.Helper()
	require.NoError(t, line.Set(badline.Weather{Refuse: true}))
	require.Positive(t, end(line))
}

func mend(t *testing.T, line *badline.Line) {
	t.Helper()
	require.NoError(t, line.Set(badline.Weather{}))
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
	line, dsn := newLine(t, newPostgres(t).URL)
	s := openThrough(t, dsn, time.Second)
	record(t, s, 0, 10)
	require.NoError(t, s.Flush(t.Context()))

	sever(t, line, (*badline.Line).Cut)
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

	mend(t, line)
	require.NoError(t, s.Flush(t.Context()))
	require.True(t, s.Up())
	require.Equal(t, 21, count(t, s))
}

// A server that has not noticed that our connection broke still holds our lock.
func TestPostgresStaleSession(t *testing.T) {
	line, dsn := newLine(t, newPostgres(t).URL)
	s := openThrough(t, dsn, time.Minute)
	record(t, s, 0, 10)
	require.NoError(t, s.Flush(t.Context()))
	sever(t, line, (*badline.Line).HangUp)
	record(t, s, 10, 20)
	goesDown(t, s)
	mend(t, line)
	start := time.Now()
	require.NoError(t, s.Flush(t.Context()))
	require.Less(t, time.Since(start), 30*time.Second, "the lock was waited for")
	require.Equal(t, 20, count(t, s))
}

func TestPostgresTakenByAnotherDaemon(t *testing.T) {
	db := newPostgres(t)
	line, dsn := newLine(t, db.URL)
	s := openThrough(t, dsn, 100*time.Millisecond)
	record(t, s, 0, 10)
	require.NoError(t, s.Flush(t.Context()))
	sever(t, line, (*badline.Line).Cut)
	record(t, s, 10, 20)
	goesDown(t, s)
	other := openThrough(t, db.URL, time.Minute)
	mend(t, line)
	<-s.Done()
	require.ErrorIs(t, s.Err(), store.ErrLocked)
	require.ErrorIs(t, s.Flush(t.Context()), store.ErrLocked)
	require.Equal(t, 10, count(t, other), "nothing was written without the lock")
}

func TestPostgresReplacedWhileInUse(t *testing.T) {
	db := newPostgres(t)
	line, dsn := newLine(t, db.URL)
	s := openThrough(t, dsn, time.Second)
	sever(t, line, (*badline.Line).Cut)
	s.Apply([]sync.Row{sync.SaveRelay{URL: "wss://a.example"}}, 0)
	goesDown(t, s)
	db.Exec(t, `DELETE FROM goose_db_version WHERE version_id > 0`)
	mend(t, line)
	<-s.Done()
	var schema *store.SchemaError
	require.ErrorAs(t, s.Err(), &schema)
	require.ErrorContains(t, s.Err(), "restart")
}

func TestPostgresUnreachable(t *testing.T) {
	line, dsn := newLine(t, newPostgres(t).URL)
	require.NoError(t, line.Set(badline.Weather{Refuse: true}))
	_, err := store.Open(t.Context(), dsn, store.Options{})
	require.ErrorContains(t, err, line.Addr())
	require.ErrorContains(t, err, "; start that server, or correct host and port in database.url")
	require.NotErrorIs(t, err, store.ErrLocked)
	require.NotContains(t, err.Error(), "\n")
}
