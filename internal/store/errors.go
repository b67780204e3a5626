package store

import (
	"errors"
	"fmt"
)

// ErrLocked says that another daemon uses the database.
var ErrLocked = errors.New("another ngit-sync uses this database")

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("store is closed")

// errReadOnly says that a Postgres server takes no writes.
var errReadOnly = errors.New("the server is read-only")

// URLError is a database URL that cannot be used: an operator's mistake.
type URLError struct {
	URL    string // without credentials
	Reason string
}

func (e *URLError) Error() string { return fmt.Sprintf("database url %q: %s", e.URL, e.Reason) }

// SchemaError says that the database has another schema than this program works with.
type SchemaError struct{ Have, Know int64 }

func (e *SchemaError) Error() string {
	if e.Have > e.Know {
		return fmt.Sprintf("database has schema %d, this program knows %d: it was used by a newer ngit-sync; "+
			"start that version, or name another database in database.url, which fills itself from the relays", e.Have, e.Know)
	}
	return fmt.Sprintf("database has schema %d instead of %d: it was replaced while in use; restart", e.Have, e.Know)
}
