package archtest

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// anyone stands in a rule for "may import every package of ours".
const anyone = "*"

// rule says which packages of ours a package may import outside its tests. Every package has one.
type rule struct {
	may []string
	why string
}

// rules is the direction of imports (DESIGN §3), from the leaves to the door.
var rules = map[string]rule{
	"internal/event": {
		why: "ids, coordinates and shape are what everyone else speaks in; whoever is spoken by all knows nobody",
	},
	"internal/relayurl": {
		may: []string{"internal/event"},
		why: "a relay's name is plain text work; it needs no more than the events that URLs come in",
	},
	"internal/nip34": {
		may: []string{"internal/event", "internal/relayurl"},
		why: "the scope rule is one pure decision, used by publisher, engine and embedded relay alike",
	},
	"filters": {
		may: []string{"internal/event", "internal/relayurl"},
		why: "what to ask is a pure function of refs and ids; who asks, and who wants it, is not its business",
	},
	"health": {
		why: "when to dial is a pure function of failures and the time; it is told causes and never looks for them",
	},
	"internal/corpus": {
		why: "real events as text; the tests of every room use them, so it knows nobody",
	},
	"internal/negentropy": {
		may: []string{"internal/event"},
		why: "the reconciliation protocol is bytes in and bytes out; who carries them, and what for, is not its business",
	},
	"migrations": {
		why: "plain SQL in an embedded file system; the store reads it",
	},
	"relay": {
		may: []string{"filters", "health", "internal/event", "internal/negentropy", "internal/nip34", "internal/relayurl"},
		why: "the wire declares the ledger and the sink that it needs and must not know who decides or who stores",
	},
	"relay/relaytest": {
		may: []string{"filters", "internal/event", "internal/relayurl"},
		why: "relay's own in-package tests use it, so it cannot import relay; a peer that shares our wire code proves nothing",
	},
	"relay/embedded": {
		may: []string{"internal/event", "internal/nip34", "internal/relayurl", "relay/embedded/server"},
		why: "an own relay like any other: reached by websocket, so it shares the scope rule with us and nothing else",
	},
	"relay/embedded/server": {
		may: []string{"filters", "internal/event", "internal/relayurl"},
		why: "the outside of a relay speaks the protocol for any backend and shares no wire code with the client side",
	},
	"selfsub": {
		may: []string{"filters", "health", "internal/event", "internal/nip34", "internal/relayurl", "relay"},
		why: "it turns what the own relay says into facts; what follows from a fact is decided elsewhere",
	},
	"sync": {
		may: []string{"filters", "health", "internal/event", "internal/nip34", "internal/relayurl", "relay", "selfsub"},
		why: "the engine uses the types of the others and declares the store that it needs; it does no I/O",
	},
	"internal/store": {
		may: []string{"health", "internal/event", "internal/nip34", "internal/relayurl", "migrations", "relay", "sync"},
		why: "it implements the interfaces of relay and sync, so neither of them may ever import it",
	},
	"internal/store/storetest": {
		may: []string{"health", "internal/event", "internal/nip34", "internal/relayurl", "internal/store", "relay", "sync"},
		why: "the conformance suite sees a store only through the interfaces",
	},
	"internal/config": {
		may: []string{"internal/event", "internal/nip34", "internal/relayurl"},
		why: "configuration parses values into the leaves' types; cmd hands them to those who use them",
	},
	"internal/web": {
		may: []string{"internal/relayurl"},
		why: "pages and metrics read snapshots through view types of their own, so that no page reaches into the engine; which names are local is the leaf's to say",
	},
	"internal/diff": {
		may: []string{"filters", "internal/event", "internal/nip34", "relay"},
		why: "it compares two relays by what they say; who configured them, and what is stored here, is not its business",
	},
	"internal/demo": {
		may: []string{"internal/corpus", "internal/event", "internal/nip34", "internal/relayurl", "relay/embedded", "relay/embedded/server"},
		why: "the demo's world stands outside the daemon and meets it over websockets only",
	},
	"internal/heaptest": {
		why: "the tests of every room measure memory with it",
	},
	"internal/badline": {
		why: "a line carries bytes; whose they are, and what the faults are to show, is the business of who holds it",
	},
	"internal/archtest": {
		why: "it reads the tree as text, and must work when the tree does not compile",
	},
	"bench":         {may: []string{anyone}, why: "it measures every room"},
	"cmd/ngit-sync": {may: []string{anyone}, why: "the only package that knows everyone"},
}

