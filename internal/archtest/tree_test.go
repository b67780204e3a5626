package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/ngit-sync/ngit-sync"

// root is the top of the tree, seen from this package's directory.
const root = "../.."

// source is one parsed Go file. Its path and package are relative to the root, with slashes; a file of
// an external test package belongs to the package of its directory.
type source struct {
	path string
	pkg  string
	test bool
	text string
	fset *token.FileSet
	ast  *ast.File
}

func parse(name, text string) (source, error) {
	s := source{
		path: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		text: text, fset: token.NewFileSet(),
	}
	var err error
	s.ast, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

// at is "file:line", where editors find it.
func (s source) at(pos token.Pos) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(pos).Line)
}

// skippedDirs hold nothing that we wrote, or samples that are wrong on purpose. Hidden directories
// other than .ci are skipped too.
var skippedDirs = []string{"bin", "testdata", "ngit-sync-relay"}

var listing = sync.OnceValues(func() ([]string, error) {
	var files []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && d.Name() != "." && d.Name() != ".ci"
		if d.IsDir() && (hidden || slices.Contains(skippedDirs, d.Name())) {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			files = append(files, name)
		}
		return nil
	})
	return files, err
})

// files lists the tree's files whose names end in one of the suffixes, in lexical order.
func files(t *testing.T, suffixes ...string) []string {
	t.Helper()
	all, err := listing()
	require.NoError(t, err)
	var out []string
	for _, name := range all {
		if slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) }) {
			out = append(out, name)
		}
	}
	require.NotEmpty(t, out, "no file ends in %v: the walk starts at the wrong place", suffixes)
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	require.NoError(t, err)
	return string(b)
}

var parsed = sync.OnceValues(func() ([]source, error) {
	all, err := listing()
	if err != nil {
		return nil, err
	}
	var out []source
	for _, name := range all {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		s, err := parse(name, string(text))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
})

// sources parses every Go file of the tree, once for all tests.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// sample parses one made-up file, for the tests that prove a check can fail.
func sample(t *testing.T, name, text string) []source {
	t.Helper()
	s, err := parse(name, text)
	require.NoError(t, err)
	return []source{s}
}

func none(t *testing.T, faults []string) {
	t.Helper()
	if len(faults) > 0 {
		t.Errorf("%d found:\n  %s", len(faults), strings.Join(faults, "\n  "))
	}
}
