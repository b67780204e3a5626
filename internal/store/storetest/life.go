package storetest

import (
	"context"
	"errors"
	gosync "sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

func testClose(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	for i := range 3000 {
		s.Record(recorded(note(t, i), relay.Stored, "", alpha, t0))
	}
	shut(t, s)
	<-s.Done()
	require.NoError(t, s.Err())
	require.False(t, s.Up())
	require.True(t, s.Full(), "nothing more is taken")
	s.Record(recorded(note(t, 9999), relay.Stored, "", alpha, t0))
	s.Apply([]sync.Row{sync.SaveRelay{URL: alpha}}, 0)
	require.NoError(t, s.Flush(deadline(t)))
	require.NoError(t, s.Close(deadline(t)), "again")
	_, err := s.Load(deadline(t))
	require.Error(t, err)

	s = open(t, db, store.Options{})
	require.Len(t, known(t, s), 3000)
	require.Empty(t, load(t, s).Relays)
}

func testCloseBlocked(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	release := db.Block(t)
	s.Record(recorded(note(t, 1), relay.Stored, "", alpha, t0))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Flush(ctx), context.DeadlineExceeded)
	start := time.Now()
	err := s.Close(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "1 rows not written")
	require.Less(t, time.Since(start), 20*time.Second)
	release()
	s = open(t, db, store.Options{})
	require.Empty(t, known(t, s))
}

func testSecondDaemon(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	for range 3 { // from the first moment on
		_, err := store.Open(t.Context(), db.URL, store.Options{LockWait: 10 * time.Millisecond})
		require.ErrorIs(t, err, store.ErrLocked)
		require.ErrorContains(t, err, "another ngit-sync uses this database (")
		require.ErrorContains(t, err, "stop that one, or give this one a database of its own")
	}

	// The first one is none the worse, and one that waits gets in when it goes.
	s.Record(recorded(note(t, 1), relay.Stored, "", alpha, t0))
	flush(t, s)
	heard, log := hear(t)
	next := make(chan error, 1)
	go func() {
		second, err := store.Open(t.Context(), db.URL, store.Options{LockWait: patience, Log: log})
		if err == nil {
			err = second.Close(context.WithoutCancel(t.Context()))
		}
		next <- err
	}()
	<-heard
	shut(t, s)
	require.NoError(t, <-next)

	s = open(t, db, store.Options{})
	heard, log = hear(t)
	go func() {
		_, _, err := store.Migrate(t.Context(), db.URL, log)
		next <- err
	}()
	<-heard
	shut(t, s)
	require.NoError(t, <-next)
}

// hear makes a log whose channel delivers when somebody says that he waits for the lock.
func hear(t *testing.T) (heard chan struct{}, log *zap.Logger) {
	t.Helper()
	heard = make(chan struct{}, 1)
	log = zaptest.NewLogger(t, zaptest.WrapOptions(zap.Hooks(func(e zapcore.Entry) error {
		if e.Message == "database is locked, waiting" {
			heard <- struct{}{}
		}
		return nil
	})))
	return heard, log
}

