package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/migrations"
)

const (
	postgresReaders = 4
	pingTime        = 5 * time.Second
	connectTime     = 10 * time.Second // to one host, unless the URL gives connect_timeout
	detachTime      = 3 * time.Second
)

var errNoGoodbye = errors.New("the database does not answer, its connections are left to themselves")

// postgresBackend is a schema of a Postgres database. The connection that writes also holds the daemon's lock.
type postgresBackend struct {
	config *pgxpool.Config
	pool   *pgxpool.Pool
	read   *sql.DB
	conn   *pgx.Conn
	last   session // the newest session of conn
}

// session tells one server process from a later one with the same number.
type session struct {
	pid   int32
	began time.Time
}

func openPostgres(url string) (*postgresBackend, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, &URLError{"postgres://...", err.Error()} // pgx takes the password out of its message
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "ngit-sync"
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTime
	}
	config.MaxConns = postgresReaders
	config.MinConns = 0
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	return &postgresBackend{config: config, pool: pool, read: stdlib.OpenDBFromPool(pool)}, nil
}

func (b *postgresBackend) attach(ctx context.Context, wait time.Duration, blocked func(holder string)) error {
	b.drop(ctx)
	conn, err := pgx.ConnectConfig(ctx, b.config.ConnConfig.Copy())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	b.conn = conn
	// A host that is gone without a word keeps the lock until the server's keepalive finds out: with these in a minute, by default in two
	// hours. Settings of the session and not of the start, which a pooler would refuse; on a Unix socket they mean nothing.
	_, err = conn.Exec(ctx, `SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
		set_config('tcp_keepalives_count', '3', false)`)
	if err != nil {
		return fmt.Errorf("set keepalives: %w", err)
	}
	if err := b.endStaleSession(ctx); err != nil {
		return err
	}
	if err := b.takeLock(ctx, wait, blocked); err != nil {
		b.drop(ctx)
		return err
	}
	var readOnly bool
	err = conn.QueryRow(ctx, `SELECT pid, backend_start, current_setting('transaction_read_only')::bool
		FROM pg_stat_activity WHERE pid = pg_backend_pid()`).Scan(&b.last.pid, &b.last.began, &readOnly)
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	if readOnly {
		b.drop(ctx)
		return errReadOnly
	}
	return nil
}

// endStaleSession ends our own earlier session when the server has not noticed yet that its connection broke: it would
// hold the lock until the server's keepalive finds out.
func (b *postgresBackend) endStaleSession(ctx context.Context) error {
	if b.last.pid == 0 {
		return nil
	}
	_, err := b.conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2`,
		b.last.pid, b.last.began)
	if err != nil {
		return fmt.Errorf("end stale session: %w", err)
	}
	return nil
}

// lockKey is per schema, so that several daemons can share a database with a schema each.
const lockKey = `hashtextextended('ngit-sync ' || coalesce(current_schema(), ''), 0)`

func (b *postgresBackend) takeLock(ctx context.Context, wait time.Duration, blocked func(holder string)) error {
	var free bool
	if err := b.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(`+lockKey+`)`).Scan(&free); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if free {
		return nil
	}
	blocked(b.holder(ctx))
	set := func(d time.Duration) error {
		_, err := b.conn.Exec(ctx, `SELECT set_config('lock_timeout', $1, false)`, strconv.FormatInt(d.Milliseconds(), 10))
		return err
	}
	if err := set(max(wait, time.Millisecond)); err != nil { // 0 would wait for ever
		return fmt.Errorf("lock: %w", err)
	}
	if _, err := b.conn.Exec(ctx, `SELECT pg_advisory_lock(`+lockKey+`)`); err != nil {
		var e *pgconn.PgError
		if errors.As(err, &e) && e.Code == "55P03" { // lock_not_available
			return fmt.Errorf("%w (%s)", ErrLocked, b.holder(ctx))
		}
		return fmt.Errorf("lock: %w", err)
	}
	if err := set(0); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// holder describes who has the lock, for people.
func (b *postgresBackend) holder(ctx context.Context) string {
	var pid int32
	var addr string
	err := b.conn.QueryRow(ctx, `SELECT a.pid, coalesce(host(a.client_addr), 'a local socket') FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND (l.classid::bigint << 32) | l.objid::bigint = `+lockKey).Scan(&pid, &addr)
	if err != nil {
		return "from an unknown place"
	}
	return fmt.Sprintf("from %s, server process %d", addr, pid)
}

func (b *postgresBackend) drop(ctx context.Context) {
	if b.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTime)
	defer cancel()
	b.conn.Close(ctx) //nolint:errcheck // it is gone either way
	b.conn = nil
}

func (b *postgresBackend) transact(ctx context.Context, fn func(tx) error) error {
	if b.conn == nil {
		return sql.ErrConnDone
	}
	t, err := b.conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(postgresTx{t}); err != nil {
		return errors.Join(err, t.Rollback(ctx))
	}
	if err := t.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (b *postgresBackend) counts(ctx context.Context) (counts, error) { return readCounts(ctx, b.read) }

func (b *postgresBackend) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if b.conn == nil {
		return sql.ErrConnDone
	}
	return b.conn.Ping(ctx)
}

