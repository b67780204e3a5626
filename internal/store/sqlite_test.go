package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
)

// A file that begins like a database and goes on as noise, from its first page or a later one.
func TestSQLiteThatIsDamaged(t *testing.T) {
	for _, from := range []int{100, 4096} {
		path := filepath.Join(t.TempDir(), "a.db")
		s, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
		require.NoError(t, err)
		require.NoError(t, s.Close(t.Context()))
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		for i := range raw[from:] {
			raw[from+i] = 0xa5
		}
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		_, err = store.Open(t.Context(), "sqlite:"+path, store.Options{})
		require.ErrorContains(t, err, "move it away", from)
		require.ErrorContains(t, err, path, from)
	}
}

// Damage that shows only when a table is read.
func TestSQLiteTableThatIsDamaged(t *testing.T) {
	loads := map[string]func(*store.Store) error{
		"repos": func(s *store.Store) error { _, err := s.Load(t.Context()); return err },
		"ledger": func(s *store.Store) error {
			return s.LoadKnown(t.Context(), func(event.ID, relay.Disposition) {})
		},
		"pending": func(s *store.Store) error { return s.LoadWaiting(t.Context(), func(relay.Waiting) {}) },
	}
	for table, load := range loads {
		path := filepath.Join(t.TempDir(), "a.db")
		s, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
		require.NoError(t, err)
		require.NoError(t, s.Close(t.Context()))
		db := outside(t, "sqlite", path)
		page := countOn(db)(t, `SELECT rootpage FROM sqlite_master WHERE name = '`+table+`'`)
		size := countOn(db)(t, `PRAGMA page_size`)
		_, err = db.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)") // else the log may still have the page
		require.NoError(t, err)
		require.NoError(t, db.Close())
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = file.WriteAt(bytes.Repeat([]byte{0xa5}, int(size)), (page-1)*size)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		s, err = store.Open(t.Context(), "sqlite:"+path, store.Options{})
		require.NoError(t, err)
		require.ErrorContains(t, load(s), "move it away", table)
		require.NoError(t, s.Close(t.Context()))
	}
}

// Two names of one file meet at one lock.
func TestSQLiteBySymlink(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "a.db"), store.Options{})
	require.NoError(t, err)
	require.NoError(t, os.Symlink("a.db", filepath.Join(dir, "b.db")))
	_, err = store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "b.db"), store.Options{LockWait: time.Millisecond})
	require.ErrorIs(t, err, store.ErrLocked)
	require.ErrorContains(t, err, "a.db.lock is locked by process ")
	require.NoError(t, s.Close(t.Context()))
}

func TestSQLiteRelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s, err := store.Open(t.Context(), "sqlite:ngit-sync.db", store.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "ngit-sync.db"), filepath.Join(dir, "ngit-sync.db.lock")}, names,
		"the log is gone after a clean end")
}

func TestSQLiteThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text.db"), []byte("this is a text file, and a rather long one, not a database"), 0o600))
	for name, remedy := range map[string]string{
		"missing/a.db": "; the directory " + filepath.Join(dir, "missing") + " must be there: create it",
		"text.db":      "; the file is damaged, or not a database: move it away",
		".":            "; name a file in database.url",
	} {
		_, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, name), store.Options{})
		require.ErrorContains(t, err, filepath.Join(dir, name), name)
		require.ErrorContains(t, err, remedy, name)
		_, _, err = store.Migrate(t.Context(), "sqlite:"+filepath.Join(dir, name), nil)
		require.ErrorContains(t, err, remedy, name)
	}
	_, err := os.ReadFile(filepath.Join(dir, "text.db"))
	require.NoError(t, err)
}
