package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Options of Open. The zero value is usable.
type Options struct {
	Log        *zap.Logger           // nil: no log
	Registerer prometheus.Registerer // nil: no metrics
	LockWait   time.Duration         // how long to wait for another daemon to go; 0: 5 s, the time that one needs to stop
	QueueRows  int                   // ledger and pending rows that wait for a database that is down; 0: 200,000
	QueueBytes int                   // the same in bytes; 0: 64 MiB
}

const (
	defaultLockWait   = 5 * time.Second
	defaultQueueRows  = 200_000
	defaultQueueBytes = 64 << 20
	migrateWait       = 30 * time.Second // a migration may follow another one that is at work
)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.LockWait <= 0 {
		o.LockWait = defaultLockWait
	}
	if o.QueueRows <= 0 {
		o.QueueRows = defaultQueueRows
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = defaultQueueBytes
	}
	return o
}

func openBackend(a address) (backend, error) {
	if a.sqlite != "" {
		return openSQLite(a.sqlite)
	}
	return openPostgres(a.postgres)
}

// Open takes the lock of the database, brings its schema forwards and starts the writer. The error is a *URLError, a
// *SchemaError, wraps ErrLocked, or says why the database cannot be used, and what to do about it.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	a, err := parseAddress(url)
	if err != nil {
		return nil, err
	}
	b, err := openBackend(a)
	if err != nil {
		return nil, err
	}
	log := opts.Log.With(zap.Stringer("database", a))
	if _, _, err := prepare(ctx, b, a, opts.LockWait, log); err != nil {
		return nil, errors.Join(err, b.detach(context.WithoutCancel(ctx)))
	}
	s := newStore(b, opts, log)
	s.start()
	return s, nil
}

func prepare(ctx context.Context, b backend, a address, wait time.Duration, log *zap.Logger) (from, to int64, err error) {
	if err := b.attach(ctx, wait, sayBlocked(log, wait)); err != nil {
		return 0, 0, advise(err)
	}
	if from, to, err = migrate(ctx, b); err != nil {
		return from, to, advise(fmt.Errorf("schema of %s: %w", a, err))
	}
	return from, to, nil
}

// sayBlocked tells the operator why nothing happens.
func sayBlocked(log *zap.Logger, wait time.Duration) func(holder string) {
	return func(holder string) {
		log.Info("database is locked, waiting", zap.String("holder", holder), zap.Duration("at_most", wait))
	}
}

// Migrate brings the schema forwards and does nothing else. Errors are those of Open; another migration at the same
// time is waited for.
func Migrate(ctx context.Context, url string, log *zap.Logger) (from, to int64, err error) {
	a, err := parseAddress(url)
	if err != nil {
		return 0, 0, err
	}
	b, err := openBackend(a)
	if err != nil {
		return 0, 0, err
	}
	if log == nil {
		log = zap.NewNop()
	}
	log = log.With(zap.Stringer("database", a))
	from, to, err = prepare(ctx, b, a, migrateWait, log)
	if err = errors.Join(err, b.detach(context.WithoutCancel(ctx))); err != nil {
		return from, to, err
	}
	log.Info("database schema", zap.Int64("from", from), zap.Int64("to", to))
	return from, to, nil
}
