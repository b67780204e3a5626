package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fault is what befalls a line or a process.
type fault string

const (
	cut      fault = "line cut"
	reset    fault = "line reset"
	torn     fault = "frame torn"
	garbled  fault = "frame garbled"
	swallow  fault = "line half-open for ever"
	stalled  fault = "line half-open for a while"
	delayed  fault = "line slow"
	narrow   fault = "line throttled"
	doubled  fault = "messages doubled"
	mute     fault = "accepted, not answered"
	refusing fault = "connections refused"

	daemonKilled  fault = "daemon killed"
	daemonStopped fault = "daemon stopped"
	ownKilled     fault = "own relay killed"
	ownFrozen     fault = "own relay frozen"
	remoteKilled  fault = "remote relay killed"
	backendKilled fault = "database backend killed"
	serverKilled  fault = "database killed"
	databaseAway  fault = "database away"
)

// Lines of a chaos world. The database has one only where it is Postgres.
const (
	lineOwn = iota
	lineKhatru
	lineKilled
	lineAhead
	lineDatabase
)

var lineNames = []string{"own relay", "khatru", "embedded", "clock ahead", "database"}

// The remote relays are the lines from lineKhatru to lineAhead.
const chaosRelays = lineAhead - lineKhatru + 1

// chaosForm is what sort of plan is drawn from a seed.
type chaosForm struct {
	steps   int
	pause   time.Duration // between two steps on average
	longest time.Duration // of what lasts
	buried  bool          // swallowed lines are among the faults: it takes 40 s until a ping shows them
}

var (
	shortChaos = chaosForm{steps: unlessRaced(24, 20), pause: 250 * time.Millisecond, longest: time.Second}
	longChaos  = chaosForm{steps: 100, pause: 500 * time.Millisecond, longest: 4 * time.Second, buried: true}
)

// chaosPlan is everything that is drawn from a seed.
type chaosPlan struct {
	postgres bool
	repos    []chaosRepo // that exist at the start, each with some history
	steps    []chaosStep
}

type chaosRepo struct {
	relays  []int // lines
	history int   // roots
}

// chaosStep is one moment.
type chaosStep struct {
	after  time.Duration // the moment before
	fault  fault
	line   int           // of a fault that befalls a line
	lasts  time.Duration // 0 of what is over at once
	delay  time.Duration
	rate   int // bytes a second
	writes []chaosWrite
}

// chaosWrite is an event that an author writes. Numbers are taken modulo what there is.
type chaosWrite struct {
	repo, root, relay int
	comment           bool // else a root
	found             bool // a new repo instead
}

// plan draws a plan. The same seed and form give the same one.
func (f chaosForm) plan(seed uint64) chaosPlan {
	rng := rand.New(rand.NewPCG(seed, 7))
	p := chaosPlan{postgres: seed%2 == 1}
	repo := func() chaosRepo {
		r := chaosRepo{relays: []int{lineKhatru}, history: 5 + rng.IntN(10)}
		for l := lineKhatru + 1; l <= lineAhead; l++ {
			if rng.IntN(3) > 0 {
				r.relays = append(r.relays, l)
			}
		}
		return r
	}
	for range 4 {
		p.repos = append(p.repos, repo())
	}
	p.repos[0].relays = []int{lineKhatru, lineKilled, lineAhead} // every relay is wanted from the start
	bag := f.bag(p.postgres)
	for i := range f.steps {
		if i%len(bag) == 0 {
			rng.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		s := chaosStep{after: time.Duration(rng.Int64N(int64(2 * f.pause))), fault: bag[i%len(bag)]}
		if s.fault.endsDaemon() && i >= f.steps/2 { // what the last one leaves behind is counted
			s.fault = stalled
		}
		s.line = s.fault.lines(p.postgres)[rng.IntN(len(s.fault.lines(p.postgres)))]
		if s.fault.lasting() {
			s.lasts = f.longest/20 + time.Duration(rng.Int64N(int64(f.longest)))
		}
		s.delay = time.Duration(20+rng.IntN(400)) * time.Millisecond
		s.rate = 2000 << rng.IntN(6)
		for range rng.IntN(5) {
			s.writes = append(s.writes, chaosWrite{
				repo: rng.IntN(1 << 20), root: rng.IntN(1 << 20), relay: rng.IntN(1 << 20),
				comment: rng.IntN(2) == 0, found: rng.IntN(30) == 0,
			})
		}
		p.steps = append(p.steps, s)
	}
	return p
}

// bag is what the faults of a plan are drawn from without laying back, so that each comes about as often.
func (f chaosForm) bag(postgres bool) []fault {
	out := []fault{
		cut, reset, torn, garbled, stalled, delayed, narrow, doubled, mute, refusing,
		daemonKilled, daemonStopped, ownKilled, ownFrozen, remoteKilled,
	}
	if f.buried {
		out = append(out, swallow)
	}
	if postgres {
		return append(out, backendKilled, serverKilled)
	}
	return append(out, databaseAway)
}

func (f fault) endsDaemon() bool { return f == daemonKilled || f == daemonStopped }

// lasting reports whether it is over at once, but for what it leads to.
func (f fault) lasting() bool {
	switch f {
	case cut, reset, torn, garbled, swallow, backendKilled:
		return false
	default:
		return true
	}
}

// lines are those that a fault may befall.
func (f fault) lines(postgres bool) []int {
	all := []int{lineOwn, lineKhatru, lineKilled, lineAhead, lineDatabase}
	switch f {
	case daemonKilled, daemonStopped, backendKilled, serverKilled, databaseAway:
		return []int{lineDatabase}
	case ownKilled, ownFrozen:
		return []int{lineOwn}
	case remoteKilled:
		return []int{lineKilled}
	case torn, garbled, doubled: // websocket
		return all[:lineDatabase]
	default:
		if postgres {
			return all
		}
		return all[:lineDatabase]
	}
}

func (s chaosStep) String() string {
	return fmt.Sprintf("%s, %s, for %s", s.fault, lineNames[s.line], s.lasts)
}

func TestAChaosPlanIsAFunctionOfItsSeed(t *testing.T) {
	for _, form := range []chaosForm{shortChaos, longChaos} {
		for seed := range uint64(20) {
			p := form.plan(seed)
			require.Equal(t, p, form.plan(seed))
			require.NotEqual(t, p.steps, form.plan(seed+20).steps)
			require.Equal(t, seed%2 == 1, p.postgres)
			seen := map[fault]int{}
			for i, s := range p.steps {
				seen[s.fault]++
				require.Contains(t, s.fault.lines(p.postgres), s.line)
				require.Equal(t, s.fault.lasting(), s.lasts > 0)
				require.False(t, i >= form.steps/2 && s.fault.endsDaemon())
			}
			for _, f := range form.bag(p.postgres) {
				if !f.endsDaemon() && form.steps >= len(form.bag(p.postgres)) {
					require.NotZero(t, seen[f], f)
				}
			}
			on := map[int]bool{}
			for _, r := range p.repos {
				for _, l := range r.relays {
					on[l] = true
				}
			}
			require.Len(t, on, chaosRelays)
			require.True(t, slices.ContainsFunc(p.steps, func(s chaosStep) bool { return len(s.writes) > 0 }))
		}
	}
}
