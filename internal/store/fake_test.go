package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	gosync "sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

var (
	errDown = errors.New("connection refused")
	errData = errors.New("value out of range")

	emptyWaiting relay.Waiting
)

// fakeBackend is a database in memory that fails on demand.
type fakeBackend struct {
	backend
	poison event.ID
	busy   time.Duration // time of one transaction

	mu       gosync.Mutex // guards everything that follows
	down     error        // what attach and transact say
	attached int
	tried    []time.Time
	groups   [][]event.ID // ids of committed ledger rows, by transaction
	at       []time.Time  // of the commits
	stmts    []stmt
}

// fail makes the database say an error, nil for none, and forgets what was tried and written before.
func (b *fakeBackend) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down, b.tried, b.stmts = err, nil, nil
}

func (b *fakeBackend) state() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down
}

func (b *fakeBackend) tries() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.tried)
}

func (b *fakeBackend) written() []stmt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.stmts)
}

func (b *fakeBackend) rows() []event.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Concat(b.groups...)
}

func (b *fakeBackend) attach(context.Context, time.Duration, func(string)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tried = append(b.tried, time.Now())
	if b.down == nil {
		b.attached++
	}
	return b.down
}

func (b *fakeBackend) transact(ctx context.Context, fn func(tx) error) error {
	if err := b.state(); err != nil {
		return err
	}
	t := &fakeTx{b: b}
	if err := fn(t); err != nil {
		return err
	}
	select {
	case <-time.After(b.busy):
	case <-ctx.Done():
		return ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups, b.at, b.stmts = append(b.groups, t.ids), append(b.at, time.Now()), append(b.stmts, t.stmts...)
	return nil
}

func (b *fakeBackend) counts(context.Context) (counts, error) { return counts{}, nil }
func (b *fakeBackend) ping(context.Context) error             { return b.state() }
func (b *fakeBackend) refuses(err error) bool                 { return errors.Is(err, errData) }
func (b *fakeBackend) detach(context.Context) error           { return nil }
func (b *fakeBackend) readers() *sql.DB                       { return nil }
func (b *fakeBackend) migrator() (*goose.Provider, error)     { return nil, errDown }

type fakeTx struct {
	b     *fakeBackend
	ids   []event.ID
	stmts []stmt
}

func (t *fakeTx) known(context.Context, [][]byte) (map[event.ID]known, error) { return nil, nil }

func (t *fakeTx) insert(_ context.Context, rows []ledgerRow, _ []tagRow) error {
	for _, r := range rows {
		if r.id == t.b.poison {
			return errData
		}
		t.ids = append(t.ids, r.id)
	}
	return nil
}

func (t *fakeTx) exec(_ context.Context, stmts []stmt) error {
	t.stmts = append(t.stmts, stmts...)
	return nil
}

// newFakeStore is a running store over a fake; the test closes it inside its bubble.
func newFakeStore(t *testing.T, b *fakeBackend, opts Options) *Store {
	t.Helper()
	s := newStore(b, opts.withDefaults(), zaptest.NewLogger(t))
	s.writer.schema = func(context.Context) error { return nil }
	s.start()
	return s
}

func fakeID(n int) event.ID { return event.ID{byte(n >> 16), byte(n >> 8), byte(n), 1} }

// give queues ledger rows from..to-1 and returns the number of the last.
func give(s *Store, from, to int) relay.Seq {
	var seq relay.Seq
	for n := from; n < to; n++ {
		seq = s.queue.pushOps(&op{verb: record, id: fakeID(n), facts: &facts{}, entry: entry{disposition: relay.Stored}, at: time.Now()})
	}
	return seq
}