// testOnly packages carry test code and must never be linked into the daemon.
var testOnly = []string{"relay/relaytest", "internal/store/storetest", "internal/archtest", "internal/heaptest", "internal/badline"}

// besides are the packages that may import those.
var besides = append([]string{"bench"}, testOnly...)

var (
	pure = []string{"filters", "health", "internal/event", "internal/negentropy", "internal/nip34", "internal/relayurl"}
	core = append([]string{"sync"}, pure...)
	wire = []string{
		"relay", "relay/relaytest", "relay/embedded", "relay/embedded/server", // relays
		"internal/web", "cmd/ngit-sync", // the page, and the commands that ask it
		"internal/demo", "internal/badline", "bench", // worlds of their own
	}
)

// fence keeps packages that are not ours where they belong, outside tests: either `only` lists who may have
// them, or `never` who may not.
type fence struct {
	imports []string // path, or path/... for all below it too
	only    []string
	never   []string
	why     string
}

var fences = []fence{
	{
		imports: []string{"sync", "sync/atomic"}, never: core,
		why: "state has one owner; if the engine needs a mutex, the design is broken",
	},
	{
		imports: []string{"os/...", "io/fs", "syscall", "database/sql/..."}, never: append([]string{"selfsub"}, core...),
		why: "what decides does no I/O: it is tested with values",
	},
	{
		imports: []string{"net/http/...", "net/textproto", "net/smtp", "net/rpc", "crypto/tls"}, only: wire,
		why: "relay is the wire: one place for the dial guard, limits and deadlines",
	},
	{
		imports: []string{"net"}, only: append([]string{"internal/config", "internal/relayurl"}, wire...),
		why: "relay is the wire; configuration and URLs split hosts from ports, as text",
	},
	{
		imports: []string{"github.com/coder/websocket/..."},
		only:    []string{"relay", "relay/relaytest", "relay/embedded/server", "internal/demo", "bench"},
		why:     "no other package speaks websocket; what judges or measures the daemon reads relays without its code",
	},
	{
		imports: []string{"github.com/fiatjaf/khatru/...", "github.com/fiatjaf/eventstore/..."}, only: []string{"internal/demo", "bench"},
		why: "a peer to test against and to show the daemon with, not a part of it",
	},
	{
		imports: []string{"github.com/jackc/pgx/v5/...", "github.com/pressly/goose/v3/..."}, only: []string{"internal/store", "bench"},
		why: "everyone else sees the interfaces that relay and sync declare",
	},
	{
		imports: []string{"database/sql/...", "modernc.org/sqlite/..."}, only: []string{"internal/store", "relay/embedded", "bench"},
		why: "the daemon's database is the store's, the embedded relay's events are its own; nobody else has one",
	},
	{
		imports: []string{"go.uber.org/zap/...", "github.com/prometheus/client_golang/..."}, never: pure,
		why: "a pure decision returns its reason; whoever acts on it logs and counts",
	},
	{
		imports: []string{"go.yaml.in/yaml/v3"}, only: []string{"internal/config"},
		why: "one parser for configuration, strict about unknown keys",
	},
	{
		imports: []string{"github.com/spf13/cobra/...", "github.com/spf13/pflag"}, only: []string{"cmd/ngit-sync"},
		why: "flags end at the door",
	},
	{
		imports: []string{"github.com/nbd-wtf/go-nostr/nip77/..."}, only: []string{"relay/relaytest", "bench"},
		why: "a hostile peer crashes or blocks it (docs/decisions/0011); the peers of tests and of bench answer with it, as it is not our code",
	},
	{
		imports: []string{"log", "log/slog"}, only: []string{},
		why: "logging is zap, handed in by whoever constructs",
	},
	{
		imports: []string{"testing/...", "github.com/stretchr/testify/...", "pgregory.net/rapid", "go.uber.org/goleak"}, only: testOnly,
		why: "test code stays out of the daemon",
	},
}

