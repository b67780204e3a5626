package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// backend is what the two dialects do differently. attach, transact, ping and detach are called by one goroutine at a
// time: whoever opens the store, then its writer.
type backend interface {
	// attach makes the write connection and takes the daemon's lock, waiting for it at most wait; blocked hears once who
	// has it. It is called again after a failure and keeps what still works. ErrLocked when another daemon has the database.
	attach(ctx context.Context, wait time.Duration, blocked func(holder string)) error
	// transact runs fn in one transaction on the write connection and commits when it returns nil.
	transact(ctx context.Context, fn func(tx) error) error
	// counts reads where numbering and gauges begin.
	counts(ctx context.Context) (counts, error)
	// ping reports whether the write connection, and with it the lock, is still there.
	ping(ctx context.Context) error
	// refuses reports an error that comes from the data of a row and not from the state of the database.
	refuses(err error) bool
	// detach gives back lock and connections.
	detach(ctx context.Context) error
	// readers is the pool for lookups.
	readers() *sql.DB
	// migrator makes the goose provider for this dialect, on a connection of its own that its Close ends.
	migrator() (*goose.Provider, error)
	// list gives n placeholders, counting from 1.
	list(n int) string
	// snapshot are the options of a read transaction that sees one state.
	snapshot() *sql.TxOptions
}

// tx is one write transaction.
type tx interface {
	// known reads what the ledger has of these ids.
	known(ctx context.Context, ids [][]byte) (map[event.ID]known, error)
	// insert adds ledger rows, which are not there, and tags, which may be.
	insert(ctx context.Context, rows []ledgerRow, tags []tagRow) error
	// exec runs statements in order.
	exec(ctx context.Context, stmts []stmt) error
}

// known is one ledger row as far as the writer needs it.
type known struct {
	num         int64
	disposition relay.Disposition
	tags        []byte
	waits       bool // has a pending row
}

// stmt is one statement. SQL numbers its parameters $1, $2 ... in both dialects.
type stmt struct {
	sql  string
	args []any
}

// counts is what the writer goes on from.
type counts struct {
	last        int64 // highest ledger.num
	disposition map[relay.Disposition]int64
	pending     int64
}

const (
	sqlLastNum      = `SELECT coalesce(max(num), 0) FROM ledger`
	sqlDispositions = `SELECT disposition, count(*) FROM ledger GROUP BY disposition`
	sqlPending      = `SELECT count(*) FROM pending`
)
