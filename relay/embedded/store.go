package embedded

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrInUse says that another process, or another relay of this one, has the data directory.
var ErrInUse = errors.New("the data directory is in use by another relay")

// store is the events on disk. The keeper's goroutine writes, any may read.
type store struct {
	lock  *sql.DB
	read  *sql.DB
	write *sql.DB // one connection
	stmts statements
}

const readers = 4

// openStore opens or creates the events in dir.
func openStore(ctx context.Context, dir string) (_ *store, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	s := &store{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.lock, err = takeLock(ctx, dir); err != nil {
		return nil, err
	}
	const pragmas = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)"
	name := fileURL(dir, "events.db") + pragmas
	if s.write, err = open(name+"&_txlock=immediate&_pragma=cache_size(-8192)", 1); err != nil {
		return nil, err
	}
	if err = migrate(ctx, s.write); err != nil {
		return nil, err
	}
	if s.read, err = open(name+"&_pragma=query_only(1)&_pragma=cache_size(-4096)", readers); err != nil {
		return nil, err
	}
	if s.stmts, err = prepare(ctx, s.write); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *store) close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write, s.lock} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func open(name string, conns int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// takeLock holds an exclusive transaction on a file of its own for as long as the database is open. It ends with the
// process, however that ends, and works where SQLite works.
func takeLock(ctx context.Context, dir string) (*sql.DB, error) {
	db, err := open(fileURL(dir, "lock.db")+"?_pragma=busy_timeout(0)", 1)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		_ = db.Close()
		var busy *sqlite.Error
		if errors.As(err, &busy) && busy.Code()&0xff == sqlite3.SQLITE_BUSY {
			return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("open events: %w", err)
	}
	switch version {
	case schemaVersion:
		return nil
	case 0:
	default:
		return fmt.Errorf("events have schema %d, this program knows %d", version, schemaVersion)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("create events: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return fmt.Errorf("create events: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("create events: %w", err)
	}
	return nil
}

func fileURL(dir, name string) string {
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		path = filepath.Join(dir, name) // relative works as long as nobody changes directory
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// maxText is the longest tag value that is indexed as it stands; of longer ones the hash is.
const maxText = 256

// tagValue is how a tag value stands in the index: ids as their bytes, long values as a hash, the rest as text. Text
// and blobs are never equal in SQLite, and the blobs differ in length.
func tagValue(v string) any {
	if len(v) == 64 {
		if b, err := hex.DecodeString(v); err == nil && hex.EncodeToString(b) == v {
			return b
		}
	}
	if len(v) > maxText {
		h := sha256.Sum256([]byte(v))
		return append([]byte{1}, h[:]...)
	}
	return v
}
