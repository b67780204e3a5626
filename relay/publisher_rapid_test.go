package relay

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// world is a random set of events, and an own relay that accepts what our scope accepts, in its own time.
type world struct {
	t      *rapid.T
	b      *bench
	events []*event.Event
	stored map[event.ID]*event.Event
	index  *nip34.Index
	newest map[event.Ref]version
	faults int                   // answers and connections that may still go wrong
	asked  map[event.ID]struct{} // asked for as ancestors
	told   map[event.ID]struct{} // as accepted

	deleted map[event.ID]bool
}

// drawWorld makes announcements, states, and conversations that hang on repos and on each other.
func drawWorld(t *rapid.T) []*event.Event {
	var events []*event.Event
	at := func() time.Time { return benchStart.Add(time.Duration(len(events)) * time.Second) }
	for k := range rapid.IntRange(1, 4).Draw(t, "repos") {
		owner, d := 1+k, string(rune('x'+k%2))
		maintainers := rapid.SliceOfNDistinct(rapid.IntRange(1, 8), 0, 3, rapid.ID[int]).Draw(t, "maintainers")
		announce := foreign
		if rapid.IntRange(0, 3).Draw(t, "listed") > 0 {
			announce = repo
		}
		for v := range rapid.IntRange(1, 2).Draw(t, "versions") {
			events = append(events, announce(fmt.Sprintf("repo%d.%d", k, v), owner, d, at(), maintainers...))
		}
	}
	for k := range rapid.IntRange(0, 6).Draw(t, "states") {
		d := string(rune('x' + k%2))
		events = append(events, state(fmt.Sprintf("state%d", k), rapid.IntRange(1, 8).Draw(t, "by"), d, at()))
	}
	parents := current(events)
	for k := range rapid.IntRange(0, 20).Draw(t, "others") {
		tags := []nostr.Tag{{"d", fmt.Sprint(k)}}
		if rapid.IntRange(0, 2).Draw(t, "on repo") == 0 {
			d := string(rune('x' + rapid.IntRange(0, 1).Draw(t, "d")))
			tags = append(tags, toRepo(rapid.IntRange(1, 9).Draw(t, "key"), d))
		}
		for range rapid.IntRange(0, 2).Draw(t, "parents") {
			tags = append(tags, to(rapid.SampledFrom(parents).Draw(t, "parent")))
		}
		kind := rapid.SampledFrom([]int{event.KindIssue, event.KindPatch, event.KindComment, 30023}).Draw(t, "kind")
		events = append(events, ev(fmt.Sprintf("other%d", k), kind, 10, at(), tags...))
		parents = append(parents, events[len(events)-1])
	}
	return append(events, drawDeletions(t, events)...)
}

// drawDeletions makes deletions of events that nothing else names: what becomes of an answer depends on whether it came before the
// deletion of what it answers. Some are by somebody else, and have no effect.
func drawDeletions(t *rapid.T, events []*event.Event) []*event.Event {
	named := make(map[event.ID]bool)
	for _, e := range events {
		for _, id := range e.References().IDs {
			named[id] = true
		}
	}
	var out []*event.Event
	for _, e := range events {
		if named[e.ID] || event.IsAddressable(e.Kind) || rapid.IntRange(0, 2).Draw(t, "deleted") > 0 {
			continue
		}
		by := rapid.SampledFrom([]int{10, 10, 10, 11}).Draw(t, "by")
		out = append(out, ev("deletion of "+e.Content, event.KindDeletion, by, e.CreatedAt.Time().Add(time.Minute), to(e)))
	}
	return out
}

// current leaves out old versions: whether an own relay ever held one depends on the order.
func current(events []*event.Event) []*event.Event {
	var out []*event.Event
	for _, e := range events {
		if !slices.ContainsFunc(events, func(o *event.Event) bool {
			return o.Coordinate() == e.Coordinate() && o.Supersedes(int64(e.CreatedAt), e.ID)
		}) {
			out = append(out, e)
		}
	}
	return out
}

// acceptable works out by repetition what the own relay holds in the end, whatever the order.
func acceptable(events []*event.Event, asked map[event.ID]struct{}) map[event.ID]bool {
	x := nip34.NewIndex(nip34.Rules{Domains: []string{ourDomain}})
	in := make(map[event.ID]bool)
	for changed := true; changed; {
		changed = false
		for _, e := range events {
			_, ok := asked[e.ID]
			if !in[e.ID] && (ok && e.Kind != event.KindDeletion || relates(x, e, func(id event.ID) bool { return in[id] }, written(events))) {
				in[e.ID], changed = true, true
				if a, err := nip34.ParseAnnouncement(e); err == nil {
					x.Add(a)
				}
			}
		}
	}
	return in
}

