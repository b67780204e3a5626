package relay

import (
	"fmt"
	"slices"
	"strings"
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
			for i, name := range w.tookOne {
				if rest, ok := strings.CutPrefix(name, "1 state"); ok {
					require.Equal(t, "0 announcement"+rest, w.tookOne[i-1], "the state follows at once")
				}
			}
			rest := slices.DeleteFunc(w.tookOne, func(name string) bool { return name[0] == '1' })
			require.True(t, slices.IsSortedFunc(rest, func(a, b string) int { return int(a[0]) - int(b[0]) }), "%v", rest)
		})
	}
}

func TestFullPendingTableStopsAsking(t *testing.T) {
	const all = 12_000
	for _, tt := range []struct {
		name   string
		change func(*PublisherOptions)
	}{
		{"by count", func(o *PublisherOptions) { o.PendingEvents = 3000 }},
		{"by size", func(o *PublisherOptions) { o.PendingBytes = 1 << 20 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newSlowWorld(t, paced(&limiter{rate: 1.0 / 60, burst: 1}), tt.change)
			w.observe(announced(repo("a", 1, "x", benchStart)))
			f := w.feed(1, issues("i", all)...)
			w.run(time.Hour)
			require.NotEmpty(t, f.left, "batches wait")
			require.Greater(t, len(w.c.pool.rows), 2000)
			require.LessOrEqual(t, len(w.c.pool.rows), w.c.o.PendingEvents)
			require.LessOrEqual(t, w.c.pool.bytes, w.c.o.PendingBytes)
			require.LessOrEqual(t, w.most, w.c.o.QueueEvents+readChunk)
			require.Equal(t, all, len(w.accepted)+len(f.left)+len(w.c.works)+w.c.pool.waiting, "nothing is given up")

			w.own = willing
			w.run(time.Hour)
			require.Len(t, w.accepted, all)
			w.nothingOpen()
		})
	}
}

// A paced own relay, one event a minute, with far more to give than it takes in a day, and a restart in between.
func TestNothingIsFetchedTwiceForAPacedOwnRelay(t *testing.T) {
	const all = 20_000
	w := newSlowWorld(t, paced(&limiter{rate: 1.0 / 60, burst: 1}))
	w.observe(announced(repo("a", 1, "x", benchStart)))
	events := issues("i", all)
	f := w.feed(1, events...)
	w.run(time.Hour)
	require.Equal(t, f.pages, f.settled, "a page settles by its rows")
	require.Equal(t, all/feedPage, f.pages)
	w.run(23 * time.Hour)
	took := len(w.accepted)
	require.Greater(t, took, 24*60*3/4)
	require.Less(t, w.refused, took/20+w.c.o.Window, "those in flight at the first refusal included")
	require.Less(t, len(w.c.works), 4*w.c.o.Window, "the rest is on disk")

	w.restart()
	w.feeds = nil
	w.observe(announced(repo("a", 1, "x", benchStart)))
	w.run(8 * 24 * time.Hour)
	require.Greater(t, len(w.accepted), took+7*24*60*3/4)
	require.Equal(t, all, len(w.accepted)+len(w.ledger.waiting), "what waits for room does not age")
	for _, e := range events {
		require.Contains(t, []Disposition{Stored, Parked}, w.c.known[e.ID], "not asked for again")
	}
}

func TestAwaitedParentInThePendingTable(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.Window, o.QueueEvents = 1, 4 })
	b.down()
	a, r := repo("a", 1, "x", benchStart), issue("r", 2, 1, "x")
	b.historic(a, r)
	b.wait(2 * spillAge)
	b.is(Parked, a, r)
	require.Len(t, b.c.pool.rows, 2)

	s, c := state("s", 1, "x", benchStart), comment("c", 3, r)
	b.live(s, c) // neither is foreign, nor an orphan
	require.Len(t, b.c.works, 2+1, "and the announcement, which is one of the best")
	b.mark(1, 0, false)
	b.wait(2 * spillAge)
	b.is(Parked, a, r, s, c)
	require.Len(t, b.heard(), 1, "the live mark settles")
	for _, e := range []*event.Event{s, c} {
		require.Equal(t, CauseDown, b.ledger.waiting[e.ID].Cause)
	}

	b.restart()
	var got []string
	for range 4 {
		sent := b.out()
		require.Len(t, sent, 1, "after %v", got)
		got = append(got, sent...)
		for _, e := range []*event.Event{a, s, r, c} {
			if e.Content == sent[0] {
				b.ok(e)
			}
		}
	}
	require.Equal(t, []string{"a", "s", "r", "c"}, got)
	b.is(Stored, a, r, s, c)
	b.nothingOpen()
}

func TestChildOfAParentThatIsRefusedIsJudgedAgain(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents = 4 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.down()
	r := issue("r", 2, 1, "x")
	c := comment("c", 3, r)
	b.historic(r, c)
	b.wait(2 * spillAge)
	b.is(Parked, r, c)
	b.up()
	b.no(r, "blocked: no")
	b.is(Rejected, r)
	b.wait(sweepEvery + time.Minute)
	require.Equal(t, CauseParent, b.ledger.waiting[c.ID].Cause, "it ages from here on")
	b.wait(7*24*time.Hour + time.Minute)
	b.is(Unknown, c)
	b.nothingOpen()
}

func TestStateFollowsItsAnnouncementThroughAFullQueue(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.Window = 4 })
	b.observe(announced(repo("other", 9, "o", benchStart)))
	for i := range 3000 {
		b.live(issue(fmt.Sprint("live", i), 2, 9, "o"))
	}
	for i := range 5000 {
		b.historic(issue(fmt.Sprint("historic", i), 2, 9, "o"))
	}
	a, s := repo("a", 1, "x", benchStart), state("s", 1, "x", benchStart)
	b.historic(a, s)
	for n := 0; !slices.Contains(b.sent, "a"); n++ { // behind the live events
		require.Less(t, n, 4000)
		b.ok(b.c.link.lost()[0].event)
	}
	b.out()
	b.ok(a)
	require.Equal(t, []string{"s"}, b.out())

	b.ok(s)
	newer := state("newer", 1, "x", benchStart.Add(time.Hour))
	b.historic(newer)
	b.out()
	b.ok(b.c.link.lost()[0].event)
	require.Equal(t, []string{"newer"}, b.out())
}

func TestNothingSpillsIntoAStoreThatTakesNoRows(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.LiveEvents = 8 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.down()
	b.ledger.full.Store(true)
	live := issues("live", 6)
	b.live(live...)
	b.historic(issues("historic", 20)...)
	b.mark(1, 1, true)
	b.mark(1, 0, false)
	b.wait(time.Hour)
	require.Len(t, b.c.works, 4+20, "the live events that do not fit are dropped")
	require.Empty(t, b.heard(), "the cursor stays before them, and the batch waits")
	b.ledger.full.Store(false)
	b.wait(spillAge)
	require.Len(t, b.heard(), 1)
	require.Len(t, b.ledger.waiting, 4+20)
	b.up()
	require.Len(t, b.out(), 4+20)
}
