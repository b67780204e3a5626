package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

const limitsDoc = "docs/reference/limits.md"

var (
	limitKey   = regexp.MustCompile("^`([a-z_]+\\.[a-z_]+)`")
	limitFixed = regexp.MustCompile("^fixed(?:: `([A-Za-z0-9]+(?:\\.[A-Za-z0-9]+)+)`)?$")
	limitTest  = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	limitValue = regexp.MustCompile(`^([\d,]*\d) ?([A-Za-z]*)`)
)

var limitUnits = map[string]int64{
	"": 1, "bytes": 1, "more": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	"s": int64(time.Second), "min": int64(time.Minute), "m": int64(time.Minute), "h": int64(time.Hour), "days": 24 * int64(time.Hour),
}

// limitOf reads a value as people or the configuration write it: a plain number, bytes or nanoseconds.
func limitOf(text string) (int64, error) {
	m := limitValue.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is no number", text)
	}
	unit, ok := limitUnits[m[2]]
	if !ok {
		return 0, fmt.Errorf("%q: unit %q", text, m[2])
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
	return n * unit, err
}

// constants evaluates what the code calls package.name or package.Type.Field: constants of a package, and the defaults of structs, be they
// given by def(&o.Field, value) or in a literal of the type that is returned.
type constants struct {
	exprs map[string]ast.Expr
}

func constantsOf(all []source) constants {
	c := constants{map[string]ast.Expr{}}
	for _, s := range all {
		if s.test {
			continue
		}
		pkg := path.Base(s.pkg)
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				c.group(pkg, d)
			case *ast.FuncDecl:
				c.defaults(pkg, d)
			}
		}
	}
	return c
}

func (c constants) group(pkg string, d *ast.GenDecl) {
	if d.Tok != token.CONST {
		return
	}
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if i < len(v.Values) {
				c.exprs[pkg+"."+name.Name] = v.Values[i]
			}
		}
	}
}

func (c constants) defaults(pkg string, f *ast.FuncDecl) {
	owners := map[string]string{} // of the receiver and the parameters
	for _, list := range []*ast.FieldList{f.Recv, f.Type.Params} {
		if list == nil {
			continue
		}
		for _, p := range list.List {
			for _, name := range p.Names {
				owners[name.Name] = typeName(p.Type)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if fn, ok := n.Fun.(*ast.Ident); ok && fn.Name == "def" && len(n.Args) == 2 {
				if u, ok := n.Args[0].(*ast.UnaryExpr); ok {
					if field, ok := u.X.(*ast.SelectorExpr); ok {
						c.exprs[pkg+"."+owners[typeName(field.X)]+"."+field.Sel.Name] = n.Args[1]
					}
				}
			}
		case *ast.ReturnStmt:
			for _, r := range n.Results {
				lit, ok := r.(*ast.CompositeLit)
				if !ok || !strings.HasPrefix(f.Name.Name, "Default") {
					continue
				}
				for _, e := range lit.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						c.exprs[pkg+"."+typeName(lit.Type)+"."+kv.Key.(*ast.Ident).Name] = kv.Value
					}
				}
			}
		}
		return true
	})
}

func typeName(e ast.Expr) string {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func (c constants) value(name string) (int64, error) {
	e, ok := c.exprs[name]
	if !ok {
		return 0, fmt.Errorf("the code has no %s", name)
	}
	pkg, _, _ := strings.Cut(name, ".")
	return c.eval(pkg, e)
}

func (c constants) eval(pkg string, e ast.Expr) (int64, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.ParseInt(e.Value, 0, 64)
	case *ast.ParenExpr:
		return c.eval(pkg, e.X)
	case *ast.Ident:
		return c.value(pkg + "." + e.Name)
	case *ast.SelectorExpr:
		units := map[string]time.Duration{"time.Second": time.Second, "time.Minute": time.Minute, "time.Hour": time.Hour}
		if d, ok := units[selector(e)]; ok {
			return int64(d), nil
		}
	case *ast.BinaryExpr:
		x, err := c.eval(pkg, e.X)
		if err != nil {
			return 0, err
		}
		y, err := c.eval(pkg, e.Y)
		if err != nil {
			return 0, err
		}
		switch e.Op {
		case token.MUL:
			return x * y, nil
		case token.ADD:
			return x + y, nil
		case token.SHL:
			return x << y, nil
		}
	}
	return 0, fmt.Errorf("an expression of %s that is not understood: %T", pkg, e)
}

// limitFaults compares the rows of the table with the code, the configuration and the tests that there are.
func limitFaults(text string, c constants, tests []string) []string {
	var faults []string
	rows := 0
	prose(text, func(n int, line string) {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%s:%d: ", limitsDoc, n)+fmt.Sprintf(format, args...))
		}
		if !strings.HasPrefix(line, "|") || memoryRow.MatchString(line) || line == "| what | at most |" {
			return
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "limit" || strings.HasPrefix(cells[0], "---") {
			return
		}
		if rows++; len(cells) != 5 {
			fault("%d cells", len(cells))
			return
		}
		named := limitTest.FindAllStringSubmatch(cells[4], -1)
		if len(named) == 0 {
			fault("no test")
		}
		for _, t := range named {
			if !slices.Contains(tests, t[1]) {
				fault("there is no %s", t[1])
			}
		}
		var want int64
		var err error
		if m := limitKey.FindStringSubmatch(cells[2]); m != nil {
			k, ok := config.KeyOf(m[1])
			if !ok {
				fault("the configuration has no %s", m[1])
				return
			}
			want, err = limitOf(k.Default)
		} else if m := limitFixed.FindStringSubmatch(cells[2]); m != nil {
			if m[1] == "" {
				return
			}
			want, err = c.value(m[1])
		} else {
			fault("%q is neither a key nor fixed", cells[2])
			return
		}
		if err != nil {
			fault("%v", err)
			return
		}
		if got, err := limitOf(cells[1]); err != nil || got != want {
			fault("says %s, the code says %d (%v)", cells[1], want, err)
		}
	})
	if rows == 0 {
		faults = append(faults, limitsDoc+": no table")
	}
	return faults
}

