package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// world is a relay with repos and roots, and a listener who keeps what must be known of them.
type world struct {
	*script
	m     *listener
	repos []event.Ref
	roots [][]event.ID  // by repo
	out   []bool        // repos that do not name the relay at present
	n     int           // versions and events made
	lag   time.Duration // of answers
	step  time.Duration // between looks
}

func newWorld(t *testing.T, seed uint64, l relay.Limits, repos, roots int, change ...func(*Config)) *world {
	w := &world{script: newScript(t, change...), lag: 30 * time.Second, step: 30 * time.Second}
	w.m = listen(w.script, one, l, seed)
	var as []*nip34.Announcement
	var rs []selfsub.Root
	for i := range repos {
		a := announce(fmt.Sprintf("owner%d", i/3), fmt.Sprintf("repo%d", i), t0, nil, one, two)
		as = append(as, a)
		w.repos, w.out = append(w.repos, a.Ref), append(w.out, false)
		w.roots = append(w.roots, nil)
		for range roots / repos {
			age := time.Duration(float64(100*24*time.Hour) * w.m.rng.Float64() * w.m.rng.Float64())
			rs = append(rs, w.root(i, t0.Add(-age)))
		}
	}
	w.picture(as, rs...)
	w.settleAll(one)
	return w
}

// root makes a root event of a repo.
func (w *world) root(repo int, at time.Time) selfsub.Root {
	w.n++
	x := id(fmt.Sprintf("root %d", w.n))
	w.roots[repo] = append(w.roots[repo], x)
	if !w.out[repo] {
		w.m.want(x, at.Unix())
	}
	return selfsub.Root{ID: x, CreatedAt: at.Unix(), Refs: event.References{Refs: []event.Ref{w.repos[repo]}}}
}

// say has an event about a root accepted.
func (w *world) say(x event.ID) {
	w.n++
	w.m.active[x.String()] = max(w.m.active[x.String()], w.now.Unix())
	w.report(relay.Accepted{Events: []relay.AcceptedEvent{{
		ID: id(fmt.Sprintf("comment %d", w.n)), Kind: 1111, CreatedAt: w.now.Unix(), Refs: event.References{IDs: []event.ID{x}},
	}}})
}

// name has a repo name the relay, or no longer.
func (w *world) name(repo int, named bool) {
	w.n++
	relays := []relayurl.URL{two}
	if named {
		relays = []relayurl.URL{one, two}
	}
	w.out[repo] = !named
	a := announce(fmt.Sprintf("owner%d", repo/3), w.repos[repo].D, t0.Add(time.Duration(w.n)*time.Second), nil, relays...)
	if !named {
		for _, x := range w.roots[repo] {
			w.m.unwant(x)
		}
	}
	w.facts(selfsub.Facts{Announcements: anns(a), Picture: 1})
	if named {
		for _, x := range w.roots[repo] {
			w.m.want(x, 0)
		}
	}
}

// run lets time pass in steps; what is asked is answered after the lag.
func (w *world) run(d time.Duration, fails int) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.elapse(w.step)
		w.m.up()
		w.m.tellEnded()
		for w.m.answer(w.lag, fails) && w.lag == 0 {
		}
		w.m.mark()
	}
}

func (w *world) some(n int) int { return w.m.rng.IntN(n) }

func (w *world) anyRoot() event.ID {
	for {
		if of := w.roots[w.some(len(w.roots))]; len(of) > 0 {
			return of[w.some(len(of))]
		}
	}
}

// chatter is what goes on at a relay for a while: new roots, and events about those that are known.
func (w *world) chatter(d time.Duration, fails int) {
	for end := w.now.Add(d); w.now.Before(end); {
		switch w.some(6) {
		case 0:
			repo := w.some(len(w.repos))
			w.facts(selfsub.Facts{Roots: []selfsub.Root{w.root(repo, w.now.Add(-time.Duration(w.some(100))*time.Minute))}, Picture: 1})
		case 1, 2:
			w.say(w.anyRoot())
		}
		w.run(time.Duration(1+w.some(6))*time.Minute, fails)
	}
}

const slack = 4 * time.Minute // of answers, second looks and marks

func (w *world) complete(why string) {
	w.t.Helper()
	behind := w.m.behind(slack)
	require.Empty(w.t, behind[:min(3, len(behind))], "%d roots, %s, at %s", len(behind), why, w.now.Sub(t0))
}

func TestBeyondTheBudgetEveryRootIsLiveOrPolled(t *testing.T) {
	l := relay.AssumedLimits()
	l.Subscriptions, l.FiltersPerREQ = 20, 10
	w := newWorld(t, 1, l, 1000, 50_000)
	w.lag = 0
	w.m.up()
	require.LessOrEqual(t, w.m.widest, 15)
	r := w.e.relays[one]
	require.True(t, r.wide, "the wide filters stand in for what does not fit")
	w.run(20*time.Minute, 0)
	require.Equal(t, Connected, w.phase(one))
	require.Positive(t, r.byID())
	require.Equal(t, 50_000+1000+1000, r.byID()+r.notLive())
	for h := range 2 {
		w.chatter(time.Hour, 0)
		w.complete(fmt.Sprintf("hour %d", h))
	}
	w.step = 5 * time.Minute
	w.run(22*time.Hour, 0)
	w.complete("after the daily pass")
	require.LessOrEqual(t, w.m.widest, 15)
}
