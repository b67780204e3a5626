package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	gosync "sync"
	"text/tabwriter"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/demo"
	"github.com/ngit-sync/ngit-sync/sync"
)

const (
	redraw    = 500 * time.Millisecond
	printing  = 10 * time.Second // where the terminal cannot be redrawn
	newsLines = 6
)

// news are the last things written in the world. The writer and the table are two goroutines.
type news struct {
	mu    gosync.Mutex
	lines []string
	count int
}

func newNews() *news { return &news{} }

func (n *news) add(w demo.Written) {
	var on []string
	for _, r := range w.On {
		on = append(on, r.Name.Host())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count++
	n.lines = append(n.lines, fmt.Sprintf("%s  %s  on %s", time.Now().Format(time.TimeOnly), w.What, strings.Join(on, ", ")))
	if len(n.lines) > newsLines {
		n.lines = n.lines[1:]
	}
}

func (n *news) last() (int, []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count, append([]string(nil), n.lines...)
}

// watch draws the table again and again, in place where the output is a terminal.
func (x *demonstration) watch(ctx context.Context, n *news) {
	terminal := isTerminal(x.out) && !x.verbose
	every := printing
	if terminal {
		every = redraw
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	height := 0
	for {
		var b strings.Builder
		x.table(&b, n)
		if terminal && height > 0 {
			fmt.Fprintf(x.out, "\x1b[%dA\x1b[J", height)
		}
		if terminal {
			fmt.Fprint(x.out, "\x1b[?7l"+b.String()+"\x1b[?7h") // long lines are cut, so that height holds
		} else {
			fmt.Fprint(x.out, b.String())
		}
		height = strings.Count(b.String(), "\n")
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (x *demonstration) table(out io.Writer, n *news) {
	s := x.daemon.ring.Load().snapshot.Load()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RELAY\tPHASE\tMODE\tHAS\tGAVE\tDOING\tCHARACTER")
	others := 0
	for _, v := range s.Relays {
		r, ours := x.world.Relay(v.URL)
		if !ours {
			others++
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", v.URL.Host(), v.Phase, modeOf(v), r.Len(), v.Stored, v.Doing, r.Character)
	}
	_ = w.Flush() // into memory
	own := x.daemon.ring.Load().publisher.Own()
	fmt.Fprintf(out, "\nown relay: %d events taken, %d on their way, %d waiting; %d repos, %d root events; %d relays named are not part of the demo\n",
		own.Stored, own.Queue, own.Pending, s.Repos, s.Roots, others)
	count, lines := n.last()
	fmt.Fprintf(out, "written on the remote relays since the start: %d\n", count)
	for _, l := range lines {
		fmt.Fprintln(out, "  "+l)
	}
}

// modeOf is how a relay's history is asked. It is known of open connections only, as on the page.
func modeOf(v *sync.RelayView) string {
	if !v.Phase.Open() || v.Mode == "" {
		return "-"
	}
	return v.Mode
}

// report says what came from where.
func (x *demonstration) report(r demo.Result) {
	given := map[string]*sync.RelayView{}
	for _, v := range x.daemon.ring.Load().snapshot.Load().Relays {
		given[string(v.URL)] = v
	}
	w := tabwriter.NewWriter(x.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "RELAY\tHAS\tWANTED\tONLY THERE\tARRIVED\tGAVE FIRST\t")
	for _, rel := range x.world.Relays() {
		share := r.From[rel.Name]
		var gave int
		if v := given[string(rel.Name)]; v != nil {
			gave = v.Stored
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", rel.Name.Host(), share.Relay, share.Wanted, share.Only, share.Held, gave)
	}
	_ = w.Flush() // the report is best effort where standard output is gone
}

const missingShown = 50

// incomplete says what is missing, and what is there that should not be.
func (x *demonstration) incomplete(r demo.Result) {
	for i, m := range r.Missing {
		if i == missingShown {
			fmt.Fprintf(x.out, "... and %d more\n", len(r.Missing)-i)
			break
		}
		fmt.Fprintf(x.out, "missing  %s  kind %d  on %v\n", m.Event.ID, m.Event.Kind, m.On)
	}
	for i, e := range r.Surplus {
		if i == missingShown {
			fmt.Fprintf(x.out, "... and %d more\n", len(r.Surplus)-i)
			break
		}
		fmt.Fprintf(x.out, "too many  %s  kind %d\n", e.ID, e.Kind)
	}
	for _, v := range x.daemon.ring.Load().snapshot.Load().Relays {
		if _, ours := x.world.Relay(v.URL); ours {
			fmt.Fprintf(x.out, "%s: %s, %s; %s\n", v.URL, v.Phase, v.Doing, v.Note)
		}
	}
}
