package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMigrateMakesASchemaOnceAndNeedsNoScope(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.db")
	var stdout, stderr bytes.Buffer
	args := []string{"migrate", "--database", "sqlite:" + path}
	require.Equal(t, exitDone, run(t.Context(), args, &stdout, &stderr), stderr.String())
	require.Regexp(t, `^sqlite:\S+ migrated from version 0 to \d+\n$`, stdout.String())
	require.FileExists(t, path)

	stdout.Reset()
	require.Equal(t, exitDone, run(t.Context(), args, &stdout, &stderr), stderr.String())
	require.Regexp(t, `^sqlite:\S+ is up to date \(version \d+\)\n$`, stdout.String())
}

func TestMigrateFailuresNameTheDatabaseWithoutItsPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	tests := []struct {
		name, url, want string
		code            int
	}{
		{"a path that cannot be", "sqlite:" + file + "/sync.db", "migrate sqlite:" + file, exitFailed},
		{"nobody listens", "postgres://sync:hunter2@127.0.0.1:1/ngit", "migrate postgres://sync:xxxxx@127.0.0.1:1/ngit", exitFailed},
		{"no such database", "mysql://sync:hunter2@db/ngit", "--database: database.url: \"mysql://sync:xxxxx@db/ngit\"", exitUsage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, tt.code, run(t.Context(), []string{"migrate", "--database", tt.url}, &stdout, &stderr))
			require.Contains(t, stderr.String(), tt.want)
			require.NotContains(t, stderr.String(), "hunter2")
			require.Empty(t, stdout.String())
		})
	}
}
