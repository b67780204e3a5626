package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

var (
	simSeed  = flag.Uint64("seed", 0, "repeat the simulation with this seed; 0: a few fixed ones")
	simSeeds = flag.Int("seeds", 3, "how many seeds a run of the simulation tries")
)

// TestSimulation lets many repos live on many relays for some hours of virtual time, while relays go away and come back, cut
// connections, refuse, and the daemon and its own relay restart. However it goes, in the end the own relay holds everything.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		simulate(t, *simSeed)
		return
	}
	for seed := range uint64(*simSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed+1), func(t *testing.T) { simulate(t, seed+1) })
	}
}

const (
	simRelays  = 5
	simRepos   = 12
	simSteps   = 60
	simStep    = time.Minute
	simPatient = 3 * time.Hour // backoff and retries end within an hour each; a daily pass does not lie within
)

type simulation struct {
	*world
	rng    *rand.Rand
	relays []*relaytest.Relay
	urls   []string
	repos  []simRepo
	wanted []nostr.Event
	down   map[int]bool
}

type simRepo struct {
	owner author
	d     string
	on    []int // relays
	roots []nostr.Event
}

func simulate(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 2)), down: map[int]bool{}}
		s.build()
		s.start()
		for range simSteps {
			s.step()
			<-time.After(simStep)
		}
		for i, r := range s.relays {
			r.Set(func(o *relaytest.Options) { o.CloseAfter, o.EarlyEOSE, o.RateLimited = 0, false, false })
			s.toggle(i, false)
		}
		s.own.Down(false)
		start := time.Now()
		defer func() { t.Logf("%d events; complete %s after the last fault", len(s.wanted), time.Since(start)) }()
		s.within(simPatient, fmt.Sprintf("seed %d: everything is there", seed), func() bool { return len(s.missing(s.wanted...)) == 0 })
		s.close(s.relays...)
	})
}

func (s *simulation) build() {
	for i := range simRelays {
		o := relaytest.Options{PageCap: 3 + s.rng.IntN(40), Concurrent: i%2 == 0}
		if i == 3 {
			o.MaxSubs, o.Document = 5, `{"name":"small","limitation":{"max_subscriptions":5}}`
		}
		host := fmt.Sprintf("r%d.example.com", i)
		s.relays = append(s.relays, s.remote(host, o))
		s.urls = append(s.urls, "ws://"+host)
	}
	s.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(s.urls[0])}
	for range simRepos {
		s.newRepo(1000 * time.Hour)
	}
}

// newRepo announces a repo on the bootstrap relay and some others; what is written about it is at most that old.
func (s *simulation) newRepo(age time.Duration) {
	n := len(s.repos)
	r := simRepo{owner: newAuthor(n), d: fmt.Sprintf("repo%d", n), on: []int{0}}
	for i := 1; i < simRelays; i++ {
		if s.rng.IntN(2) == 0 {
			r.on = append(r.on, i)
		}
	}
	var names []string
	for _, i := range r.on {
		names = append(names, s.urls[i])
	}
	ago := func() time.Time { return time.Now().Add(-time.Duration(s.rng.Int64N(int64(age)))) }
	at := ago()
	s.publish(r.owner.announce(r.d, at, names...), 0)
	s.publish(r.owner.sign(event.KindState, at, nostr.Tag{"d", r.d}), r.on[s.rng.IntN(len(r.on))])
	s.repos = append(s.repos, r)
	for range s.rng.IntN(12) {
		s.write(n, ago())
	}
}

// write adds a root, or a comment on one, somewhere where the repo lives.
func (s *simulation) write(n int, at time.Time) {
	r := &s.repos[n]
	on := r.on[s.rng.IntN(len(r.on))]
	by := newAuthor(500 + s.rng.IntN(9))
	if len(r.roots) == 0 || s.rng.IntN(3) == 0 {
		root := by.sign(event.KindIssue, at, nostr.Tag{"a", r.owner.coordinate(r.d)}, nostr.Tag{"n", fmt.Sprint(len(s.wanted))})
		r.roots = append(r.roots, root)
		s.publish(root, on)
		return
	}
	root := r.roots[s.rng.IntN(len(r.roots))]
	s.publish(by.sign(event.KindComment, at, nostr.Tag{"E", root.ID}, nostr.Tag{"e", root.ID}, nostr.Tag{"n", fmt.Sprint(len(s.wanted))}), on)
}

func (s *simulation) publish(e nostr.Event, on int) {
	s.relays[on].Publish(e)
	s.wanted = append(s.wanted, e)
	if s.rng.IntN(4) == 0 { // a duplicate elsewhere
		s.relays[s.rng.IntN(len(s.relays))].Publish(e)
	}
}

// step is what happens in one minute.
func (s *simulation) step() {
	for range s.rng.IntN(6) {
		s.write(s.rng.IntN(len(s.repos)), time.Now().Add(-time.Duration(s.rng.IntN(10))*time.Minute))
	}
	i := s.rng.IntN(len(s.relays))
	switch s.rng.IntN(12) {
	case 0, 1:
		s.toggle(i, !s.down[i])
	case 2:
		s.relays[i].Drop()
	case 3:
		s.relays[i].Set(func(o *relaytest.Options) { o.CloseAfter = s.rng.IntN(2) * (1 + s.rng.IntN(8)) })
	case 4:
		s.own.Drop()
	case 5:
		s.own.Down(s.rng.IntN(3) > 0)
	case 6:
		s.own.Down(false)
	case 7:
		s.stop()
		<-time.After(time.Duration(s.rng.IntN(30)) * time.Minute)
		s.start()
	case 8:
		s.newRepo(10 * time.Minute)
	}
}

func (s *simulation) toggle(i int, down bool) {
	s.down[i] = down
	s.relays[i].Down(down)
}
