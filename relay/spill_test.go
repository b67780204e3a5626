package relay

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// feed is a connection that pages: it asks for credit, brings a page, marks it, and so on.
type feed struct {
	conn    ConnID
	left    []*event.Event
	grant   chan struct{}
	asked   int // places of the open request
	settled int // pages
	pages   int
}

// ownManner is how an own relay answers what it was sent; false: not at all.
type ownManner func(b *bench, e *event.Event) (ok bool, reason string, answers bool)

// slowWorld is a bench with connections that bring more than the queue holds, and an own relay with manners.
type slowWorld struct {
	*bench
	own      ownManner
	events   map[event.ID]*event.Event
	feeds    []*feed
	tookOne  []string // names, in the order they were accepted
	accepted map[event.ID]int
	refused  int
	most     int   // events in the queue at any time
	mostSize int64 // their bytes
}

func newSlowWorld(t *testing.T, own ownManner, change ...func(*PublisherOptions)) *slowWorld {
	w := &slowWorld{bench: newBench(t, change...), own: own, events: map[event.ID]*event.Event{}, accepted: map[event.ID]int{}}
	return w
}

func (w *slowWorld) feed(conn ConnID, events ...*event.Event) *feed {
	f := &feed{conn: conn, left: events, grant: make(chan struct{}, 1)}
	w.know(events...)
	w.feeds = append(w.feeds, f)
	return f
}

func (w *slowWorld) know(events ...*event.Event) {
	for _, e := range events {
		w.events[e.ID] = e
		w.name(e)
	}
}

// feedPage is how many events the feeds ask for at a time.
const feedPage = 500

// step brings what there is credit for, and answers what was sent; false when nothing happened.
func (w *slowWorld) step() bool {
	busy := false
	for _, f := range w.feeds {
		if f.asked == 0 && len(f.left) > 0 {
			f.asked = min(feedPage, len(f.left))
			w.c.reserve(w.now, request{f.conn, f.asked, f.grant})
			w.settle()
			busy = true
		}
		select {
		case <-f.grant:
			w.from(f.conn, 1, f.left[:f.asked]...)
			f.left = f.left[f.asked:]
			f.asked = 0
			f.pages++
			w.mark(f.conn, 1, len(f.left) == 0)
			busy = true
		default:
		}
	}
	busy = w.answerAll() || busy
	for _, r := range settledOf(w.heard()) {
		for _, f := range w.feeds {
			if f.conn == r.ID {
				f.settled++
			}
		}
	}
	w.most, w.mostSize = max(w.most, len(w.c.works)), max(w.mostSize, w.c.bytes)
	return busy
}

// answerAll answers what is in flight in the order it was sent.
func (w *slowWorld) answerAll() bool {
	answered := false
	for _, x := range w.c.link.lost() {
		if x.stage != flying {
			continue
		}
		ok, reason, answers := w.own(w.bench, x.event)
		if !answers {
			continue
		}
		answered = true
		if ok {
			w.accepted[x.event.ID]++
			w.tookOne = append(w.tookOne, x.event.Content)
		} else {
			w.refused++
		}
		w.answer(x.event, ok, reason)
	}
	w.out()
	return answered
}

// run lets time pass.
func (w *slowWorld) run(d time.Duration) {
	for end := w.now.Add(d); ; {
		for w.step() {
		}
		at := w.c.next()
		if at.IsZero() || at.After(end) {
			w.wait(end.Sub(w.now))
			if !w.step() {
				return
			}
			continue
		}
		w.wait(max(0, at.Sub(w.now)))
	}
}

func willing(*bench, *event.Event) (bool, string, bool) { return true, "", true }

// paced answers as a limiter lets it.
func paced(l *limiter) ownManner {
	l.tokens, l.at = l.burst, benchStart
	return func(b *bench, _ *event.Event) (bool, string, bool) {
		if l.take(b.now) {
			return true, "", true
		}
		return false, "rate-limited: slow down, please", true
	}
}

// issues of the repo x of key 1.
func issues(prefix string, n int) []*event.Event {
	out := make([]*event.Event, n)
	for i := range out {
		out[i] = issue(fmt.Sprint(prefix, i), 2, 1, "x")
	}
	return out
}

