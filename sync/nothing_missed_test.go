package sync

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ngit-sync/ngit-sync/relay"
)

func TestNothingIsMissedWhateverARelayAllows(t *testing.T) {
	seeds := 8
	if testing.Short() {
		seeds = 3
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { missNothing(t, seed) })
	}
}

func missNothing(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	l := relay.AssumedLimits()
	l.Subscriptions, l.FiltersPerREQ = 3+rng.IntN(6), 3+rng.IntN(6)
	w := newWorld(t, seed, l, 6, 60, func(c *Config) { c.TagsPerFilter = 1 + rng.IntN(6) })
	w.m.up()
	for h := range 30 {
		what := happenings[rng.IntN(len(happenings))]
		w.chatter(10*time.Minute, what.fails)
		what.now(w)
		w.chatter(20*time.Minute, what.fails)
		if what.after != nil {
			what.after(w)
		}
		w.chatter(30*time.Minute, 0)
		w.complete(fmt.Sprintf("hour %d, %s", h, what.name))
	}
}

// happenings are what may befall a relay.
var happenings = []struct {
	name  string
	fails int // of its questions, one in so many fails
	now   func(*world)
	after func(*world)
}{
	{name: "nothing", now: func(*world) {}},
	{name: "failing questions", fails: 5, now: func(*world) {}},
	{name: "short absence", now: func(w *world) { w.m.lose() }},
	{name: "two short absences", now: func(w *world) { w.m.lose(); w.run(2*time.Minute, 0); w.m.lose() }},
	{name: "long absence", now: func(w *world) {
		w.m.lose()
		w.elapse(20 * time.Minute)
	}},
	{name: "lost rows", fails: 5, now: func(w *world) { w.lost() }},
	{name: "lost rows while it is away", now: func(w *world) { w.m.lose(); w.lost() }},
	{name: "restart", now: func(w *world) {
		w.m.cut()
		w.m.conn = 0
		clear(w.m.asked)
		w.restart()
		w.elapse(3 * time.Minute)
	}},
	{name: "fewer subscriptions", now: func(w *world) { w.evidence(relay.Evidence{Subscriptions: 2 + w.some(3)}) }},
	{name: "fewer filters", now: func(w *world) { w.evidence(relay.Evidence{FiltersPerREQ: 3 + w.some(3)}) }},
	{name: "smaller messages", now: func(w *world) { w.evidence(relay.Evidence{MessageBytes: 4000 + w.some(4000)}) }},
	{name: "kinds to be stated", now: func(w *world) { w.evidence(relay.Evidence{StateKinds: true}) }},
	{name: "foreign events", now: func(w *world) { w.report(relay.Foreign{ID: w.m.conn, At: w.now}) }},
	{name: "a subscription ended", now: func(w *world) { w.m.end("l0") }},
	{name: "a repo leaves and returns", now: func(w *world) { w.name(w.some(len(w.repos)), false) }, after: func(w *world) {
		w.name(slices.Index(w.out, true), true)
	}},
	{name: "all subscriptions ended", now: func(w *world) {
		for id := range w.m.subs {
			w.m.end(id)
		}
	}},
}

func (w *world) evidence(v relay.Evidence) {
	v.ID, v.At, v.Reason = w.m.conn, w.now, "NOTICE: too much"
	w.report(v)
}
