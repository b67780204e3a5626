package relay

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// pass delivers all events once in random order over three connections, and steps in between.
func (w *world) pass(n int) {
	order := rapid.Permutation(w.events).Draw(w.t, "order")
	for _, e := range order {
		conn := ConnID(rapid.IntRange(1, 3).Draw(w.t, "conn"))
		batch := BatchID(0)
		if conn < 3 {
			batch = BatchID(10*n + int(conn))
		}
		w.deliver(conn, batch, e, n < 2)
		if _, ok := w.asked[e.ID]; ok && (n == 2 || rapid.Bool().Draw(w.t, "as asked for")) {
			w.deliver(1, BatchID(10*n+1), e, false)
		}
		if rapid.IntRange(0, 5).Draw(w.t, "twice") == 0 {
			w.deliver(3-conn%3, BatchID(10*n+int(3-conn%3)), forgedCopy(e), false)
		}
		for range rapid.IntRange(0, 3).Draw(w.t, "steps") {
			w.step()
		}
	}
	for conn := ConnID(1); conn <= 3; conn++ {
		w.b.mark(conn, BatchID(10*n+int(conn)), true)
		w.b.mark(conn, 0, false)
	}
	w.quiet()
}

// deliver brings an event over a connection. The batches of the first one ask for ancestors, and the live events of the
// third one may come by wide filters.
func (w *world) deliver(conn ConnID, batch BatchID, e *event.Event, mayBeWide bool) {
	_, wanted := w.asked[e.ID]
	w.b.c.deliver(w.b.now, Delivery{
		Conn: conn, Source: relayurl.URL(fmt.Sprintf("wss://relay%d.example", conn)), Batch: batch, Mode: modeOf(batch),
		Event: e, At: w.b.now,
		Wanted: wanted && conn == 1 && batch != 0,
		Wide:   mayBeWide && batch == 0 && rapid.Bool().Draw(w.t, "wide"),
	})
	w.b.settle()
}

func forgedCopy(e *event.Event) *event.Event {
	n := *e.Event
	n.Sig = strings.Repeat("f", 128)
	f, err := event.Wrap(n)
	if err != nil {
		panic(err)
	}
	return f
}

// step lets one thing happen: a check is done, an answer comes, right or wrong, or the connection is lost.
func (w *world) step() {
	b := w.b
	switch n := rapid.IntRange(0, 20).Draw(w.t, "step"); {
	case len(b.checks) > 0 && n%2 == 0:
		i := rapid.IntRange(0, len(b.checks)-1).Draw(w.t, "check")
		e := b.checks[i]
		b.checks = slices.Delete(b.checks, i, i+1)
		b.c.verified(b.now, e, e.Sig[0] != 'f')
	case len(b.c.link.flights) > 0:
		w.answer(w.flight(), n)
	default:
		b.wait(time.Second)
	}
	b.settle()
}

// flight draws one of the events in flight.
func (w *world) flight() *event.Event {
	flights := w.b.c.link.lost()
	return rapid.SampledFrom(flights).Draw(w.t, "flight").event
}

func (w *world) answer(e *event.Event, n int) {
	b := w.b
	if w.faults > 0 && n < 10 {
		w.faults--
		switch {
		case n == 1:
			b.no(e, "error: database error")
			return
		case n == 3:
			b.no(e, "rate-limited: slow down")
			return
		case n == 5:
			b.lose(&health.Failure{Cause: health.CauseTimeout})
			b.wait(time.Second)
			b.up()
			return
		case n == 7:
			b.wait(61 * time.Second)
			return
		case n == 9: // accepted, but the answer is lost
			w.accept(e)
			return
		}
	}
	ok, reason := w.accept(e)
	b.answer(e, ok, reason)
	if ok && n%3 == 0 {
		w.show(e)
	}
}

// accept is the own relay's policy.
func (w *world) accept(e *event.Event) (bool, string) {
	if w.stored[e.ID] != nil {
		return true, "duplicate: have this event"
	}
	_, asked := w.asked[e.ID]
	has := func(id event.ID) bool { return w.stored[id] != nil }
	if e.Kind == event.KindDeletion {
		has = func(event.ID) bool { return true } // what it names may never have been here
	}
	if !asked && !relates(w.index, e, has, written(w.events)) {
		return false, "blocked: event does not relate to a stored repository"
	}
	if w.deleted[e.ID] {
		return false, "blocked: this event has been deleted"
	}
	if e.Kind == event.KindDeletion {
		for _, id := range e.References().IDs {
			delete(w.stored, id)
			w.deleted[id] = true
		}
	}
	if event.IsAddressable(e.Kind) {
		v, ok := w.newest[e.Coordinate()]
		if ok && !e.Supersedes(v.createdAt, v.id) {
			return false, "replaced: have newer event"
		}
		w.newest[e.Coordinate()] = version{int64(e.CreatedAt), e.ID}
	}
	w.stored[e.ID] = e
	if a, err := nip34.ParseAnnouncement(e); err == nil {
		w.index.Add(a)
	}
	return true, ""
}

// show is selfsub.
func (w *world) show(e *event.Event) {
	o := Observed{Stored: listOf(e)}
	if e.Kind == event.KindDeletion {
		o = Observed{Deletions: listOf(e)}
	}
	if a, err := nip34.ParseAnnouncement(e); err == nil {
		o.Announcements = []*nip34.Announcement{a}
	}
	w.b.observe(o)
}

// hear takes what was told of accepted events.
func (w *world) hear() {
	for _, events := range w.b.taken {
		for _, e := range events {
			require.LessOrEqual(w.t, len(e.Lacks), maxLacks)
			w.told[e.ID] = struct{}{}
		}
	}
	w.b.taken = nil
}

// quiet goes on without faults until nothing is open any more.
func (w *world) quiet() {
	w.faults = 0
	for n := 0; len(w.b.c.works) > 0 || len(w.b.c.pool.woken) > 0; n++ {
		if n > 20_000 {
			w.t.Fatalf("%d events are open and nothing happens", len(w.b.c.works))
		}
		if len(w.b.checks) > 0 || len(w.b.c.link.flights) > 0 {
			w.step()
			continue
		}
		w.b.wait(5 * time.Second)
	}
	w.b.nothingOpen()
	require.Empty(w.t, w.b.c.link.suspects)
}

// later lets time pass while the own relay answers.
func (w *world) later(d time.Duration) {
	for end := w.b.now.Add(d); w.b.now.Before(end); w.quiet() {
		w.b.wait(min(time.Minute, end.Sub(w.b.now)))
	}
}
