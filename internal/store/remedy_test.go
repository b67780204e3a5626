package store

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("connect: %w", err) }
	for _, c := range []struct {
		err  error
		want string
	}{
		{wrap(ErrLocked), "stop that one"},
		{wrap(&fs.PathError{Op: "open", Path: "/a/b/c.db.lock", Err: fs.ErrNotExist}), "the directory /a/b must be there: create it"},
		{wrap(&fs.PathError{Op: "open", Path: "/a/b/c.db.lock", Err: fs.ErrPermission}), "write to /a/b "},
		{wrap(&pgconn.PgError{Code: "28P01"}), "user and password"},
		{wrap(&pgconn.PgError{Code: "3D000"}), "create that database"},
		{wrap(&pgconn.PgError{Code: "42501"}), "GRANT CREATE"},
		{wrap(&pgconn.PgError{Code: "25006"}), "name the primary"},
		{wrap(errReadOnly), "name the primary"},
		{wrap(&pgconn.PgError{Code: "53100"}), "make room on the server's disk"},
		{wrap(&pgconn.PgError{Code: "53300"}), "max_connections"},
		{wrap(&pgconn.PgError{Code: "57P03"}), "has started"},
	} {
		err := advise(c.err)
		require.ErrorContains(t, err, c.err.Error()+"; ")
		require.ErrorContains(t, err, c.want)
		require.ErrorIs(t, err, c.err)
	}
	for _, err := range []error{&SchemaError{2, 1}, errDown, wrap(&pgconn.PgError{Code: "XX000"})} {
		require.Same(t, err, advise(err), "nothing is known to help")
	}
	require.NoError(t, advise(nil))
}

func TestErrorsOfSeveralAttemptsAreOneLine(t *testing.T) {
	err := &accessError{errors.New("failed to connect:\n\ta: refused\n\ta: refused\n\tb: timeout"), "start it"}
	require.Equal(t, "failed to connect: a: refused, b: timeout; start it", err.Error())
}

func TestPostgresConnectsInTimeOrNotAtAll(t *testing.T) {
	for url, want := range map[string]time.Duration{"postgres://u@h/d": 10 * time.Second, "postgres://u@h/d?connect_timeout=3": 3 * time.Second} {
		b, err := openPostgres(url)
		require.NoError(t, err)
		require.Equal(t, want, b.config.ConnConfig.ConnectTimeout)
		require.NoError(t, b.detach(t.Context()))
	}
}