func (b *postgresBackend) refuses(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return false
	}
	switch e.Code[:2] {
	case "22", "23", "54": // data exception, integrity constraint violation, program limit exceeded
		return true
	}
	return false
}

// detach says goodbye for detachTime at most: of a query that was given up pgx waits 15 s for a server that may be gone without a
// word. Then the goodbyes go on behind its back, until those 15 s are over or the process ends.
func (b *postgresBackend) detach(ctx context.Context) error {
	gone := make(chan error, 1)
	go func() {
		b.drop(ctx)
		err := b.read.Close()
		b.pool.Close()
		gone <- err
	}()
	slow := time.NewTimer(detachTime)
	defer slow.Stop()
	select {
	case err := <-gone:
		return err
	case <-slow.C:
		return errNoGoodbye
	}
}

func (b *postgresBackend) readers() *sql.DB { return b.read }

func (b *postgresBackend) migrator() (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60), lock.WithUnlockTimeout(1, 5))
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*b.config.ConnConfig.Copy())
	return goose.NewProvider(goose.DialectPostgres, db, migrations.Postgres(), goose.WithSessionLocker(locker))
}

func (b *postgresBackend) list(n int) string {
	var s strings.Builder
	for i := 1; i <= n; i++ {
		if i > 1 {
			s.WriteByte(',')
		}
		s.WriteByte('$')
		s.WriteString(strconv.Itoa(i))
	}
	return s.String()
}

func (b *postgresBackend) snapshot() *sql.TxOptions {
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}

type postgresTx struct{ t pgx.Tx }

func (t postgresTx) known(ctx context.Context, ids [][]byte) (map[event.ID]known, error) {
	rows, err := t.t.Query(ctx, `SELECT l.id, l.num, l.disposition, l.tags, p.ledger IS NOT NULL
		FROM ledger l LEFT JOIN pending p ON p.ledger = l.num WHERE l.id = ANY($1)`, ids)
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

// insert sends columns as arrays: one statement for any number of rows.
func (t postgresTx) insert(ctx context.Context, rows []ledgerRow, tags []tagRow) error {
	if len(rows) > 0 {
		if err := t.insertLedger(ctx, rows); err != nil {
			return err
		}
	}
	if len(tags) == 0 {
		return nil
	}
	keys, nums := make([]int64, len(tags)), make([]int64, len(tags))
	for i, r := range tags {
		keys[i], nums[i] = r.tag, r.ledger
	}
	_, err := t.t.Exec(ctx, `INSERT INTO ledger_tags (tag, ledger) SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING`,
		keys, nums)
	return err
}

func (t postgresTx) insertLedger(ctx context.Context, rows []ledgerRow) error {
	n := len(rows)
	nums, created, kinds, dispositions := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	seen, updated := make([]int64, n), make([]int64, n)
	ids, keys, reasons := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	sources, tags := make([][]byte, n), make([][]byte, n)
	offers, dues := make([]int64, n), make([]*int64, n)
	for i, r := range rows {
		nums[i], created[i], kinds[i], dispositions[i] = r.num, r.facts.createdAt, int64(r.facts.kind), int64(r.entry.disposition)
		seen[i], updated[i] = r.seen, r.updated
		ids[i], keys[i], reasons[i] = rows[i].id[:], r.facts.pubkey[:], r.entry.reason
		sources[i], tags[i] = []byte(r.entry.source), packKeys(r.facts.tags)
		offers[i] = int64(r.entry.offer.Count)
		if due, ok := millis(r.entry.offer.Due).(int64); ok {
			dues[i] = &due
		}
	}
	_, err := t.t.Exec(ctx, `INSERT INTO ledger (num, id, created_at, kind, pubkey, disposition, reason, source, first_seen, updated, tags, offers,
			offer_at)
		SELECT x.num, x.id, x.created_at, x.kind, x.pubkey, x.disposition, x.reason, u.num, x.first_seen, x.updated, x.tags, x.offers, x.offer_at
		FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bytea[], $8::bytea[],
			$9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[], $13::bigint[])
			AS x (num, id, created_at, kind, pubkey, disposition, reason, source, first_seen, updated, tags, offers, offer_at)
		LEFT JOIN urls u ON u.url = x.source`,
		nums, ids, created, kinds, keys, dispositions, reasons, sources, seen, updated, tags, offers, dues)
	return err
}

// exec sends all statements at once.
func (t postgresTx) exec(ctx context.Context, stmts []stmt) error {
	if len(stmts) == 0 {
		return nil
	}
	var batch pgx.Batch
	for _, s := range stmts {
		batch.Queue(s.sql, s.args...)
	}
	return t.t.SendBatch(ctx, &batch).Close()
}
