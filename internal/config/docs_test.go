package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

// referenceRow is the line of docs/reference/configuration.md that a key must have.
func referenceRow(k Key) string {
	def := "empty"
	if k.Default != "" {
		def = "`" + k.Default + "`"
	}
	meaning := k.Doc
	if k.Flag != "" {
		meaning += "; flag `--" + k.Flag + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", k.Name, def, k.Allowed, meaning)
}

func TestTheReferenceListsEveryKeyAsDeclared(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/reference/configuration.md"))
	require.NoError(t, err)
	var rows []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, k := range Keys() {
		want = append(want, referenceRow(k))
	}
	require.Equal(t, strings.Join(want, "\n"), strings.Join(rows, "\n"))
}

// A fence that says just yaml is a configuration of this program, whole or in part; anything after the word says whose file
// it is (```yaml compose), and then only the syntax is checked.
func TestYAMLExamplesOfTheDocumentationAreRead(t *testing.T) {
	read := 0
	for _, path := range documents(t) {
		for _, ex := range yamlExamples(t, path) {
			read++
			name := fmt.Sprintf("%s:%d", path, ex.line)
			if ex.info != "yaml" {
				var doc yaml.Node
				require.NoError(t, yaml.Unmarshal([]byte(ex.text), &doc), name)
				continue
			}
			l := &loader{cfg: Default()}
			l.parseFile(name, []byte(ex.text))
			require.Empty(t, l.errs, name)
			if len(l.cfg.OwnRelay.Domains)+len(l.cfg.Scope.Archive) == 0 {
				l.cfg.OwnRelay.Domains = []string{"git.example.com"} // an example of something else
			}
			require.NoError(t, l.cfg.Validate(), name)
		}
	}
	require.Positive(t, read)
}

func documents(t *testing.T) []string {
	var out []string
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			out = append(out, path)
		}
		return err
	}))
	readme, err := filepath.Glob(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	return append(out, readme...)
}

type example struct {
	info string
	line int // of the first line inside the fence
	text string
}

func yamlExamples(t *testing.T, path string) []example {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var out []example
	var open *example
	for i, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &example{info: fence, line: i + 2}
		case isFence:
			if strings.HasPrefix(open.info, "yaml") {
				out = append(out, *open)
			}
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	require.Nil(t, open, "%s: a fence is not closed", path)
	return out
}
