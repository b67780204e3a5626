package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/migrations"
)

// sqliteBackend is a database file. One connection writes; up to four read, and never wait for it (WAL).
type sqliteBackend struct {
	path string
	lock *fileLock
	db   *sql.DB // the write connection
	conn *sql.Conn
	read *sql.DB

	prepared map[string]*sql.Stmt
}

// Settings of connections. The log of 8,000 pages before a checkpoint keeps pages that are written again and again from
// being copied each time; caches are small because a daemon shall be small.
const (
	sqliteWriter = "_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(2000)&_txlock=immediate" +
		"&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(8000)&_pragma=journal_size_limit(67108864)"
	sqliteReader  = "_pragma=query_only(1)&_pragma=busy_timeout(2000)&_pragma=cache_size(-2048)"
	sqliteReaders = 4
)

func openSQLite(path string) (*sqliteBackend, error) {
	// Two names of one file must meet at one lock.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	b := &sqliteBackend{path: path}
	var err error
	if b.db, err = b.open(sqliteWriter, 1); err != nil {
		return nil, err
	}
	if b.read, err = b.open(sqliteReader, sqliteReaders); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *sqliteBackend) open(settings string, conns int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: b.path, RawQuery: settings}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", b.path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func (b *sqliteBackend) attach(ctx context.Context, wait time.Duration, blocked func(holder string)) error {
	if b.lock == nil {
		lock, err := lockFile(ctx, b.path+".lock", wait, blocked)
		if err != nil {
			return err
		}
		b.lock = lock
	}
	b.drop()
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open %s: %w", b.path, err)
	}
	b.conn, b.prepared = conn, map[string]*sql.Stmt{}
	if err := errors.Join(b.probe(ctx), b.writable(ctx)); err != nil {
		return fmt.Errorf("open %s: %w", b.path, err)
	}
	return nil
}

// writable reports a file that can be read and not written: the first row would say so too late for whoever starts the daemon.
// What it writes is taken back; to begin alone is allowed in a read-only file.
func (b *sqliteBackend) writable(ctx context.Context) error {
	t, err := b.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = t.ExecContext(ctx, `PRAGMA user_version = 0`)
	return errors.Join(err, t.Rollback())
}

// probe reads the table of versions, because goose takes one that is damaged for one that is not there.
func (b *sqliteBackend) probe(ctx context.Context) error {
	var n int64
	err := b.conn.QueryRowContext(ctx, `SELECT count(version_id) FROM goose_db_version`).Scan(&n)
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code() == sqlite3.SQLITE_ERROR { // no such table: a new file
		return nil
	}
	return err
}

// drop gives the write connection back, with what was prepared on it.
func (b *sqliteBackend) drop() {
	for _, s := range b.prepared {
		s.Close() //nolint:errcheck // closing a statement fails only when its connection is gone
	}
	b.prepared = nil
	if b.conn != nil {
		b.conn.Close() //nolint:errcheck // the pool hears of it, too
		b.conn = nil
	}
}

func (b *sqliteBackend) transact(ctx context.Context, fn func(tx) error) error {
	if b.conn == nil {
		return sql.ErrConnDone
	}
	t, err := b.conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(&sqliteTx{b}); err != nil {
		return errors.Join(err, t.Rollback())
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (b *sqliteBackend) counts(ctx context.Context) (counts, error) { return readCounts(ctx, b.conn) }

// ping has nothing to do: a file does not go away, and the next write says when it cannot be written.
func (b *sqliteBackend) ping(context.Context) error { return nil }

func (b *sqliteBackend) refuses(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
		return true
	}
	return false
}

func (b *sqliteBackend) detach(context.Context) error {
	b.drop()
	err := errors.Join(b.read.Close(), b.db.Close())
	if b.lock != nil {
		err = errors.Join(err, b.lock.unlock())
		b.lock = nil
	}
	return err
}

func (b *sqliteBackend) readers() *sql.DB { return b.read }

func (b *sqliteBackend) migrator() (*goose.Provider, error) {
	db, err := b.open(sqliteWriter, 1)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, migrations.SQLite())
}

func (b *sqliteBackend) list(n int) string { return "?" + strings.Repeat(",?", n-1) }

func (b *sqliteBackend) snapshot() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }

// sqliteTx works on the write connection, inside the transaction that is open there.
type sqliteTx struct{ b *sqliteBackend }

// stmt prepares a statement once per connection.
func (t *sqliteTx) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	s := t.b.prepared[query]
	if s == nil {
		var err error
		if s, err = t.b.conn.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		t.b.prepared[query] = s
	}
	return s, nil
}

func (t *sqliteTx) known(ctx context.Context, ids [][]byte) (map[event.ID]known, error) {
	n := pad(len(ids))
	s, err := t.stmt(ctx, sqlKnown+"("+t.b.list(n)+")")
	if err != nil {
		return nil, err
	}
	args := make([]any, n)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)]
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := map[event.ID]known{}
	for rows.Next() {
		if err := addKnown(have, rows.Scan); err != nil {
			return nil, err
		}
	}
	return have, rows.Err()
}

func (t *sqliteTx) insert(ctx context.Context, rows []ledgerRow, tags []tagRow) error {
	// For a context that can end the driver starts a goroutine, and ends it, for each row.
	quiet := context.WithoutCancel(ctx)
	s, err := t.stmt(ctx, `INSERT INTO ledger (num, id, created_at, kind, pubkey, disposition, reason, source, first_seen, updated, tags, offers,
		offer_at) VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT num FROM urls WHERE url = ?), ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := s.ExecContext(quiet, r.num, r.id[:], r.facts.createdAt, r.facts.kind, r.facts.pubkey[:],
			int64(r.entry.disposition), r.entry.reason, []byte(r.entry.source), r.seen, r.updated, packKeys(r.facts.tags),
			int64(r.entry.offer.Count), millis(r.entry.offer.Due))
		if err != nil {
			return err
		}
	}
	if s, err = t.stmt(ctx, `INSERT INTO ledger_tags (tag, ledger) VALUES (?, ?) ON CONFLICT DO NOTHING`); err != nil {
		return err
	}
	for _, r := range tags {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := s.ExecContext(quiet, r.tag, r.ledger); err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTx) exec(ctx context.Context, stmts []stmt) error {
	for _, st := range stmts {
		s, err := t.stmt(ctx, st.sql)
		if err != nil {
			return err
		}
		if _, err := s.ExecContext(ctx, st.args...); err != nil {
			return err
		}
	}
	return nil
}
