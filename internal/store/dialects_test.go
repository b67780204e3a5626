package store_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store/storetest"
	"github.com/ngit-sync/ngit-sync/migrations"
)

func TestSQLite(t *testing.T) { storetest.Run(t, newSQLite) }

func TestPostgres(t *testing.T) {
	postgresDSN(t)
	storetest.Run(t, newPostgres)
}

// postgresDSN is the throw-away cluster that scripts/postgres.sh starts.
func postgresDSN(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv("TEST_NGIT_SYNC_POSTGRES")
	require.NotEmpty(t, dsn, "no Postgres to test with: run `make test`, or scripts/postgres.sh run go test ./internal/store/...")
	return dsn
}

func newSQLite(t testing.TB) storetest.Database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a database?#%.db")
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)"}
	db := outside(t, "sqlite", u.String())
	return storetest.Database{
		URL: "sqlite:" + path, Exec: execOn(db), Count: countOn(db), Migrate: migrateOn(db, goose.DialectSQLite3, migrations.SQLite()),
		Bytes: func(b []byte) string { return fmt.Sprintf("x'%x'", b) },
		Block: func(t *testing.T) func() {
			t.Helper()
			return hold(t, db, `BEGIN IMMEDIATE`)
		},
		Refuse: func(t *testing.T, id event.ID) {
			t.Helper()
			execOn(db)(t, fmt.Sprintf(`CREATE TRIGGER refuse BEFORE INSERT ON ledger WHEN NEW.id = x'%s'
				BEGIN SELECT RAISE(ABORT, 'refused'); END`, id))
		},
	}
}

// newPostgres makes a schema of its own, which every connection of the store finds first.
func newPostgres(t testing.TB) storetest.Database {
	t.Helper()
	dsn, err := url.Parse(postgresDSN(t))
	require.NoError(t, err)
	schema := "t" + strings.ToLower(rand.Text())
	admin := outside(t, "pgx", dsn.String())
	execOn(admin)(t, `CREATE SCHEMA `+schema)
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), `DROP SCHEMA `+schema+` CASCADE`)
		require.NoError(t, err)
	})
	query := dsn.Query()
	query.Set("search_path", schema)
	dsn.RawQuery = query.Encode()
	db := outside(t, "pgx", dsn.String())
	return storetest.Database{
		URL: dsn.String(), Exec: execOn(db), Count: countOn(db), Migrate: migrateOn(db, goose.DialectPostgres, migrations.Postgres()),
		Bytes: func(b []byte) string { return fmt.Sprintf(`'\x%x'::bytea`, b) },
		Block: func(t *testing.T) func() {
			t.Helper()
			return hold(t, db, `BEGIN; LOCK TABLE ledger, relays IN EXCLUSIVE MODE`)
		},
		Refuse: func(t *testing.T, id event.ID) {
			t.Helper()
			execOn(db)(t, fmt.Sprintf(`ALTER TABLE ledger ADD CHECK (id <> '\x%s')`, id))
		},
	}
}

func outside(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execOn(db *sql.DB) func(testing.TB, string) {
	return func(t testing.TB, query string) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), query)
		require.NoError(t, err)
	}
}

func countOn(db *sql.DB) func(testing.TB, string) int64 {
	return func(t testing.TB, query string) int64 {
		t.Helper()
		var n int64
		require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n))
		return n
	}
}

func migrateOn(db *sql.DB, dialect goose.Dialect, files fs.FS) func(testing.TB, int64) {
	return func(t testing.TB, version int64) {
		t.Helper()
		p, err := goose.NewProvider(dialect, db, files)
		require.NoError(t, err)
		_, err = p.UpTo(t.Context(), version)
		require.NoError(t, err)
	}
}

// hold begins a transaction that keeps writers out, until the returned function is called.
func hold(t *testing.T, db *sql.DB, begin string) func() {
	t.Helper()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), begin)
	require.NoError(t, err)
	done := false
	release := func() {
		if !done {
			done = true
			_, err := conn.ExecContext(context.Background(), `ROLLBACK`)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		}
	}
	t.Cleanup(release)
	return release
}
