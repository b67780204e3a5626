package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every bad file states, in lines that begin with "# want: ", exactly what is said about it; FILE stands
// for its path.
func TestBadFilesAreRefusedWithLineKeyValueAndWhatIsAllowed(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			var want []string
			for line := range strings.Lines(string(text)) {
				if w, ok := strings.CutPrefix(line, "# want: "); ok {
					want = append(want, strings.ReplaceAll(strings.TrimSpace(w), "FILE", path))
				}
			}
			require.NotEmpty(t, want, "the file does not say what it expects")

			cfg, err := Load(Input{File: path})
			if err == nil {
				err = cfg.Validate()
			}
			var errs Errors
			require.ErrorAs(t, err, &errs)
			require.Equal(t, strings.Join(want, "\n"), err.Error())
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestGoodFilesLoad(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			cfg, err := Load(Input{File: path})
			require.NoError(t, err)
			require.NoError(t, cfg.Validate())
		})
	}
}

func TestFullFileSetsEveryKey(t *testing.T) {
	cfg, err := Load(Input{File: "testdata/good/full.yaml"})
	require.NoError(t, err)
	for _, s := range cfg.Settings() {
		require.Equal(t, FromFile, s.Source.Layer, s.Name)
		require.Positive(t, s.Source.Line, s.Name)
	}
}

func TestKeysWithoutAValueKeepTheirDefaults(t *testing.T) {
	cfg, err := Load(Input{File: "testdata/good/empty-sections.yaml"})
	require.NoError(t, err)
	want := Default()
	want.OwnRelay.Domains = []string{"git.example.com"}
	want.sources = cfg.sources
	require.Equal(t, want, cfg)
}

func TestAFileThatCannotBeReadIsAConfigurationError(t *testing.T) {
	for name, path := range map[string]string{"missing": "testdata/none.yaml", "directory": "testdata"} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Input{File: path})
			var errs Errors
			require.ErrorAs(t, err, &errs)
			require.Len(t, errs, 1)
			require.Equal(t, path, errs[0].Source.Name)
			require.Contains(t, err.Error(), path)
		})
	}
}

func TestAHugeFileIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("#\n", maxFile)), 0o600))
	_, err := Load(Input{File: path})
	require.EqualError(t, err, path+": larger than 1MiB")
}

// FuzzLoad holds that no file breaks the reader, that every defect has a place, and that the effective
// form of a good configuration is a file that means the same.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, path := range files {
			text, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(text)
		}
	}
	f.Add([]byte("sync: &a {bootstrap: *a}"))
	f.Add([]byte("? [a]\n: b"))
	f.Add([]byte("own_relay: !!binary aGk="))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := &loader{cfg: Default()}
		l.parseFile("f.yaml", text)
		for _, e := range l.errs {
			require.Equal(t, "f.yaml", e.Source.Name)
			require.NotEmpty(t, e.Error())
		}
		if len(l.errs) > 0 {
			return
		}
		shown := l.cfg.Masked()
		again := &loader{cfg: Default()}
		again.parseFile("f.yaml", []byte(shown))
		require.Empty(t, again.errs, shown)
		require.Equal(t, withoutSources(shown), withoutSources(again.cfg.Masked()))
		if err := l.cfg.Validate(); err != nil {
			require.NotEmpty(t, err.Error())
		}
		l.cfg.Warnings()
	})
}
