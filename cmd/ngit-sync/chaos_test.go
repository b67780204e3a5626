package main

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	gosync "sync"
	"syscall"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/demo"
)

var (
	chaosTime   = flag.Duration("chaos-time", 0, "how long TestChaos begins new long plans; 0: a short plan on each database")
	chaosSeed   = flag.Uint64("chaos-seed", 0, "of the first plan, the next one has the next; even: SQLite, odd: Postgres; 0: by the clock, but of short plans the same ones always")
	chaosWorlds = flag.Int("chaos-worlds", 2, "plans at the same time")
)

// TestChaos puts bad lines between the built binary and real relays, and kills everything that is a process. In the end the own relay
// holds everything that any remote relay has accepted, and the daemon holds nothing that it did not hold before.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	switch {
	case seed > 0:
	case *chaosTime > 0:
		seed = uint64(time.Now().UnixNano()) / 1e6 % 1e9
	default:
		seed = 1
	}
	began := time.Now()
	var mu gosync.Mutex
	var report chaosReport
	next := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		n := uint64(report.plans)
		if *chaosTime > 0 && n > 0 && time.Since(began) > *chaosTime || *chaosTime == 0 && n == 2 {
			return 0, false
		}
		report.plans++
		return seed + n, true
	}
	form := shortChaos
	if *chaosTime > 0 {
		form = longChaos
	}
	var wg gosync.WaitGroup
	for range *chaosWorlds {
		wg.Go(func() {
			for seed, more := next(); more; seed, more = next() {
				t.Run(fmt.Sprintf("chaos-seed=%d", seed), func(t *testing.T) {
					r := survive(t, form.plan(seed))
					mu.Lock()
					defer mu.Unlock()
					report.add(r)
				})
			}
		})
	}
	wg.Wait()
	t.Logf("%s, plans from -chaos-seed=%d\n%s", time.Since(began).Round(time.Second), seed, report)
}

// chaosReport is what was survived.
type chaosReport struct {
	plans, events, daemons int
	slowest                time.Duration // from the last fault until everything was there
	faults                 map[fault]int
}

func (r *chaosReport) add(o chaosReport) {
	r.events += o.events
	r.daemons += o.daemons
	r.slowest = max(r.slowest, o.slowest)
	if r.faults == nil {
		r.faults = map[fault]int{}
	}
	for f, n := range o.faults {
		r.faults[f] += n
	}
}

func (r chaosReport) String() string {
	var b strings.Builder
	total := 0
	for _, f := range slices.Sorted(maps.Keys(r.faults)) {
		fmt.Fprintf(&b, "| %-28s | %5d |\n", f, r.faults[f])
		total += r.faults[f]
	}
	fmt.Fprintf(&b, "| %-28s | %5d |\n", "all", total)
	fmt.Fprintf(&b, "%d plans, %d events, %d starts of the daemon; complete at most %s after the last fault\n",
		r.plans, r.events, r.daemons, r.slowest.Round(100*time.Millisecond))
	return b.String()
}

// survive lets a plan happen.
func survive(t *testing.T, p chaosPlan) chaosReport {
	w := newChaosWorld(t, p)
	w.launch()
	w.arrive()
	w.atPeace()
	before := census{}
	for range quietSamples {
		for name, n := range w.census() {
			before[name] = max(before[name], n)
		}
		<-time.After(sampleEvery)
	}
	t.Logf("before: %v", before)

	counts := w.suffer()
	over := time.Now()
	wanted := w.accepted()
	var left []string
	defer func() {
		if t.Failed() {
			t.Logf("left over: %v", left)
			w.tell(wanted)
		}
	}()
	w.within("everything has arrived", func() bool { return len(w.missing(wanted)) == 0 })
	took := time.Since(over)
	w.atPeace()
	for id := range w.held() {
		require.Contains(t, wanted, id, "nobody has written it")
	}
	quiet := 0 // samples in a row: what is between two connections has less for a moment
	w.within("nothing is left over", func() bool {
		quiet++
		if left = w.census().beyond(before, w.databases()...); len(left) > 0 {
			quiet = 0
		}
		return quiet == quietSamples
	})
	t.Logf("after: %v", w.census())
	w.end(daemonStopped)
	return chaosReport{events: len(wanted), daemons: len(w.all), slowest: took, faults: counts}
}

// The daemon is quiet when so many looks at it show the same.
const (
	quietSamples = 10
	sampleEvery  = 100 * time.Millisecond
)

// chaosPatience is for what a ping after 30 s, its pong, and a wait of the own relay's line of 30 s lead to.
const chaosPatience = 3 * time.Minute

func (w *chaosWorld) within(what string, cond func() bool) {
	w.t.Helper()
	require.Eventually(w.t, cond, chaosPatience, sampleEvery, what)
}

// atPeace waits until every relay is caught up with and the daemon is ready.
func (w *chaosWorld) atPeace() {
	w.t.Helper()
	w.within("caught up", func() bool {
		_, metrics := w.daemon.get("/metrics")
		for l := lineKhatru; l <= lineAhead; l++ {
			if !strings.Contains(metrics, fmt.Sprintf("ngit_sync_relay_connected{relay=%q} 3", w.lines[l].URL())) {
				return false
			}
		}
		code, _ := w.daemon.get("/readyz")
		return code == http.StatusOK
	})
}

// held are the ids of what the own relay has; nil while it cannot be asked.
func (w *chaosWorld) held() map[string]bool {
	all, err := demo.Contents(w.t.Context(), w.own.url)
	if err != nil {
		return nil
	}
	out := map[string]bool{}
	for _, e := range all {
		out[e.Event.ID] = true
	}
	return out
}

func (w *chaosWorld) missing(wanted map[string]nostr.Event) []nostr.Event {
	held := w.held()
	var out []nostr.Event
	for id, e := range wanted {
		if !held[id] {
			out = append(out, e)
		}
	}
	return out
}

func (w *chaosWorld) census() census {
	w.t.Helper()
	names := map[string]string{}
	for i, l := range w.lines {
		if l != nil {
			names[l.Addr()] = lineNames[i]
		}
	}
	return w.daemon.census(names)
}

// databases are the names of what the database's pools keep open.
func (w *chaosWorld) databases() []string {
	path := strings.TrimPrefix(w.sqlite, "sqlite:")
	return []string{"socket: database", path, path + "-wal", path + "-shm"}
}

// tell says what is known of what failed.
func (w *chaosWorld) tell(wanted map[string]nostr.Event) {
	w.t.Helper()
	for _, e := range w.missing(wanted) {
		_, known := w.daemon.get("/api/v1/explain?id=" + e.ID)
		w.t.Logf("missing: %s\nexplained: %s", e, known)
	}
	for _, path := range []string{"/metrics", "/readyz", "/api/v1/relays"} {
		_, body := w.daemon.get(path)
		w.t.Logf("%s: %s", path, body)
	}
	for i, p := range w.all {
		_ = p.cmd.Process.Signal(syscall.SIGKILL) // all but the last have ended
		w.t.Logf("log of daemon %d:\n%s", i, p.log.String())
	}
}
