package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	runs     int
	json     bool
	strict   bool
	verbose  bool
	binary   string
	tags     string
	profile  string
	deadline time.Duration
	config   string

	events   int
	resumed  int
	singles  int
	interval time.Duration
	relays   int
	repos    int
	roots    int
	named    int
	rest     time.Duration
	watch    time.Duration
	common   int
	spread   int
	nip77    bool
	ids      int
	database string
}

// lab is what the scenarios work in: the flags, the daemon's binary, a scratch directory and the figures so far.
type lab struct {
	options
	ctx     context.Context
	dir     string
	stderr  io.Writer
	figures figures
	run     int
}

var scenarios = []struct {
	name, doc string
	run       func(*lab) error
}{
	{"historic", "one remote relay's whole history into an own relay, and the same by the publisher alone", (*lab).historic},
	{"live", "single events while nothing else happens", (*lab).live},
	{"flood", "single events of one remote relay while another one floods", (*lab).flood},
	{"idle", "many open connections and nothing to do", (*lab).idle},
	{"reconcile", "one event in a hundred is missing: by negentropy and by pages", (*lab).reconcile},
	{"pages", "a history by pages on loopback and at a round trip of 100 ms", (*lab).pages},
	{"ledger", "our side of a reconciliation of very many ids", (*lab).reconcileLedger},
	{"window", "the publisher alone, by the size of its window", (*lab).window},
	{"start", "from a database of 50,000 roots and a million ledger rows to the first question", (*lab).start},
	{"resume", "a historic pass that is cut in the middle: what is fetched twice", (*lab).resume},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errMissed = errors.New("a figure is not what it must be")

func bench(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	l := &lab{ctx: ctx, stderr: stderr}
	names, err := l.parse(args, stderr)
	if err != nil {
		return err
	}
	m, err := readMachine(l.tags)
	if err != nil {
		return err
	}
	if l.dir, err = os.MkdirTemp("", "ngit-sync-bench-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(l.dir)) }()
	if l.binary == "" {
		if l.binary, err = build(ctx, l.dir, l.tags, l.profile != ""); err != nil {
			return err
		}
	}
	for l.run = range l.runs {
		for _, s := range scenarios {
			if slices.Contains(names, s.name) {
				fmt.Fprintf(stderr, "bench: run %d of %d: %s: %s\n", l.run+1, l.runs, s.name, s.doc)
				if err := s.run(l); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
	}
	write := l.figures.writeTable
	if l.json {
		write = l.figures.writeJSON
	}
	if err := write(stdout, m); err != nil {
		return err
	}
	if l.strict && l.figures.missed() {
		return errMissed
	}
	return nil
}

// parse reads the command line and gives the scenarios to run.
func (l *lab) parse(args []string, stderr io.Writer) ([]string, error) {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&l.runs, "runs", 1, "how often everything is measured; the median is shown")
	fs.BoolVar(&l.json, "json", false, "print JSON")
	fs.BoolVar(&l.strict, "strict", false, "exit 1 when a median is not what it must be")
	fs.BoolVar(&l.verbose, "v", false, "show the daemon's log")
	fs.StringVar(&l.binary, "binary", "", "daemon to measure; empty builds ./cmd/ngit-sync")
	fs.StringVar(&l.tags, "tags", ownTags(), "build tags of the daemon; bench itself must be run with the same")
	fs.StringVar(&l.profile, "profile", "", "directory for profiles of the daemon (builds it with a profiler)")
	fs.StringVar(&l.config, "config", "", "YAML that is added to the daemon's configuration, such as 'sync: {batch_window: 1s}'")
	fs.DurationVar(&l.deadline, "deadline", 5*time.Minute, "for each scenario")
	fs.IntVar(&l.events, "events", 20_000, "historic, pages: events at the remote relay")
	fs.IntVar(&l.resumed, "resumed", 100_000, "resume: events at the remote relay")
	fs.IntVar(&l.singles, "live", 1000, "live, flood: single events")
	fs.DurationVar(&l.interval, "interval", 5*time.Millisecond, "live, flood: between two of them")
	fs.IntVar(&l.relays, "relays", 100, "idle: remote relays")
	fs.IntVar(&l.repos, "repos", 10, "idle: repositories")
	fs.IntVar(&l.roots, "roots", 200, "idle: root events in all")
	fs.IntVar(&l.named, "named", 20, "idle: relays that each repository names")
	fs.DurationVar(&l.rest, "rest", 40*time.Second, "idle: wait between the end of the sync and the measurement")
	fs.DurationVar(&l.watch, "watch", 10*time.Second, "idle: how long CPU time is measured")
	fs.BoolVar(&l.nip77, "nip77", false, "historic: the remote relay speaks NIP-77")
	fs.IntVar(&l.common, "common", 100_000, "reconcile: events that both sides have")
	fs.IntVar(&l.spread, "spread", 100, "reconcile: repositories that they are spread over in the daemon's case")
	fs.IntVar(&l.ids, "ids", 1_000_000, "ledger: how many")
	fs.StringVar(&l.database, "database", "", "ledger: an empty Postgres database, as its URL, in place of SQLite in a scratch directory")
	fs.Usage = func() {
		fmt.Fprintln(stderr, "usage: go run ./bench [flags] [scenario...]\n\nscenarios (all when none is named):")
		for _, s := range scenarios {
			fmt.Fprintf(stderr, "  %-10s %s\n", s.name, s.doc)
		}
		fmt.Fprintln(stderr, "\nflags:")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	names := fs.Args()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(all, ", "))
		}
	}
	if len(names) == 0 {
		names = all
	}
	return names, l.check()
}

func (l *lab) check() error {
	switch {
	case l.runs < 1:
		return errors.New("-runs is at least 1")
	case l.events < 100 || l.resumed < 100:
		return errors.New("-events and -resumed are at least 100")
	case l.singles < 1 || l.interval <= 0:
		return errors.New("-live is at least 1, -interval above 0")
	case l.relays < 1 || l.relays > 10_000 || l.roots < l.repos || l.watch < time.Second || l.rest < 0:
		return errors.New("-relays is 1 to 10000, -roots at least -repos, -watch at least 1s, -rest not below 0")
	case l.named < 1 || l.named > namedMost:
		return fmt.Errorf("-named is 1 to %d", namedMost)
	case l.repos < 2*((l.relays+l.named-1)/l.named):
		return fmt.Errorf("-repos is too low for every relay to be named twice: 2 for each %d relays", l.named)
	case l.common < 10_000 || l.spread < 1 || l.spread > l.common/rootShare:
		return fmt.Errorf("-common is at least 10000, -spread 1 to one for %d events", rootShare)
	case l.ids < 10_000:
		return errors.New("-ids is at least 10000")
	case l.tags != ownTags():
		return fmt.Errorf("the daemon is compared with the publisher in here, which is built otherwise: go run -tags '%s' ./bench", l.tags)
	case l.binary != "" && l.profile != "":
		return errors.New("-profile builds a daemon of its own, so -binary cannot be given")
	}
	return nil
}

// ownTags are the build tags of this program.
func ownTags() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" {
			return s.Value
		}
	}
	return ""
}

// profileDir is where this run of a scenario is profiled to, empty when it is not.
func (l *lab) profileDir(scenario string) (string, error) {
	if l.profile == "" {
		return "", nil
	}
	dir, err := filepath.Abs(filepath.Join(l.profile, fmt.Sprintf("%s-%d", scenario, l.run+1)))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// daemon starts one for a scenario.
func (l *lab) daemon(ctx context.Context, own string, sources []string, profile string) (*daemon, error) {
	return l.daemonFrom(ctx, daemonOptions{own: own, sources: sources, profile: profile})
}

// daemonFrom starts one with options of the scenario's own.
func (l *lab) daemonFrom(ctx context.Context, o daemonOptions) (*daemon, error) {
	o.binary, o.dir, o.extra = l.binary, l.dir, l.config+"\n"
	if l.verbose {
		o.verbose = l.stderr
	}
	return startDaemon(ctx, o)
}
