package store

import (
	"errors"
	"fmt"
)

// ErrLocked says that another daemon uses the database.
var ErrLocked = errors.New("another ngit-sync uses this database")

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("store is closed")

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
		return fmt.Sprintf("database has schema %d, this program knows %d: it was used by a newer ngit-sync; use that one, or another database",
			e.Have, e.Know)
	}
	return fmt.Sprintf("database has schema %d instead of %d: it was replaced while in use; restart", e.Have, e.Know)
}