// importFaults lists every import that a rule or a fence forbids, as "file:line: what: why".
func importFaults(all []source) []string {
	var faults []string
	for _, s := range all {
		if s.test {
			continue // tests may look across rooms, and the compiler still refuses cycles
		}
		r, ok := rules[s.pkg]
		if !ok {
			faults = append(faults, s.at(s.ast.Package)+": package "+s.pkg+" has no rule: give it one, with a reason")
			continue
		}
		for _, spec := range s.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // the compiler says so better
			}
			report := func(why string) {
				faults = append(faults, s.at(spec.Pos())+": "+s.pkg+" must not import "+imported+": "+why)
			}
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			switch {
			case isOurs && slices.Contains(testOnly, ours) && !slices.Contains(besides, s.pkg):
				report("it is for tests only")
			case isOurs && !slices.Contains(r.may, anyone) && !slices.Contains(r.may, ours):
				report(r.why)
			case !isOurs:
				for _, f := range fences {
					if f.forbids(s.pkg, imported) {
						report(f.why)
					}
				}
			}
		}
	}
	return faults
}

func (f fence) forbids(pkg, imported string) bool {
	meant := slices.ContainsFunc(f.imports, func(pattern string) bool {
		if base, tree := strings.CutSuffix(pattern, "/..."); tree {
			return imported == base || strings.HasPrefix(imported, base+"/")
		}
		return imported == pattern
	})
	if !meant {
		return false
	}
	if f.only != nil {
		return !slices.Contains(f.only, pkg)
	}
	return slices.Contains(f.never, pkg)
}

func TestImportsPointOneWay(t *testing.T) { none(t, importFaults(sources(t))) }

// A rule for a package that is gone hides a rename.
func TestEveryRuleHasItsPackage(t *testing.T) {
	have := map[string]bool{}
	for _, s := range sources(t) {
		have[s.pkg] = true
	}
	for pkg, r := range rules {
		require.NotEmpty(t, r.why, "the rule of %s has no reason", pkg)
		require.True(t, have[pkg], "no package %s in the tree", pkg)
	}
}

func TestImportFaultsAreFound(t *testing.T) {
	for _, c := range []struct{ name, file, path, want string }{
		{"ours, wrong way", "filters/a.go", module + "/internal/store", "filters/a.go:3: filters must not import " + module + "/internal/store: "},
		{"store from the engine", "sync/a.go", module + "/internal/store", "sync/a.go:3: "},
		{"engine from a page", "internal/web/a.go", module + "/sync", "internal/web/a.go:3: "},
		{"test helper", "cmd/ngit-sync/a.go", module + "/relay/relaytest", "it is for tests only"},
		{"mutex in the engine", "sync/a.go", "sync", "if the engine needs a mutex"},
		{"socket outside the wire", "selfsub/a.go", "net/http", "relay is the wire"},
		{"file in a pure package", "health/a.go", "os", "does no I/O"},
		{"below a tree", "sync/a.go", "os/exec", "does no I/O"},
		{"test code", "relay/a.go", "testing", "stays out"},
		{"nobody may", "cmd/ngit-sync/a.go", "log/slog", "logging is zap"},
		{"no rule", "pkg/utils/a.go", "fmt", "package pkg/utils has no rule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := importFaults(sample(t, c.file, "package a\n\nimport _ \""+c.path+"\"\n"))
			require.Len(t, got, 1)
			require.Contains(t, got[0], c.want)
		})
	}
	for _, c := range []struct{ file, path string }{
		{"filters/a.go", module + "/internal/event"},
		{"filters/a_test.go", module + "/relay/relaytest"},
		{"relay/a.go", "sync"},
		{"cmd/ngit-sync/a.go", module + "/internal/store"},
		{"relay/relaytest/a.go", "testing"},
		{"relay/a.go", "net/netip"},
	} {
		require.Empty(t, importFaults(sample(t, c.file, "package a\n\nimport _ \""+c.path+"\"\n")), "%s may import %s", c.file, c.path)
	}
}