func TestSlowOwnRelayHoldsNothingUpAndLosesNothing(t *testing.T) {
	const historic, live = 14_000, 6_000
	tests := []struct {
		name  string
		own   ownManner
		down  bool
		cause Cause
	}{
		{"limited", paced(&limiter{rate: 1.0 / 60, burst: 1}), false, CausePace},
		{"wants a login", func(*bench, *event.Event) (bool, string, bool) { return false, "auth-required: you must auth", true }, false, CauseDown},
		{"away", willing, true, CauseDown},
		{"silent", func(*bench, *event.Event) (bool, string, bool) { return false, "", false }, false, CausePace},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newSlowWorld(t, tt.own)
			w.observe(announced(repo("a", 1, "x", benchStart)))
			if tt.down {
				w.down()
			}
			one, two := w.feed(1, issues("one", historic/2)...), w.feed(2, issues("two", historic/2)...)
			for i, e := range issues("live", live) {
				w.know(e)
				w.live(e)
				if i%100 == 0 {
					w.run(time.Second)
				}
			}
			w.mark(1, 0, false)
			w.run(20 * time.Minute)
			require.Empty(t, one.left)
			require.Empty(t, two.left)
			require.False(t, w.c.tallies.current(1, 0).series.broken, "no live event was dropped")
			require.LessOrEqual(t, w.most, w.c.o.QueueEvents+w.c.o.LiveEvents)
			require.LessOrEqual(t, w.mostSize, w.c.o.QueueBytes)
			require.Equal(t, historic+live, len(w.c.works)-w.c.woken+len(w.c.pool.rows)+len(w.accepted))
			require.Greater(t, len(w.c.pool.rows), historic+live-w.c.o.QueueEvents-w.c.o.LiveEvents)
			for _, row := range w.ledger.waiting {
				require.Contains(t, []Cause{tt.cause, CauseRetry}, row.Cause)
			}
			require.GreaterOrEqual(t, one.settled+two.settled, one.pages+two.pages, "pages settle by their rows")

			w.restart()
			w.feeds = nil
			lost := historic + live - len(w.c.pool.rows) - len(w.accepted)
			require.LessOrEqual(t, lost, w.c.o.QueueEvents+w.c.o.LiveEvents, "what was in the queue is fetched again")
			w.observe(announced(repo("a", 1, "x", benchStart)))
			w.own = willing
			w.run(2 * time.Hour)
			require.Len(t, w.accepted, historic+live-lost)
			for id, n := range w.accepted {
				require.Equal(t, 1, n, w.names[id])
			}
			require.Empty(t, w.ledger.waiting)
			w.nothingOpen()
		})
	}
}

// A connection that has its share of a queue with much room left waits for the own relay no longer than one that finds it full.
func TestAConnectionThatHasItsShareMakesRoom(t *testing.T) {
	w := newSlowWorld(t, willing)
	w.observe(announced(repo("a", 1, "x", benchStart)))
	w.down()
	one, two := w.feed(1, issues("one", 6000)...), w.feed(2, issues("two", 100)...)
	w.run(2 * spillPatience)
	require.Zero(t, len(one.left)) //nolint:testifylint // else all of them are printed
	require.Equal(t, 1, two.pages)
	require.Less(t, w.c.credit.taken[1], 2*feedPage+w.c.o.ConnEvents)
	require.Equal(t, 100, w.c.credit.taken[2], "others give up nothing for it")
}

func TestSpilledEventsGoInTheOrderOfSending(t *testing.T) {
	const repos = 100
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprint("restarted ", restarted), func(t *testing.T) {
			w := newSlowWorld(t, willing, func(o *PublisherOptions) { o.QueueEvents, o.Window = 2*feedPage, 4 })
			w.down()
			var all []*event.Event
			for i := range repos {
				d := fmt.Sprint("d", i)
				a := repo(fmt.Sprint("0 announcement", i), 1, d, benchStart)
				s := state(fmt.Sprint("1 state", i), 1, d, benchStart)
				r := issue(fmt.Sprint("2 root", i), 2, 1, d)
				c := comment(fmt.Sprint("3 rest", i), 3, r)
				all = append(all, a, s, r, c)
			}
			w.feed(1, all...)
			w.run(time.Hour)
			require.Len(t, w.c.pool.rows, 4*repos)
			w.own = paced(&limiter{rate: 1, burst: 1})
			if restarted {
				w.restart()
			} else {
				w.up()
			}
			w.run(time.Hour)
			require.Len(t, w.tookOne, 4*repos)
			require.True(t, slices.IsSortedFunc(w.tookOne, func(a, b string) int { return int(a[0]) - int(b[0]) }), "%v", w.tookOne)
		})
	}
}
