package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

var (
	simSeed  = flag.Uint64("seed", 0, "repeat the simulations with this seed; 0: a few fixed ones")
	simSeeds = flag.Int("seeds", unlessRaced(3, 1), "how many seeds a run of the simulations tries")
)

// simPlan is what happens in a simulated world.
type simPlan struct {
	relays  int
	repos   int
	steps   int
	pause   func(*rand.Rand) time.Duration // after each step
	hidden  bool                           // events come into stores without a word, dated back: only a daily pass shows them
	around  bool                           // comments are reacted to, quote notes, and are deleted by their authors
	patient time.Duration                  // after the last fault
	cost    int                            // of one seed; a dear plan is given fewer
}

// An hour in which much happens: relays go away and come back, cut connections, refuse, and the daemon and its own relay restart.
var busyHour = simPlan{
	relays:  5,
	repos:   12,
	steps:   60,
	pause:   func(*rand.Rand) time.Duration { return time.Minute },
	patient: 3 * time.Hour, // backoff and retries end within an hour each; a daily pass does not lie within
	cost:    1,
}

// Days with hours of silence between.
var longDays = simPlan{
	relays:  3,
	repos:   6,
	steps:   unlessRaced(30, 10),
	pause:   func(rng *rand.Rand) time.Duration { return time.Duration(rng.Int64N(int64(2 * time.Hour))) },
	hidden:  true,
	around:  true,
	patient: 50 * time.Hour, // a dead relay is dialled once a day, and what only a full pass shows takes another one
	cost:    3,
}

// TestSimulation lets many repos live on many relays while faults happen. However it goes, in the end the own relay holds everything
// that it should, and nothing else.
func TestSimulation(t *testing.T) {
	for name, plan := range map[string]simPlan{"busy hour": busyHour, "long days": longDays} {
		first, seeds := *simSeed, 1
		if first == 0 {
			first, seeds = 1, max(1, *simSeeds/plan.cost)
		}
		for seed := first; seed < first+uint64(seeds); seed++ {
			t.Run(fmt.Sprintf("%s/seed=%d", name, seed), func(t *testing.T) { plan.simulate(t, seed) })
		}
	}
}

type simulation struct {
	*world
	plan    simPlan
	rng     *rand.Rand
	relays  []*relaytest.Relay
	urls    []string
	repos   []simRepo
	wanted  []nostr.Event
	foreign map[string]bool
	deleted []nostr.Event
	down    map[int]bool
	count   int
}

type simRepo struct {
	owner author
	d     string
	on    []int // relays
	roots []nostr.Event
	told  []nostr.Event // comments that may be deleted
}

func (p simPlan) simulate(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{
			world: newWorld(t), plan: p, rng: rand.New(rand.NewPCG(seed, 2)),
			foreign: map[string]bool{}, down: map[int]bool{},
		}
		s.obey()
		s.build()
		began := time.Now()
		s.start()
		defer func() { s.close(s.relays...) }()
		for range p.steps {
			s.step()
			<-time.After(p.pause(s.rng))
		}
		for i, r := range s.relays {
			r.Set(func(o *relaytest.Options) {
				o.CloseAfter, o.EarlyEOSE, o.RateLimited = 0, false, false
				o.Negentropy = relaytest.Negentropy{Speak: o.Negentropy.Speak, Newest: o.Negentropy.Newest}
			})
			s.toggle(i, false)
		}
		s.own.Down(false)
		start := time.Now()
		defer func() {
			asked := 0
			for _, r := range s.relays {
				asked += len(r.Reconciliations())
			}
			t.Logf("%d reconciliations", asked)
			t.Logf("%d events; faults for %s; complete %s after the last one", len(s.wanted), start.Sub(began), time.Since(start))
			for _, e := range s.wanted {
				if !s.own.Has(e.ID) {
					t.Logf("missing: %s, kind %d of %s", e.ID, e.Kind, e.CreatedAt.Time())
				}
			}
		}()
		s.within(p.patient, fmt.Sprintf("seed %d: everything is there", seed), func() bool { return len(s.missing(s.wanted...)) == 0 })
		for _, e := range s.own.Received() {
			require.False(t, s.foreign[e.ID], "seed %d: foreign event of kind %d", seed, e.Kind)
		}
		for _, e := range s.deleted {
			require.False(t, s.own.Has(e.ID), "seed %d: deleted event of kind %d", seed, e.Kind)
		}
	})
}

