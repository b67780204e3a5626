package store

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAddress(t *testing.T) {
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	good := map[string]string{
		"sqlite:ngit-sync.db":               "sqlite:" + filepath.Join(here, "ngit-sync.db"),
		"sqlite:/var/lib/x.db":              "sqlite:/var/lib/x.db",
		"sqlite:///var/lib/x.db":            "sqlite:/var/lib/x.db",
		"sqlite:../x.db":                    "sqlite:" + filepath.Join(filepath.Dir(here), "x.db"),
		"sqlite:a b?c#d%.db":                "sqlite:" + filepath.Join(here, "a b?c#d%.db"),
		"postgres://u:secret@h:5433/d?x=y":  "postgres://h:5433/d",
		"postgresql://h/d":                  "postgres://h/d",
		"postgres:///d?host=/run/pg&user=u": "postgres:///d",
	}
	for in, want := range good {
		a, err := parseAddress(in)
		require.NoError(t, err, in)
		require.Equal(t, want, a.String(), in)
	}
	for _, in := range []string{
		"", "ngit-sync.db", "sqlite:", "sqlite:dir/", "sqlite::memory:", "sqlite:a\x00b", "mysql://u:secret@h/d", "postgres://u:secret@h:port/d",
		"SQLITE:x", "file:x.db", "postgres://u:secret@%zz/",
	} {
		_, err := parseAddress(in)
		var e *URLError
		require.ErrorAs(t, err, &e, in)
		require.NotContains(t, err.Error(), "secret")
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"sqlite:x", "sqlite:/a/b?c", "postgres://u:secret@h/d", "postgresql:///d?host=/x", ":", "sqlite::memory:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s)
		if err != nil {
			var e *URLError
			require.ErrorAs(t, err, &e)
			return
		}
		require.NotEqual(t, a.sqlite == "", a.postgres == "")
		if a.sqlite != "" {
			require.True(t, filepath.IsAbs(a.sqlite))
		} else {
			require.True(t, strings.HasPrefix(a.postgres, "postgres"))
		}
	})
}
