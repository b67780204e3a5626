package main

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	gosync "sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/store"
)

// refused runs the daemon, which ends by itself, and gives its exit code and what it said last. As a user without rights where that
// is asked for.
func refused(t *testing.T, database string, nobody bool) (code int, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "run", "--listen", "127.0.0.1:0", "--own-relay", "ws://127.0.0.1:1", "--domain", testDomain,
		"--database", database)
	if nobody && os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(filepath.Dir(binary), 0o755))
		require.NoError(t, os.Chmod(binary, 0o755)) // whatever our umask is
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = "/"
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, stderr.String())
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	return exit.ExitCode(), lines[len(lines)-1]
}

// openDir is a directory that other users may enter and write to.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ngit-sync-weather-") //nolint:usetesting // what is above a TempDir is closed to others
	require.NoError(t, err)
	t.Cleanup(func() {
		if _, err := os.Stat(dir); err == nil { // a test may have closed it to us, or removed it
			require.NoError(t, os.Chmod(dir, 0o700))
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	require.NoError(t, os.Chmod(dir, 0o777))
	return dir
}

// made is a database with the schema of today.
func made(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
	require.NoError(t, err)
	return s
}

// A database that cannot be used ends the start with exit code 1 and one line: what, where, why, and what to do.
func TestBinaryRefusesADatabaseThatCannotBeUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, path string)
		nobody  bool
		says    []string
	}{
		"directory is missing": {
			prepare: func(t *testing.T, path string) { require.NoError(t, os.Remove(filepath.Dir(path))) },
			says:    []string{"no such file or directory; the directory DIR must be there: create it, or name another file in database.url"},
		},
		"not a database": {
			prepare: func(t *testing.T, path string) {
				require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("text "), 1000), 0o600))
			},
			says: []string{"file is not a database", "move it away, with its -wal and -shm files", "a new one fills itself from the relays"},
		},
		"file is read-only": {
			prepare: func(t *testing.T, path string) {
				require.NoError(t, made(t, path).Close(t.Context()))
				require.NoError(t, os.Remove(path+".lock")) // it belongs to whoever starts
				require.NoError(t, os.Chmod(path, 0o444))
			},
			nobody: true,
			says:   []string{"readonly database", "name a file in database.url that the user who runs ngit-sync may write"},
		},
		"directory is read-only": {
			prepare: func(t *testing.T, path string) {
				require.NoError(t, made(t, path).Close(t.Context()))
				require.NoError(t, os.Chmod(filepath.Dir(path), 0o555))
				require.NoError(t, os.Chmod(path+".lock", 0o444))
			},
			nobody: true,
			says:   []string{"permission denied; let the user who runs ngit-sync write to DIR and the files of the database in it"},
		},
		"newer schema": {
			prepare: func(t *testing.T, path string) {
				require.NoError(t, made(t, path).Close(t.Context()))
				db, err := sql.Open("sqlite", "file:"+path)
				require.NoError(t, err)
				_, err = db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999999, true)`)
				require.NoError(t, errors.Join(err, db.Close()))
			},
			says: []string{
				"schema of sqlite:PATH: database has schema 999999, this program knows ", "it was used by a newer ngit-sync; start that version",
			},
		},
		"another daemon": {
			prepare: func(t *testing.T, path string) {
				s := made(t, path)
				t.Cleanup(func() { require.NoError(t, s.Close(t.Context())) })
			},
			says: []string{
				"another ngit-sync uses this database (PATH.lock is locked by process ",
				"; stop that one, or give this one a database of its own in database.url",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := openDir(t)
			path := filepath.Join(dir, "x.db")
			tt.prepare(t, path)
			code, said := refused(t, "sqlite:"+path, tt.nobody)
			require.Equal(t, exitFailed, code, said)
			require.True(t, strings.HasPrefix(said, "ngit-sync: database.url: "), said)
			for _, s := range tt.says {
				require.Contains(t, said, strings.NewReplacer("DIR", dir, "PATH", path).Replace(s))
			}
		})
	}
}

// Of two daemons that start at once on a database that is not there yet one makes it and runs; the other one says who runs.
func TestBinaryStartsOnceOnAnEmptyDatabase(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return inSQLite(t.TempDir()) },
		"postgres": inPostgres,
	} {
		t.Run(name, func(t *testing.T) {
			url := database(t)
			started := make(chan launched, 2)
			var wg gosync.WaitGroup
			for range 2 {
				wg.Go(func() {
					p, err := launch(t, url, "--own-relay", "ws://127.0.0.1:1", "--domain", testDomain)
					started <- launched{p, err}
				})
			}
			wg.Wait()
			runs, refused := <-started, <-started
			if runs.err != nil {
				runs, refused = refused, runs
			}
			require.NoError(t, runs.err)
			require.ErrorContains(t, refused.err, "another ngit-sync uses this database (")
			require.NotContains(t, refused.err.Error(), "panic")
			require.NoError(t, runs.end(syscall.SIGTERM), &runs.log)
		})
	}
}
