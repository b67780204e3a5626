package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// SQLite is the set for SQLite.
func SQLite() fs.FS { return sub("sqlite") }

// Postgres is the set for Postgres 12 and later.
func Postgres() fs.FS { return sub("postgres") }

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // dir is a constant that the compiler embedded
	}
	return f
}
