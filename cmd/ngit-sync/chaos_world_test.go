package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	gosync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/badline"
	"github.com/ngit-sync/ngit-sync/internal/demo"
	"github.com/ngit-sync/ngit-sync/relay/embedded/server"
)

// clockOff is how wrong some clocks are.
const clockOff = 90 * time.Second

// chaosWorld is a network of real relays, a database and the built binary, with a bad line before each of them:
//
//	own relay     embedded, a process of its own
//	khatru        the bootstrap relay; what is written there is dated 90 s back
//	embedded      a process of its own
//	clock ahead   20 events a page, without negentropy; what is written there is dated 90 s ahead
type chaosWorld struct {
	t        *testing.T
	plan     chaosPlan
	dir      string
	own      *peer
	killed   *peer
	cluster  *cluster // nil: SQLite
	sqlite   string
	database string
	lines    []*badline.Line // by lineOwn and so on; the database's may be nil
	weather  []map[*badline.Weather]bool
	config   string
	daemon   *process      // nil while it starts
	starting chan launched // nil when it has
	all      []*process    // daemons
	busy     map[string]bool
	waits    gosync.WaitGroup
	writers  []*chaosWriter
	repos    []chaosRepository
	written  int
}

type chaosRepository struct {
	owner  author
	d      string
	relays []int // lines
	roots  []chaosRoot
}

type chaosRoot struct {
	nostr.Event
	on int // line
}

func newChaosWorld(t *testing.T, p chaosPlan) *chaosWorld {
	w := &chaosWorld{t: t, plan: p, dir: t.TempDir(), busy: map[string]bool{}}
	t.Cleanup(w.waits.Wait)
	w.own, w.killed = startPeer(t), startPeer(t)
	khatru := demo.NewKhatru(100)
	require.NoError(t, khatru.Up(t.Context()))
	t.Cleanup(func() { require.NoError(t, khatru.Down(context.Background())) })
	ahead, err := server.Listen(t.Context(), "127.0.0.1:0", server.Options{
		Backend: server.NewMemory(), Limits: server.Limits{PageLimit: 20, DefaultLimit: 20, Reconciliations: -1},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // half-open connections do not hear of it
		_ = ahead.Close(ctx)
	})
	targets := []string{w.own.url, khatru.URL(), w.killed.url, ahead.URL()}
	for _, u := range targets {
		w.lines = append(w.lines, w.line(u[len("ws://"):], true))
	}
	w.sqlite = inSQLite(w.dir)
	w.database = w.sqlite
	w.lines = append(w.lines, nil)
	if p.postgres {
		w.cluster = startCluster(t)
		w.lines[lineDatabase] = w.line(w.cluster.url.Host, false)
		w.database = w.cluster.through(w.lines[lineDatabase].Addr())
	}
	for range w.lines {
		w.weather = append(w.weather, map[*badline.Weather]bool{})
	}
	w.config = filepath.Join(w.dir, "ngit-sync.yaml")
	require.NoError(t, os.WriteFile(w.config, []byte(
		"health: {base_backoff: 200ms, max_backoff: 2s}\nsync: {settle_delay: 500ms}\nlimits: {connect_timeout: 2s}\n"), 0o600))
	for i, off := range []time.Duration{-clockOff, 0, clockOff} {
		w.writers = append(w.writers, newChaosWriter(t, targets[lineKhatru+i], off))
	}
	for _, r := range p.repos {
		w.found(r.relays)
		for i := range r.history {
			w.write(chaosWrite{repo: len(w.repos) - 1, root: i, relay: i})
			w.write(chaosWrite{repo: len(w.repos) - 1, root: i, relay: i + 1, comment: true})
		}
	}
	return w
}

func (w *chaosWorld) line(target string, frames bool) *badline.Line {
	w.t.Helper()
	l, err := badline.Listen(w.t.Context(), badline.Options{Target: target, Frames: frames})
	require.NoError(w.t, err)
	w.t.Cleanup(l.Close)
	return l
}

// launch has a daemon started. A start that the database fails ends, and is made again as by a supervisor.
func (w *chaosWorld) launch() {
	started := make(chan launched, 1)
	w.daemon, w.starting = nil, started
	w.waits.Go(func() {
		for end := time.Now().Add(2 * patience); ; {
			p, err := launch(w.t, w.database, "--config", w.config, "--own-relay", w.lines[lineOwn].URL(), "--domain", testDomain,
				"--bootstrap", w.lines[lineKhatru].URL())
			if err == nil || time.Now().After(end) || w.t.Context().Err() != nil || !failedToLoad(err.Error()) {
				started <- launched{p, err}
				return
			}
		}
	})
}

// launched is a daemon that was started.
type launched struct {
	*process
	err error
}

// there reports whether the daemon runs, and not only starts.
func (w *chaosWorld) there() bool {
	w.t.Helper()
	if w.starting == nil {
		return true
	}
	select {
	case l := <-w.starting:
		w.arrived(l)
		return true
	default:
		return false
	}
}

// lives fails when the daemon has ended by itself.
func (w *chaosWorld) lives() {
	w.t.Helper()
	if !w.there() {
		return
	}
	select {
	case err := <-w.daemon.exited:
		w.t.Fatalf("the daemon has ended by itself: %v\n%s", err, w.daemon.log.String())
	default:
	}
}

