package demo

import (
	"net/url"
	"strings"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Expectation is what the own relay should hold in the end, by the contents of the remote relays at one moment.
type Expectation struct {
	Wanted   map[event.ID]Wanted
	Optional map[event.ID]bool // may be there or not: deletions, and what a difficult relay may keep to itself
}

// Wanted is one event that should arrive.
type Wanted struct {
	Event *event.Event
	On    []relayurl.URL // relays where it can be found, in the world's order
}

// Expected works out what should arrive, from what lies on the remote relays now.
func (w *World) Expected() Expectation {
	contents := make([]contents, len(w.relays))
	for i, r := range w.relays {
		contents[i] = contentsOf(r)
	}
	return expect(contents, w.Bootstrap(), w.Domain)
}

func contentsOf(r *Relay) contents {
	return contents{name: r.Name, events: r.store.All(), guarded: r.traits.guarded, longest: r.traits.longest}
}

// contents is one remote relay.
type contents struct {
	name    relayurl.URL
	events  []*event.Event
	guarded bool // it gives no notes, and only what was asked for by kind
	longest int  // bytes of a value in a filter; 0: any
}

// oracle works by rounds until nothing changes: the relays that are reached give announcements, accepted announcements name
// relays and coordinates, coordinates bring events, and those bring others. It shares no code with what it judges, except
// for the parsing of events and coordinates.
type oracle struct {
	relays    []contents
	bootstrap map[relayurl.URL]bool
	domain    string
	lenient   bool // what may arrive, not only what must

	newest   map[event.Ref]*event.Event // announcements on relays that are reached
	projects []*project
	wanted   map[event.ID]*Wanted
}

// project is a repository that lists us, with its maintainers.
type project struct {
	members map[event.PubKey]bool
	d       string
	relays  map[relayurl.URL]bool
	talk
}

func expect(relays []contents, bootstrap []relayurl.URL, domain string) Expectation {
	o := &oracle{relays: relays, bootstrap: map[relayurl.URL]bool{}, domain: domain}
	reached := map[relayurl.URL]bool{}
	for _, u := range bootstrap {
		o.bootstrap[u], reached[u] = true, true
	}
	for {
		o.announcements(reached)
		before := len(reached)
		for _, p := range o.projects {
			for u := range p.relays {
				reached[u] = true
			}
		}
		if len(reached) == before {
			break
		}
	}
	must := o.gather()
	o.lenient = true
	may := o.gather()
	return o.outcome(must, may)
}

// gathered is what arrives by one reading of the rules.
type gathered struct {
	wanted    map[event.ID]*Wanted
	deletions map[event.ID]bool // that name something of ours
}

// gather collects what arrives and takes out what its author has deleted.
func (o *oracle) gather() gathered {
	o.wanted = map[event.ID]*Wanted{}
	for ref, a := range o.newest {
		for _, p := range o.projects {
			if p.d == ref.D && p.members[ref.PubKey] {
				o.want(a)
			}
		}
	}
	o.states()
	for _, p := range o.projects {
		o.conversations(p)
	}
	deletions := o.deletions()
	return gathered{o.wanted, deletions}
}

// outcome says what must be there in the end, what may, and where the former can be found. What a lenient reading deletes
// may be gone.
func (o *oracle) outcome(must, may gathered) Expectation {
	out := Expectation{Wanted: map[event.ID]Wanted{}, Optional: may.deletions}
	for id := range must.wanted {
		if may.wanted[id] == nil {
			out.Optional[id] = true
			delete(must.wanted, id)
		}
	}
	for id := range may.wanted {
		if must.wanted[id] == nil {
			out.Optional[id] = true
		}
	}
	for _, r := range o.relays {
		for _, e := range r.events {
			if want := must.wanted[e.ID]; want != nil {
				want.On = append(want.On, r.name)
			}
		}
	}
	for id, want := range must.wanted {
		out.Wanted[id] = *want
	}
	return out
}

// announcements finds the newest ones on the relays that are reached, and which projects follow from them.
func (o *oracle) announcements(reached map[relayurl.URL]bool) {
	o.newest = map[event.Ref]*event.Event{}
	for _, r := range o.relays {
		if !reached[r.name] {
			continue
		}
		for _, e := range r.events {
			if e.Kind == event.KindAnnouncement {
				newer(o.newest, e)
			}
		}
	}
	o.projects = nil
	for ref, a := range o.newest {
		if !o.listed(a) {
			continue
		}
		p := &project{d: ref.D, members: map[event.PubKey]bool{}, relays: map[relayurl.URL]bool{}}
		for todo := []event.PubKey{ref.PubKey}; len(todo) > 0; todo = todo[1:] {
			if p.members[todo[0]] {
				continue
			}
			p.members[todo[0]] = true
			own := o.newest[event.RepoRef(todo[0], p.d)]
			if own == nil {
				continue
			}
			for _, key := range values(own, "maintainers") {
				if pk, err := event.ParsePubKey(key); err == nil {
					todo = append(todo, pk)
				}
			}
			for _, u := range values(own, "relays") {
				p.relays[relayurl.URL(strings.TrimSuffix(strings.ToLower(u), "/"))] = true
			}
		}
		delete(p.relays, relayurl.URL("wss://"+o.domain))
		o.projects = append(o.projects, p)
	}
}

// listed reports whether an announcement names us in both tags.
func (o *oracle) listed(a *event.Event) bool {
	named := func(tag string) bool {
		for _, v := range values(a, tag) {
			if u, err := url.Parse(v); err == nil && u.Host == o.domain {
				return true
			}
		}
		return false
	}
	return named("clone") && named("relays")
}

// states are asked for by identifier at the relays of a project and at the bootstrap relays.
func (o *oracle) states() {
	newest := map[event.Ref]*event.Event{}
	for _, p := range o.projects {
		for _, r := range o.relays {
			if !p.relays[r.name] && !o.bootstrap[r.name] {
				continue
			}
			for _, e := range r.events {
				if e.Kind == event.KindState && e.D() == p.d && p.members[e.PubKey] {
					newer(newest, e)
				}
			}
		}
	}
	for _, e := range newest {
		o.want(e)
	}
}

func (o *oracle) want(e *event.Event) {
	if o.wanted[e.ID] == nil {
		o.wanted[e.ID] = &Wanted{Event: e}
	}
}

func newer(m map[event.Ref]*event.Event, e *event.Event) {
	ref := e.Coordinate()
	if old := m[ref]; old == nil || e.CreatedAt > old.CreatedAt || e.CreatedAt == old.CreatedAt && e.Event.ID < old.Event.ID {
		m[ref] = e
	}
}

// values are those of all tags of a name.
func values(e *event.Event, name string) []string {
	var out []string
	for _, tag := range e.Tags {
		if len(tag) > 1 && tag[0] == name {
			out = append(out, tag[1:]...)
		}
	}
	return out
}