func TestLimitsAreThoseOfTheCode(t *testing.T) {
	var tests []string
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test {
				tests = append(tests, f.Name.Name)
			}
		}
	}
	none(t, limitFaults(read(t, limitsDoc), constantsOf(sources(t)), tests))
}

func TestLimitFaultsAreFound(t *testing.T) {
	code := sample(t, "relay/x.go", `package relay
const ( most = 1 << 10; many = 2 * most; long = 7 * 24 * time.Hour )
func (o Options) withDefaults() Options { def(&o.Events, 500); return o }
func DefaultLimits() Limits { return Limits{Bytes: 64 << 10} }
`)
	row := func(value, key, test string) string {
		return "| x | " + value + " | " + key + " | y | `" + test + "` |\n"
	}
	text := row("1,024", "fixed: `relay.most`", "TestX") + row("2 KiB", "fixed: `relay.many`", "TestX") +
		row("7 days", "fixed: `relay.long`", "TestX") + row("500", "fixed: `relay.Options.Events`", "TestX") +
		row("64 KiB", "fixed: `relay.Limits.Bytes`", "TestX") + row("1 MiB", "`limits.message_bytes`", "TestX") +
		row("10 s", "`limits.connect_timeout`", "TestX")
	require.Empty(t, limitFaults(text, constantsOf(code), []string{"TestX"}))
	for _, wrong := range []string{
		row("1,025", "fixed: `relay.most`", "TestX"), row("1", "fixed: `relay.gone`", "TestX"), row("2 MiB", "`limits.message_bytes`", "TestX"),
		row("1", "`limits.gone`", "TestX"), row("1", "by hand", "TestX"), row("1,024", "fixed: `relay.most`", "TestY"), "", "| x | 1 |\n",
	} {
		require.Len(t, limitFaults(wrong, constantsOf(code), []string{"TestX"}), 1, wrong)
	}
}

var memoryRow = regexp.MustCompile(`^\| ([^|]+) \| (\d+ (?:KiB|MiB|GiB)) \|$`)

// memoryFaults compares the table of memory with what the tests named TestMemoryAtTheLimits measure: a name, the part of the limit that is
// driven, and the bytes that it may take.
func memoryFaults(text string, all []source) []string {
	measured := map[string]int64{}
	var faults []string
	for _, s := range all {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test && f.Name.Name == "TestMemoryAtTheLimits" {
				ast.Inspect(f, func(n ast.Node) bool {
					if lit, ok := n.(*ast.CompositeLit); ok && len(lit.Elts) == 4 {
						if name, ok := lit.Elts[0].(*ast.BasicLit); ok && name.Kind == token.STRING {
							part, err1 := constants{}.eval(s.pkg, lit.Elts[1])
							most, err2 := constants{}.eval(s.pkg, lit.Elts[2])
							if err1 != nil || err2 != nil {
								faults = append(faults, fmt.Sprintf("%s: %s: %v, %v", s.pkg, name.Value, err1, err2))
							}
							measured[strings.Trim(name.Value, "\"")] = part * most
						}
					}
					return true
				})
			}
		}
	}
	_, table, _ := strings.Cut(text, "\n## Memory\n")
	for line := range strings.Lines(table) {
		m := memoryRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		said, err := limitOf(m[2])
		if want, ok := measured[m[1]]; !ok || err != nil || said != want {
			faults = append(faults, fmt.Sprintf("%s: %s: says %s, a test measures %d bytes", limitsDoc, m[1], m[2], measured[m[1]]))
		}
		delete(measured, m[1])
	}
	for name := range measured {
		faults = append(faults, fmt.Sprintf("%s: memory: %q is not there", limitsDoc, name))
	}
	return faults
}

func TestMemoryIsWhatTestsMeasure(t *testing.T) {
	none(t, memoryFaults(read(t, limitsDoc), sources(t)))
}

func TestMemoryFaultsAreFound(t *testing.T) {
	code := sample(t, "relay/x_test.go", `package relay
func TestMemoryAtTheLimits() { _ = []test{{"rows", 4, 3 << 20, func() {}}} }
`)
	text := "# Limits\n\n## Memory\n\n| what | at most |\n|---|---|\n"
	require.Empty(t, memoryFaults(text+"| rows | 12 MiB |\n", code))
	for _, wrong := range []string{"", "| rows | 13 MiB |\n", "| rows | 12 MiB |\n| more | 1 MiB |\n"} {
		require.Len(t, memoryFaults(text+wrong, code), 1, wrong)
	}
}
