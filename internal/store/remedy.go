package store

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// accessError is a database that cannot be used, with what the operator can do about it.
type accessError struct {
	err    error
	remedy string
}

// Error is one line: drivers tell one line per attempt, often the same.
func (e *accessError) Error() string {
	var lines []string
	for line := range strings.Lines(e.err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.ReplaceAll(strings.Join(lines, ", "), ":, ", ": ") + "; " + e.remedy
}

func (e *accessError) Unwrap() error { return e.err }

// advise adds what can be done about an error of opening, where something is known.
func advise(err error) error {
	if r := remedy(err); r != "" {
		return &accessError{err, r}
	}
	return err
}

func remedy(err error) string {
	var path *fs.PathError
	var lite *sqlite.Error
	var server *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.Is(err, ErrLocked):
		return "stop that one, or give this one a database of its own in database.url"
	case errors.Is(err, errReadOnly):
		return postgresRemedy("25006")
	case errors.As(err, &path) && errors.Is(err, fs.ErrNotExist):
		return "the directory " + filepath.Dir(path.Path) + " must be there: create it, or name another file in database.url"
	case errors.As(err, &path) && errors.Is(err, fs.ErrPermission):
		return "let the user who runs ngit-sync write to " + filepath.Dir(path.Path) + " and the files of the database in it"
	case errors.As(err, &lite):
		return sqliteRemedy(lite.Code() & 0xff)
	case errors.As(err, &server):
		return postgresRemedy(server.Code)
	case errors.As(err, &connect):
		return "start that server, or correct host and port in database.url"
	}
	return ""
}

// sqliteRemedy is by primary result code.
func sqliteRemedy(code int) string {
	switch code {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return "the file is damaged, or not a database: move it away, with its -wal and -shm files, or name another one in database.url; " +
			"a new one fills itself from the relays"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY:
		return "name a file in database.url that the user who runs ngit-sync may write, in a directory that this user may write"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "end the other program that uses the file"
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return "look after the disk: it is full, or fails; a running daemon goes on by itself when there is room"
	}
	return ""
}

// postgresRemedy is by SQLSTATE.
func postgresRemedy(code string) string {
	switch code {
	case "28000", "28P01": // invalid_authorization_specification, invalid_password
		return "correct user and password in database.url, or let the user in (pg_hba.conf)"
	case "3D000": // invalid_catalog_name
		return "create that database, or name another one in database.url"
	case "3F000", "42501": // invalid_schema_name, insufficient_privilege
		return "let the user create tables in the schema that the connection finds first: GRANT CREATE, USAGE ON SCHEMA"
	case "25006": // read_only_sql_transaction
		return "name the primary server in database.url, not a standby, and a user who may write"
	case "53100": // disk_full
		return "make room on the server's disk; a running daemon goes on by itself"
	case "53300": // too_many_connections
		return "raise max_connections of the server: ngit-sync needs up to 6"
	case "57P03": // cannot_connect_now
		return "try again when the server has started"
	}
	return ""
}
