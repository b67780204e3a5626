package store

import (
	"net/url"
	"path/filepath"
	"strings"
)

// address is a parsed database URL.
type address struct {
	sqlite   string // absolute path, empty for Postgres
	postgres string // connection string
}

// parseAddress reads sqlite:<path> and postgres://...; the error is a *URLError.
func parseAddress(s string) (address, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return address{}, &URLError{s, "want sqlite:<path> or postgres://<user>@<host>/<database>"}
	}
	switch scheme {
	case "sqlite":
		if rest == "" || strings.HasSuffix(rest, "/") || rest == ":memory:" || strings.IndexByte(rest, 0) >= 0 {
			return address{}, &URLError{s, "want the path of a file after sqlite:"}
		}
		path, err := filepath.Abs(rest)
		if err != nil {
			return address{}, &URLError{s, err.Error()}
		}
		return address{sqlite: path}, nil
	case "postgres", "postgresql":
		u, err := url.Parse(s)
		if err != nil {
			return address{}, &URLError{scheme + "://...", "not a URL"} // the parser's error quotes the password
		}
		return address{postgres: u.String()}, nil
	default:
		return address{}, &URLError{scheme + ":...", "unknown scheme; want sqlite:<path> or postgres://<user>@<host>/<database>"}
	}
}

// String names the database in logs, without credentials.
func (a address) String() string {
	if a.sqlite != "" {
		return "sqlite:" + a.sqlite
	}
	u, err := url.Parse(a.postgres)
	if err != nil {
		return "postgres"
	}
	return "postgres://" + u.Host + u.Path
}