// failedToLoad reports whether the last words of a daemon are that its database could not be read at the start.
func failedToLoad(said string) bool {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return strings.HasPrefix(lines[len(lines)-1], "ngit-sync: database.url: ")
}

// arrive waits for the daemon that was started.
func (w *chaosWorld) arrive() {
	w.t.Helper()
	if w.starting != nil {
		w.arrived(<-w.starting)
	}
}

func (w *chaosWorld) arrived(l launched) {
	w.t.Helper()
	require.NoError(w.t, l.err)
	w.daemon, w.starting = l.process, nil
	w.all = append(w.all, l.process)
}

// found announces a repository on its relays.
func (w *chaosWorld) found(relays []int) {
	n := len(w.repos)
	r := chaosRepository{owner: newAuthor(2000 + n%3), d: fmt.Sprint("repo", n), relays: relays}
	var urls []string
	for _, l := range relays {
		urls = append(urls, w.lines[l].URL())
	}
	announcement := r.owner.announce(r.d, time.Now(), urls...)
	for _, l := range relays {
		w.give(l, announcement)
	}
	w.give(relays[0], r.owner.sign(30618, time.Now(), nostr.Tag{"d", r.d}))
	w.repos = append(w.repos, r)
}

// write gives an event to a relay, dated by that relay's clock. A comment goes where its root is, or where anything goes.
func (w *chaosWorld) write(c chaosWrite) {
	if c.found {
		w.found([]int{lineKhatru, lineKhatru + 1 + c.relay%(chaosRelays-1)})
		return
	}
	r := &w.repos[c.repo%len(w.repos)]
	on := r.relays[c.relay%len(r.relays)]
	by := newAuthor(2100 + c.root%5)
	w.written++
	nonce := nostr.Tag{"n", fmt.Sprint(w.written)}
	if len(r.roots) == 0 || !c.comment {
		root := by.sign(1621, w.clock(on), nostr.Tag{"a", r.owner.coordinate(r.d)}, nonce)
		r.roots = append(r.roots, chaosRoot{root, on})
		w.give(on, root)
		return
	}
	root := r.roots[c.root%len(r.roots)]
	if on == lineKilled {
		on = root.on
	}
	w.give(on, by.sign(1111, w.clock(on), nostr.Tag{"E", root.ID}, nostr.Tag{"e", root.ID}, nonce))
}

func (w *chaosWorld) clock(line int) time.Time { return time.Now().Add(w.writers[line-lineKhatru].off) }

func (w *chaosWorld) give(line int, e nostr.Event) { w.writers[line-lineKhatru].queue <- e }

// accepted is what any remote relay has taken, when all that was written is.
func (w *chaosWorld) accepted() map[string]nostr.Event {
	w.t.Helper()
	out := map[string]nostr.Event{}
	for _, x := range w.writers {
		close(x.queue)
		select {
		case <-x.done:
		case <-time.After(patience):
			w.t.Fatalf("a remote relay does not take what is written: %v", x.failure.Load())
		}
		for _, e := range x.accepted {
			out[e.ID] = e
		}
	}
	return out
}

// chaosWriter gives events to one relay, over and over until each is taken.
type chaosWriter struct {
	url      string
	off      time.Duration
	queue    chan nostr.Event
	done     chan struct{}
	accepted []nostr.Event // when done
	failure  atomic.Value  // text of the last one
}

func newChaosWriter(t *testing.T, url string, off time.Duration) *chaosWriter {
	x := &chaosWriter{url: url, off: off, queue: make(chan nostr.Event, 10_000), done: make(chan struct{})}
	var wg gosync.WaitGroup
	t.Cleanup(wg.Wait)
	wg.Go(func() { x.run(t.Context()) })
	return x
}

func (x *chaosWriter) run(ctx context.Context) {
	defer close(x.done)
	var conn *websocket.Conn // nil: to be dialled
	defer func() {
		if conn != nil {
			_ = conn.CloseNow() // all is said
		}
	}()
	for {
		var e nostr.Event
		var more bool
		select {
		case e, more = <-x.queue:
		case <-ctx.Done():
		}
		if !more {
			return
		}
		for {
			err := x.publish(ctx, &conn, e)
			if err == nil {
				x.accepted = append(x.accepted, e)
				break
			}
			x.failure.Store(fmt.Sprintf("%s: %s: %v", x.url, e, err))
			select {
			case <-ctx.Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func (x *chaosWriter) publish(ctx context.Context, conn **websocket.Conn, e nostr.Event) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if *conn == nil {
		if *conn, _, err = websocket.Dial(ctx, x.url, nil); err != nil {
			*conn = nil
			return err
		}
	}
	defer func() {
		if err != nil {
			_ = (*conn).CloseNow() // it is dialled again
			*conn = nil
		}
	}()
	if err := (*conn).Write(ctx, websocket.MessageText, fmt.Appendf(nil, `["EVENT",%s]`, e)); err != nil {
		return err
	}
	_, msg, err := (*conn).Read(ctx)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf(`["OK",%q,true`, e.ID); !strings.HasPrefix(string(msg), want) {
		return fmt.Errorf("refused: %s", msg)
	}
	return nil
}
