package store

import (
	"context"
	"errors"
	"fmt"
	gosync "sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// Store is one open database. All methods may be called from any goroutine.
type Store struct {
	backend backend
	queue   *queue
	writer  *writer
	metrics *Metrics
	log     *zap.Logger

	up      atomic.Bool
	stop    context.CancelFunc
	done    chan struct{}
	err     error // read after done
	closing gosync.Once
	closed  error // of the first Close, which others wait for
}

var (
	_ relay.Ledger = (*Store)(nil)
	_ sync.Store   = (*Store)(nil)
	_ sync.Ledger  = (*Store)(nil)
)

// newStore makes a store of a backend that has been attached, with the schema in place.
func newStore(b backend, opts Options, log *zap.Logger) *Store {
	s := &Store{backend: b, metrics: NewMetrics(opts.Registerer), log: log, done: make(chan struct{})}
	s.queue = newQueue(bounds{opts.QueueRows, opts.QueueBytes}, func(n int) { s.metrics.dropped.Add(float64(n)) })
	s.writer = &writer{
		queue: s.queue, backend: b, metrics: s.metrics, log: log, up: s.setUp, wait: opts.LockWait, held: true,
		schema: func(ctx context.Context) error { return checkSchema(ctx, b) },
	}
	return s
}

// start runs the writer until Close, or until the database is lost to another daemon.
func (s *Store) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.setUp(true)
	go func() {
		defer close(s.done)
		if s.err = s.writer.run(ctx); s.err != nil {
			s.log.Error("database lost for good", zap.Error(s.err))
			s.setUp(false)
			s.queue.close(s.err)
		}
	}()
}

func (s *Store) setUp(up bool) {
	s.up.Store(up)
	var v float64
	if up {
		v = 1
	}
	s.metrics.up.Set(v)
}

// Up reports whether the last write or check of the database succeeded.
func (s *Store) Up() bool { return s.up.Load() }

// Full reports that rows pile up unwritten, and that some may soon be dropped: nothing more should be asked for.
func (s *Store) Full() bool { return s.queue.full() }

// Lost delivers the number of the newest row that was dropped, whenever one was. What rests on rows up to it may not be
// confirmed: the owner of the confirms forgets them, asks again, and calls Recover.
func (s *Store) Lost() <-chan relay.Seq { return s.queue.lost }

// Done is closed when nothing is written any more: after Close, or when Err says why.
func (s *Store) Done() <-chan struct{} { return s.done }

// Err is why the store stopped by itself: it wraps ErrLocked or is a *SchemaError. nil before Done and after Close.
func (s *Store) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Flush waits until everything queued so far is written, or dropped for good. It fails with ctx, and when the store
// stopped by itself.
func (s *Store) Flush(ctx context.Context) error { return s.queue.flush(ctx) }

// Close takes no more rows, writes what is queued, as long as ctx allows, and gives the database back. Only the first call
// counts.
func (s *Store) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closed = s.shut(ctx) })
	return s.closed
}

func (s *Store) shut(ctx context.Context) error {
	s.queue.close(ErrClosed)
	err := s.queue.flush(ctx)
	s.stop()
	<-s.done
	if err != nil {
		err = fmt.Errorf("close store, %d rows not written: %w", s.queue.length(), err)
	}
	s.setUp(false)
	return errors.Join(err, s.backend.detach(context.WithoutCancel(ctx)))
}
