package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const maxLines = 500

// longFiles may be longer than maxLines, each for the reason given.
var longFiles = map[string]string{}

// sleepers may call time.Sleep outside a synctest bubble, each for the reason given. In a bubble a sleep is how the
// test's clock is moved; anywhere else it is a guess about how long the thing takes.
var sleepers = map[string]string{
	"relay/divide_test.go":         "tables of a test that runs in bubbles",
	"relay/hostile_random_test.go": "a helper of a test that runs in a bubble",
	"relay/page_bytes_test.go":     "a helper of tests that run in bubbles",
}

func lengthFaults(all []source) []string {
	var faults []string
	for _, s := range all {
		n := strings.Count(s.text, "\n")
		if _, argued := longFiles[s.path]; n > maxLines && !argued {
			faults = append(faults, fmt.Sprintf("%s: %d lines, at most %d: which second noun does it hold?", s.path, n, maxLines))
		}
	}
	return faults
}

// callFaults lists calls that never stand in our code.
func callFaults(all []source) []string {
	var faults []string
	for _, s := range all {
		var visit func(root ast.Node, bubble bool)
		visit = func(root ast.Node, bubble bool) {
			ast.Inspect(root, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && !bubble && selector(call.Fun) == "synctest.Test" {
					for _, arg := range call.Args {
						visit(arg, true)
					}
					return false
				}
				switch name := selector(n); {
				case name == "time.Sleep" && !bubble && sleepers[s.path] == "":
					faults = append(faults, s.at(n.Pos())+": time.Sleep: wait for the thing, not for a while")
				case s.test && skip.MatchString(name):
					faults = append(faults, s.at(n.Pos())+": "+name+": a test that may not run proves nothing; install what it needs")
				}
				return true
			})
		}
		visit(s.ast, false)
	}
	return faults
}

// selector is "x.Name" for such an expression, else empty.
func selector(n ast.Node) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + sel.Sel.Name
}

var skip = regexp.MustCompile(`^([tbf]|tb)\.Skip(f|Now)?$`)

// promise is a word that defers work to nobody.
var promise = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

func promiseFaults(all []source) []string {
	var faults []string
	for _, s := range all {
		for _, group := range s.ast.Comments {
			for _, c := range group.List {
				if word := promise.FindString(c.Text); word != "" {
					faults = append(faults, s.at(c.Pos())+": "+word+": do it, or write down why not")
				}
			}
		}
	}
	return faults
}

// docFaults lists packages whose purpose, owner and invariants stand nowhere.
func docFaults(all []source) []string {
	documented := map[string]bool{}
	for _, s := range all {
		if path.Base(s.path) != "doc.go" || s.ast.Doc == nil {
			continue
		}
		opening := "Package " + s.ast.Name.Name + " "
		if s.ast.Name.Name == "main" {
			opening = "Command " + path.Base(s.pkg) + " "
		}
		documented[s.pkg] = strings.HasPrefix(s.ast.Doc.Text(), opening)
	}
	var faults []string
	for _, s := range all {
		if _, seen := documented[s.pkg]; !seen {
			documented[s.pkg] = false
		}
	}
	for pkg, ok := range documented {
		if !ok {
			faults = append(faults, pkg+"/doc.go: missing, or does not begin with \"Package x\" (\"Command x\" for a main)")
		}
	}
	slices.Sort(faults)
	return faults
}

func TestFilesHoldOneNoun(t *testing.T)      { none(t, lengthFaults(sources(t))) }
func TestNothingSleepsOrSkips(t *testing.T)  { none(t, callFaults(sources(t))) }
func TestPackagesAreDocumented(t *testing.T) { none(t, docFaults(sources(t))) }

func TestNothingIsPromised(t *testing.T) {
	faults := promiseFaults(sources(t))
	for _, name := range files(t, ".md", ".sh", ".sql", ".yml", ".yaml", ".html", ".js", ".css", "Makefile", "Dockerfile", "run") {
		for i, line := range strings.Split(read(t, name), "\n") {
			if word := promise.FindString(line); word != "" {
				faults = append(faults, fmt.Sprintf("%s:%d: %s: do it, or write down why not", name, i+1, word))
			}
		}
	}
	none(t, faults)
}

func TestExceptionsAreNeededAndArgued(t *testing.T) {
	have := map[string]bool{}
	for _, s := range sources(t) {
		have[s.path] = true
	}
	for _, list := range []map[string]string{longFiles, sleepers} {
		for name, why := range list {
			require.True(t, have[name], "%s is excepted and does not exist", name)
			require.NotEmpty(t, why, "%s is excepted without a reason", name)
		}
	}
}

func TestSourceFaultsAreFound(t *testing.T) {
	const head = "// Package a is a sample.\npackage a\n\n"
	long := sample(t, "sync/a.go", head+strings.Repeat("// line\n", maxLines))
	require.Len(t, lengthFaults(long), 1)

	calls := sample(t, "sync/a_test.go", head+"func f() {\n\ttime.Sleep(1)\n\tt.Skip()\n\tb.SkipNow()\n\tdec.Skip()\n\tt.Sleep(1)\n"+
		"\tsynctest.Test(t, func(t *testing.T) {\n\t\ttime.Sleep(1)\n\t\tt.Skipf(x)\n\t})\n}\n")
	require.Equal(t, []string{
		"sync/a_test.go:5: time.Sleep: wait for the thing, not for a while",
		"sync/a_test.go:6: t.Skip: a test that may not run proves nothing; install what it needs",
		"sync/a_test.go:7: b.SkipNow: a test that may not run proves nothing; install what it needs",
		"sync/a_test.go:12: t.Skipf: a test that may not run proves nothing; install what it needs",
	}, callFaults(calls))

	promised := sample(t, "sync/a.go", head+"// TO"+"DO: later\nvar a = \"FIX"+"ME\"\n")
	require.Equal(t, []string{"sync/a.go:4: TO" + "DO: do it, or write down why not"}, promiseFaults(promised))

	require.Len(t, docFaults(sample(t, "sync/a.go", head)), 1)
	require.Len(t, docFaults(sample(t, "sync/doc.go", "package a\n")), 1)
	require.Len(t, docFaults(sample(t, "cmd/x/doc.go", "// Package main is x.\npackage main\n")), 1)
	require.Empty(t, docFaults(sample(t, "sync/doc.go", head)))
}