func testNewerSchema(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	s.Record(recorded(note(t, 1), relay.Stored, "", alpha, t0))
	shut(t, s)
	db.Exec(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999999, true)`)
	var schema *store.SchemaError
	_, err := store.Open(t.Context(), db.URL, store.Options{})
	require.ErrorAs(t, err, &schema)
	require.EqualValues(t, 999999, schema.Have)
	require.ErrorContains(t, err, "newer ngit-sync")
	_, _, err = store.Migrate(t.Context(), db.URL, nil)
	require.ErrorAs(t, err, &schema)

	db.Exec(t, `DELETE FROM goose_db_version WHERE version_id = 999999`)
	s = open(t, db, store.Options{})
	require.Len(t, known(t, s), 1, "a refused start has changed nothing")
}

func testMigrations(t *testing.T, db Database) {
	type result struct {
		from, to int64
		err      error
	}
	results := make(chan result)
	for range 4 {
		go func() {
			from, to, err := store.Migrate(t.Context(), db.URL, zaptest.NewLogger(t))
			results <- result{from, to, err}
		}()
	}
	fresh := 0
	for range 4 {
		r := <-results
		require.NoError(t, r.err)
		require.Positive(t, r.to)
		if r.from == 0 {
			fresh++
		} else {
			require.Equal(t, r.to, r.from)
		}
	}
	require.Equal(t, 1, fresh, "one of them made the schema")
	require.Empty(t, known(t, open(t, db, store.Options{})))
}

func testConcurrent(t *testing.T, db Database) {
	const givers, each = 8, 150
	s := open(t, db, store.Options{})
	events := make([]relay.Waiting, givers*each)
	for i := range events {
		events[i] = parked(note(t, i), relay.CausePace)
	}
	errs := make(chan error, 2*givers)
	var wg gosync.WaitGroup
	for g := range givers {
		wg.Go(func() {
			var last relay.Seq
			for _, w := range events[g*each : (g+1)*each] {
				s.Park(w)
				s.Record(relay.Entry{Event: w.Event, Disposition: relay.Stored, At: t0})
				seq := s.Unpark(w.ID)
				if seq <= last {
					errs <- errors.New("numbers do not increase")
				}
				last = seq
				s.Apply([]sync.Row{sync.SaveRelay{URL: alpha}}, seq)
			}
		})
		wg.Go(func() {
			for _, w := range events[g*each : (g+1)*each] {
				x, found, err := s.Explain(t.Context(), w.ID)
				if err != nil || found && x.Disposition != relay.Parked && x.Disposition != relay.Stored {
					errs <- errors.Join(err, errors.New("neither parked nor stored"))
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, known(t, s), givers*each)
	require.Empty(t, waiting(t, s))
}

func testThroughput(t *testing.T, db Database) {
	const n = 20_000
	s := open(t, db, store.Options{})
	entries := make([]relay.Entry, n)
	for i := range entries {
		entries[i] = recorded(note(t, i, []string{"a", "30617:x:y"}, []string{"e", hexID(key2id(i % 100))}), relay.Stored, "", alpha, t0)
	}
	start := time.Now()
	for _, e := range entries {
		s.Record(e)
	}
	given := time.Since(start)
	flush(t, s)
	took := time.Since(start)
	t.Logf("%d rows given in %s, written in %s: %.0f/s", n, given, took, n/took.Seconds())
	require.Less(t, given, 10*time.Second, "giving rows does not wait for the database")
	require.Len(t, known(t, s), n)
}

// gauges reads what a registry exports, by name and label value.
func gauges(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

func testGauges(t *testing.T, db Database) {
	expect := func(reg *prometheus.Registry, stored, rejected, pending, up float64) {
		t.Helper()
		g := gauges(t, reg)
		require.InDelta(t, stored, g["ngit_sync_ledger_events stored"], 0)
		require.InDelta(t, rejected, g["ngit_sync_ledger_events rejected"], 0)
		require.InDelta(t, pending, g["ngit_sync_ledger_events pending"], 0)
		require.InDelta(t, pending, g["ngit_sync_store_pending_rows"], 0)
		require.InDelta(t, up, g["ngit_sync_store_up"], 0)
	}
	reg := prometheus.NewRegistry()
	s := open(t, db, store.Options{Registerer: reg})
	for i := range 10 {
		s.Record(recorded(note(t, i), relay.Stored, "", alpha, t0))
		s.Park(parked(note(t, 100+i), relay.CausePace))
	}
	flush(t, s)
	expect(reg, 10, 0, 10, 1)
	for i := range 4 {
		s.Record(recorded(note(t, i), relay.Rejected, "", alpha, t0))
		s.Park(parked(note(t, 100+i), relay.CauseRetry))
	}
	s.Forget(ids(note(t, 0), note(t, 9), note(t, 100), note(t, 555)))
	s.Unpark(note(t, 101).ID)
	s.Unpark(note(t, 1).ID)
	flush(t, s)
	expect(reg, 5, 3, 8, 1)
	shut(t, s)
	expect(reg, 5, 3, 8, 0)

	reg = prometheus.NewRegistry()
	s = open(t, db, store.Options{Registerer: reg})
	s.Record(recorded(note(t, 200), relay.Stored, "", alpha, t0))
	flush(t, s)
	expect(reg, 6, 3, 8, 1)
	require.Contains(t, gauges(t, reg), "ngit_sync_ledger_events tombstone", "present when zero")
}