func (s *simulation) build() {
	for i := range s.plan.relays {
		o := relaytest.Options{PageCap: 3 + s.rng.IntN(40), Concurrent: i%2 == 0}
		if i == s.plan.relays-2 {
			o.MaxSubs, o.Document = 5, `{"name":"small","limitation":{"max_subscriptions":5}}`
		}
		if o.Negentropy.Speak = i%2 == 1; i == 3 {
			o.Negentropy.Newest = 5 // and says nothing
		}
		host := fmt.Sprintf("r%d.example.com", i)
		if i >= s.plan.relays-2 {
			s.lines.shuffles[host] = rand.New(rand.NewPCG(s.rng.Uint64(), 3))
		}
		s.relays = append(s.relays, s.remote(host, o))
		s.urls = append(s.urls, "ws://"+host)
	}
	s.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(s.urls[0])}
	for range s.plan.repos {
		s.newRepo(1000 * time.Hour)
	}
}

// newRepo announces a repo on the bootstrap relay and some others; what is written about it is at most that old.
func (s *simulation) newRepo(age time.Duration) {
	n := len(s.repos)
	r := simRepo{owner: newAuthor(n), d: fmt.Sprintf("repo%d", n), on: []int{0}}
	for i := 1; i < s.plan.relays; i++ {
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
	by := newAuthor(500 + s.rng.IntN(9))
	if len(r.roots) == 0 || s.rng.IntN(3) == 0 {
		root := by.sign(event.KindIssue, at, nostr.Tag{"a", r.owner.coordinate(r.d)}, s.nonce())
		r.roots = append(r.roots, root)
		s.publish(root, s.home(r))
		return
	}
	root := r.roots[s.rng.IntN(len(r.roots))]
	comment := by.sign(event.KindComment, at, nostr.Tag{"E", root.ID}, nostr.Tag{"e", root.ID}, s.nonce())
	r.told = append(r.told, comment)
	s.publish(comment, s.home(r))
}

// surround adds what only a comment leads to: a reaction, a note that it quotes, its deletion.
func (s *simulation) surround(n int) {
	r := &s.repos[n]
	if len(r.told) == 0 {
		return
	}
	by, now := newAuthor(500+s.rng.IntN(9)), time.Now()
	i := s.rng.IntN(len(r.told))
	comment := r.told[i]
	switch s.rng.IntN(3) {
	case 0:
		r.told = append(r.told[:i:i], r.told[i+1:]...) // without it nobody would know what the reaction belongs to
		s.publish(by.sign(7, now, nostr.Tag{"e", comment.ID}, s.nonce()), s.home(r))
	case 1:
		note := by.sign(1, now.Add(-24*time.Hour), s.nonce())
		on := s.home(r)
		s.publish(note, on)
		s.publish(by.sign(event.KindComment, now, nostr.Tag{"E", r.roots[0].ID}, nostr.Tag{"e", r.roots[0].ID}, nostr.Tag{"q", note.ID}), on)
	case 2:
		r.told = append(r.told[:i:i], r.told[i+1:]...)
		// It may have come before its deletion, or not.
		s.wanted = slices.DeleteFunc(s.wanted, func(e nostr.Event) bool { return e.ID == comment.ID })
		for n := 500; n < 509; n++ {
			if a := newAuthor(n); a.public() == comment.PubKey {
				s.publish(a.sign(5, now, nostr.Tag{"e", comment.ID}, nostr.Tag{"k", "1111"}, s.nonce()), s.home(r))
			}
		}
		s.deleted = append(s.deleted, comment)
		s.relays[s.home(r)].Publish(comment) // a relay that does not honour it has it still
		// Who did not write it cannot delete it.
		meddling := newAuthor(600).sign(5, now, nostr.Tag{"e", r.roots[0].ID}, nostr.Tag{"k", "1621"}, s.nonce())
		s.foreign[meddling.ID] = true
		s.relays[s.home(r)].Publish(meddling)
	}
}

// home is one of the relays where a repo lives.
func (s *simulation) home(r *simRepo) int { return r.on[s.rng.IntN(len(r.on))] }

// nonce makes events of one second differ.
func (s *simulation) nonce() nostr.Tag {
	s.count++
	return nostr.Tag{"n", fmt.Sprint(s.count)}
}

func (s *simulation) publish(e nostr.Event, on int) {
	s.relays[on].Publish(e)
	s.wanted = append(s.wanted, e)
	if s.rng.IntN(4) == 0 { // a duplicate elsewhere
		s.relays[s.rng.IntN(len(s.relays))].Publish(e)
	}
}

// strange puts something on a relay that is none of ours: a repo of another service, or an issue of one.
func (s *simulation) strange() {
	by := newAuthor(700 + s.rng.IntN(3))
	e := by.sign(event.KindIssue, time.Now(), nostr.Tag{"a", by.coordinate("elsewhere")}, s.nonce())
	if s.rng.IntN(2) == 0 {
		e = by.sign(event.KindAnnouncement, time.Now(), nostr.Tag{"d", "elsewhere"}, nostr.Tag{"relays", s.urls[0]}, s.nonce())
	}
	s.foreign[e.ID] = true
	s.relays[s.rng.IntN(len(s.relays))].Publish(e)
}

// hide puts events into a store that nobody is told of, dated back by up to three days.
func (s *simulation) hide() {
	r := &s.repos[s.rng.IntN(len(s.repos))]
	on := s.home(r)
	if s.down[on] {
		return
	}
	by := newAuthor(500 + s.rng.IntN(9))
	e := by.sign(event.KindIssue, time.Now().Add(-time.Duration(s.rng.IntN(72))*time.Hour), nostr.Tag{"a", r.owner.coordinate(r.d)}, s.nonce())
	slip(s.relays[on], e)
	r.roots = append(r.roots, e)
	s.wanted = append(s.wanted, e)
}

// step is what happens at one moment.
func (s *simulation) step() {
	for range s.rng.IntN(6) {
		s.write(s.rng.IntN(len(s.repos)), time.Now().Add(-time.Duration(s.rng.IntN(10))*time.Minute))
	}
	if s.rng.IntN(4) == 0 {
		s.strange()
	}
	if s.plan.hidden && s.rng.IntN(2) == 0 {
		s.hide()
	}
	if s.plan.around && s.rng.IntN(2) == 0 {
		s.surround(s.rng.IntN(len(s.repos)))
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
	case 10:
		s.relays[i].Set(func(o *relaytest.Options) { s.spoil(&o.Negentropy) })
	case 9:
		s.relays[i].Set(func(o *relaytest.Options) { o.RateLimited = s.rng.IntN(2) == 0 })
	}
}

// spoil lets reconciliations go wrong in one way, or in none.
func (s *simulation) spoil(n *relaytest.Negentropy) {
	*n = relaytest.Negentropy{Speak: n.Speak, Newest: n.Newest}
	switch s.rng.IntN(7) {
	case 0:
		n.Silent = true
	case 1:
		n.SilentFrom = 2
	case 2:
		n.Refuse = "blocked: not today"
	case 3:
		n.Cap, n.StateCap = 1+s.rng.IntN(20), true
	case 4:
		n.IDsCap = 1 + s.rng.IntN(5)
	case 5:
		n.Withhold = func(id string) bool { return id < "4" }
	}
}

func (s *simulation) toggle(i int, down bool) {
	s.down[i] = down
	s.relays[i].Down(down)
}
