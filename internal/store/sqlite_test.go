package store_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/store"
)

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
	for _, name := range []string{"missing/a.db", "text.db", "."} {
		_, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, name), store.Options{})
		require.Error(t, err, name)
		require.ErrorContains(t, err, filepath.Join(dir, name), name)
	}
	_, err := os.ReadFile(filepath.Join(dir, "text.db"))
	require.NoError(t, err)
}