// written tells who wrote an event.
func written(events []*event.Event) func(event.ID) event.PubKey {
	return func(id event.ID) event.PubKey {
		i := slices.IndexFunc(events, func(e *event.Event) bool { return e.ID == id })
		return events[i].PubKey
	}
}

// relates is the scope rule of DESIGN §6, written down once more.
func relates(x *nip34.Index, e *event.Event, has func(event.ID) bool, by func(event.ID) event.PubKey) bool {
	switch e.Kind {
	case event.KindAnnouncement:
		a, err := nip34.ParseAnnouncement(e)
		return err == nil && x.Accepts(a)
	case event.KindState:
		return x.AcceptsState(e.PubKey, e.D())
	}
	refs := e.References()
	if e.Kind == event.KindDeletion {
		return slices.ContainsFunc(refs.IDs, func(id event.ID) bool { return has(id) && by(id) == e.PubKey })
	}
	return slices.ContainsFunc(refs.IDs, has) || slices.ContainsFunc(refs.Refs, x.Covers)
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, b: newBench(t), events: drawWorld(t), stored: make(map[event.ID]*event.Event),
		index:  nip34.NewIndex(nip34.Rules{Domains: []string{ourDomain}}),
		newest: make(map[event.Ref]version),
		faults: rapid.IntRange(0, 30).Draw(t, "faults"),
		asked:  make(map[event.ID]struct{}),
		told:   make(map[event.ID]struct{}),

		deleted: make(map[event.ID]bool),
	}
	for _, e := range w.events {
		if !event.IsAddressable(e.Kind) && e.Kind != event.KindDeletion && rapid.IntRange(0, 4).Draw(t, "asked for") == 0 {
			w.asked[e.ID] = struct{}{}
		}
	}
	w.b.byHand = true
	w.b.c.o.Window = rapid.IntRange(1, 8).Draw(t, "window")
	w.b.c.o.QueueEvents = rapid.IntRange(1, 80).Draw(t, "queue") // a quarter of it stays in memory
	for _, e := range w.events {
		w.b.name(e)
	}
	return w
}

// explain logs what was made of everything; rapid shows it with a failure.
func (w *world) explain() {
	for _, e := range w.events {
		var on []string
		for _, id := range e.References().IDs {
			on = append(on, w.b.names[id])
		}
		w.t.Logf("%s kind %d: %s, on %v %v, d %q by %x", e.Content, e.Kind, w.b.c.known[e.ID], on, e.References().Refs, e.D(), e.PubKey[:2])
		if p, ok := w.b.ledger.waiting[e.ID]; ok {
			w.t.Logf("  since %s, %s: %s, %d tries, due %s, needs %v", p.Since, p.Cause, p.Reason, p.Tries, p.Due, p.Needs)
		}
	}
}

// Whatever is delivered in whatever order, over whichever connections, and however the own relay behaves for a while: every
// mark settles, and in the end the own relay holds what it would accept.
func TestPublisherEndsWithTheSameInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		want := acceptable(w.events, w.asked)
		// What came before its repo was known is asked for again by the engine: announcements and states are forgotten for
		// that, one generation of maintainers after the other. Everything else waits in the pending table.
		const passes = 6
		for n := range passes {
			w.pass(n)
			settled := 0
			for _, r := range w.b.heard() {
				switch r.(type) {
				case Settled, LiveSettled:
					settled++
				}
			}
			require.Equal(t, 6, settled, "marks of pass %d", n)
			w.later(2 * time.Hour) // for what is to be tried again
			w.hear()
		}
		w.explain()
		deleted := make(map[event.ID]bool)
		for _, e := range w.events {
			if e.Kind == event.KindDeletion && want[e.ID] {
				deleted[e.References().IDs[0]] = true
			}
		}
		for _, e := range w.events {
			got, d := w.stored[e.ID] != nil, w.b.c.known[e.ID]
			switch {
			case want[e.ID] && event.IsAddressable(e.Kind):
				require.True(t, d == Stored || d == Superseded, "%s is %s", e.Content, d)
				require.True(t, got || !e.Supersedes(w.newest[e.Coordinate()].createdAt, w.newest[e.Coordinate()].id), e.Content)
			case deleted[e.ID]:
				require.False(t, got, "%s is %s", e.Content, d)
				require.Equal(t, Tombstone, d, e.Content)
			case want[e.ID]:
				require.True(t, got, "%s is %s", e.Content, d)
				require.Equal(t, Stored, d, e.Content)
			default:
				require.False(t, got, e.Content)
				require.Contains(t, []Disposition{Irrelevant, Parked}, d, e.Content)
			}
			if _, told := w.told[e.ID]; d != Superseded && d != Tombstone { // they may have been accepted before
				require.Equal(t, d == Stored, told, "%s is told as accepted", e.Content)
			}
			require.Equal(t, d, w.b.ledger.disposition(e.ID), "%s in the ledger", e.Content)
		}
	})
}
