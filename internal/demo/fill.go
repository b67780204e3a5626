package demo

import (
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

const (
	crowd   = 60                       // people who write issues and comments
	history = 2 * 365 * 24 * time.Hour // that the conversations are spread over
)

// fill puts the events on the relays, before these listen.
func (w *World) fill(o Options) error {
	s := w.source
	for n := range crowd {
		s.people = append(s.people, s.identity(n))
	}
	real, err := realEvents()
	if err != nil {
		return err
	}
	w.addReal(real)
	w.addTeams(o.Now)
	w.addConversations(o)
	w.addDeletions(o.Now)
	w.addSurroundings(o.Now)
	w.addNoise(o.Now)
	return s.err
}

func put(e *event.Event, on ...*Relay) {
	for _, r := range on {
		r.store.Add(e)
	}
}

// apart are real announcements that lie away from the bootstrap relay: to find them one has to go where others point.
var apart = map[string]*struct{ at []string }{
	"nostr-dns":          {[]string{string(damus)}},
	"loom-site":          {[]string{string(treegaze)}},
	"ngit-repo-explorer": {[]string{string(nostrBand)}},
	"fips-poc-sec":       {[]string{string(nosLol), string(damus)}},
}

// addReal spreads the corpus: what belongs to a repository that lists us over the relays that its announcement names, the
// rest anywhere.
func (w *World) addReal(events []*event.Event) {
	s := w.source
	ours := map[event.Ref]*repo{}
	for _, e := range events {
		a, err := nip34.ParseAnnouncement(e)
		if err != nil || !a.Lists([]string{w.Domain}) {
			continue
		}
		r := realRepo(a, w.byName)
		ours[a.Ref] = r
		s.repos = append(s.repos, r)
		if where := apart[a.Ref.D]; where != nil {
			for _, name := range where.at {
				for _, host := range r.hosts {
					if string(host.Name) == name {
						put(e, host)
					}
				}
			}
			continue
		}
		put(e, append(s.spread(r), w.relays[0])...)
	}
	for _, e := range events {
		var r *repo
		switch e.Kind {
		case event.KindAnnouncement:
			r = ours[e.Coordinate()]
			if r != nil {
				continue
			}
		case event.KindState:
			r = ours[event.RepoRef(e.PubKey, e.D())]
		default:
			for _, ref := range e.References().Refs {
				if r == nil {
					r = ours[ref]
				}
			}
		}
		if r == nil {
			put(e, w.anywhere()...)
			continue
		}
		put(e, s.spread(r)...)
	}
}

// spread picks where an event of a repository lies: on one of its relays, often on a second, now and then on a third.
func (s *Source) spread(r *repo) []*Relay {
	n := 1
	switch p := s.rand.IntN(100); {
	case p < 10:
		n = 3
	case p < 45:
		n = 2
	}
	order := s.rand.Perm(len(r.hosts))
	on := make([]*Relay, 0, n)
	for _, i := range order[:min(n, len(order))] {
		on = append(on, r.hosts[i])
	}
	return on
}

func (w *World) anywhere() []*Relay {
	on := []*Relay{pick(w.source, w.relays)}
	if w.source.chance(30) {
		on = append(on, pick(w.source, w.relays))
	}
	return on
}

// Numbers of identities beyond the crowd.
const (
	teamKeys  = 100
	noiseKeys = 200
	newKeys   = 300
)

// addTeams invents repositories whose keys we have, to show what the corpus lacks: several maintainers, one of whom has
// his own announcement elsewhere and does not list us; a second version that moved; states by everyone.
func (w *World) addTeams(now time.Time) {
	s := w.source
	founded := now.Add(-history)
	on := func(d string, hosts []*Relay, staff ...identity) *repo {
		r := &repo{hosts: hosts, hint: hosts[0].Name, staff: staff}
		for _, id := range staff {
			r.refs = append(r.refs, event.RepoRef(id.pub, d))
		}
		s.repos = append(s.repos, r)
		return r
	}
	relay := func(names ...int) (out []*Relay) {
		for _, n := range names {
			out = append(out, w.relays[n])
		}
		return out
	}
	anna, ben, cleo := s.identity(teamKeys), s.identity(teamKeys+1), s.identity(teamKeys+2)
	// anna names ben, ben names cleo; ben's own announcement is elsewhere, cleo has none.
	first, forked := relay(0, 1), relay(2, 5)
	put(s.announce(anna, "relay-tools", founded, true, first, ben.pub), w.relays[0])
	put(s.announce(ben, "relay-tools", founded.Add(time.Hour), false, forked, cleo.pub), w.relays[1])
	tools := on("relay-tools", append(first, forked...), anna, ben, cleo)
	put(s.state(anna, "relay-tools", founded.Add(2*time.Hour)), w.relays[0])
	put(s.state(ben, "relay-tools", founded.Add(3*time.Hour)), s.spread(tools)...)
	put(s.state(cleo, "relay-tools", founded.Add(4*time.Hour)), s.spread(tools)...)

	// dora's repository moved: the old version lies around, the new one names other relays.
	dora := s.identity(teamKeys + 3)
	put(s.announce(dora, "git-over-nostr notes", founded, true, relay(1)), w.relays[2], w.relays[3])
	put(s.announce(dora, "git-over-nostr notes", founded.Add(500*time.Hour), true, relay(3, 4)), w.relays[0], w.relays[4])
	on("git-over-nostr notes", relay(3, 4), dora)
	put(s.state(dora, "git-over-nostr notes", founded.Add(501*time.Hour)), w.relays[4])
	put(s.state(dora, "git-over-nostr notes", founded.Add(400*time.Hour)), w.relays[3])

	// An identifier with colons, longer than many stores index.
	erik := s.identity(teamKeys + 4)
	const long = "urn:git:erik:a-repository-with-an-identifier-that-is-longer-than-one-hundred-bytes-in-its-coordinate"
	put(s.announce(erik, long, founded, true, relay(0, 5, 6)), w.relays[5], w.relays[0])
	urn := on(long, relay(0, 5), erik)
	put(s.state(erik, long, founded.Add(time.Hour)), w.relays[0])
	// The guarded relay does not take the coordinate in a filter: what it has is found by the root, or not at all.
	t, root := s.newThread(urn, s.person(), founded.Add(2*time.Hour))
	put(root, w.relays[0])
	put(s.comment(t, s.person(), founded.Add(3*time.Hour)), w.relays[6])
	put(s.sign(s.person(), event.KindIssue, founded.Add(4*time.Hour), "Out of reach.", urn.address()...), w.relays[6])

	// fred took his states back: the deletion names the coordinate and lies apart from them.
	fred := s.identity(teamKeys + 5)
	put(s.announce(fred, "take-back", founded, true, relay(1, 2, 3)), w.relays[0], w.relays[1])
	on("take-back", relay(1, 2, 3), fred)
	put(s.state(fred, "take-back", founded.Add(2*time.Hour)), w.relays[1])
	put(s.state(fred, "take-back", founded.Add(time.Hour)), w.relays[3])
	put(s.sign(fred, event.KindDeletion, founded.Add(3*time.Hour), "", nostr.Tag{"a", event.Ref{Kind: event.KindState, PubKey: fred.pub, D: "take-back"}.String()}),
		w.relays[2])
}

// addConversations writes threads until about o.Events events are there: much about few repositories, little about most.
func (w *World) addConversations(o Options) {
	s := w.source
	weights := make([]float64, len(s.repos))
	total := 0.0
	for i, r := range s.repos {
		weights[i] = 1 / float64(1+(i*7)%len(s.repos))
		if len(r.hosts) == 0 {
			weights[i] = 0
		}
		total += weights[i]
	}
	for i, r := range s.repos {
		for left := int(float64(o.Events) * weights[i] / total); left > 0; {
			left -= w.addThread(r, o.Now)
		}
	}
}

// addThread writes one conversation and gives the number of its events.
func (w *World) addThread(r *repo, now time.Time) int {
	s := w.source
	n := 0
	start := s.between(now.Add(-history), now.Add(-24*time.Hour))
	t, root := s.newThread(r, s.person(), start)
	add := func(e *event.Event) {
		put(e, s.spread(r)...)
		n++
	}
	next := func() time.Time {
		until := t.last.Add(14 * 24 * time.Hour)
		if until.After(now) {
			until = now
		}
		return s.between(t.last, until)
	}
	add(root)
	switch root.Kind {
	case event.KindPatch:
		previous := root
		for range s.few(0.7) {
			previous = s.revision(t, previous, next())
			add(previous)
		}
	case event.KindPullRequest:
		for range s.few(0.8) {
			add(s.update(t, next()))
		}
	}
	for range s.few(2.5) {
		add(s.comment(t, s.person(), next()))
	}
	if s.chance(15) {
		add(s.reaction(t, s.person(), next()))
	}
	if s.chance(8) {
		add(s.label(t, s.person(), next()))
	}
	for range s.few(0.9) {
		by := s.authorOf(root)
		if len(r.staff) > 0 {
			by = pick(s, r.staff)
		}
		add(s.status(t, by, next()))
	}
	return n
}
