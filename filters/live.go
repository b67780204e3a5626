package filters

import (
	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Budget is what live subscriptions may use at one relay.
type Budget struct {
	Subs          int  // subscriptions; what historic work needs is not among them. 0: nothing is asked live
	FiltersPerREQ int  // at least 1
	MessageBytes  int  // of one REQ as the relay states it; Usable of it is used
	Values        int  // per list of a filter; 0 is DefaultValues
	StateKinds    bool // the relay refuses filters without kinds: state them (WithKinds)
	Wide          bool // ask Wide too
}

// LiveSet is what is asked live at one relay: the announcements, the deletions, and filters by value for repos, states and
// roots, laid into subscriptions with ids "l0", "l1" and so on.
//
// A value is covered once, however often it was added. It stays in its filter until it is removed or the set is resized. Values that
// do not fit the budget wait, in the order added, and take what a removal frees: repos first, then
// states, then roots. Adding costs the same however many values there are. A LiveSet has one owner and no locks.
//
// Values over 255 bytes never share a filter, and are kept to one subscription: some relays refuse a whole REQ for them.
type LiveSet struct {
	table  subTable
	repos  *family[event.Ref]
	states *family[string]
	roots  *family[event.ID]
}

// NewLiveSet gives a set that asks for announcements and deletions.
func NewLiveSet(b Budget) *LiveSet {
	s := &LiveSet{}
	s.repos = newFamily(&s.table, event.Ref.String)
	s.states = newFamily(&s.table, func(d string) string { return d })
	s.roots = newFamily(&s.table, event.ID.String)
	s.roots.smallest = listedBytes(event.ID{}.String())
	s.Resize(b)
	return s
}

// Resize lays everything out anew under a budget, those added first in front.
func (s *LiveSet) Resize(b Budget) {
	b.Subs, b.FiltersPerREQ = max(0, b.Subs), max(1, b.FiltersPerREQ)
	if b.Values <= 0 {
		b.Values = DefaultValues
	}
	s.table.reset(b)
	fixed := []nostr.Filter{Announcements(), Deletions()}
	if b.Wide {
		fixed = append(fixed, Wide()...)
	}
	for _, f := range fixed {
		f = AsLive(f)
		sizes := []int{filterBytes(&f) + len(",")}
		if at, ok := s.table.place(sizes, 0, false); ok {
			s.table.enter(&fixedPart{f}, at, sizes, false)
		}
	}
	s.repos.reset(templates(b, tagged(nil, "a", "A", "q")))
	s.states.reset(templates(b, []nostr.Filter{statesFilter(nil)}))
	s.roots.reset(templates(b, tagged(nil, "e", "E", "q")))
	s.drain()
}

// AddRepos asks for what tags the coordinates.
func (s *LiveSet) AddRepos(refs []event.Ref) { addAll(s.repos, refs) }

// AddStates asks for repository states with the identifiers.
func (s *LiveSet) AddStates(ids []string) { addAll(s.states, ids) }

// AddRoots asks for what tags the root events.
func (s *LiveSet) AddRoots(ids []event.ID) { addAll(s.roots, ids) }

// RemoveRepos takes coordinates out; what is not in the set is ignored.
func (s *LiveSet) RemoveRepos(refs []event.Ref) { removeAll(s, s.repos, refs) }

// RemoveStates takes identifiers out; what is not in the set is ignored.
func (s *LiveSet) RemoveStates(ids []string) { removeAll(s, s.states, ids) }

// RemoveRoots takes root ids out; what is not in the set is ignored.
func (s *LiveSet) RemoveRoots(ids []event.ID) { removeAll(s, s.roots, ids) }

// Changes says what must be sent since the last call of Changes or All: REQs to send, and ids to close. A REQ on an
// open id replaces it (NIP-01).
func (s *LiveSet) Changes() (open []Sub, closed []string) { return s.table.changes(false) }

// All is every subscription, for a fresh connection; Changes goes on from there.
func (s *LiveSet) All() []Sub {
	open, _ := s.table.changes(true)
	return open
}

// Filters is the number of live filters.
func (s *LiveSet) Filters() int { return s.table.filters }

// Packed is the number of live filters that Resize under the same budget would leave, at least: where it is far below
// Filters, consolidation pays (DESIGN §5).
func (s *LiveSet) Packed() int {
	per := s.table.budget.Values
	families := s.repos.filters + s.states.filters + s.roots.filters
	return s.table.filters - families + s.repos.packed(per) + s.states.packed(per) + s.roots.packed(per)
}

// Uncovered counts the values that wait for room.
func (s *LiveSet) Uncovered() (repos, roots, states int) {
	return s.repos.waiting.Len(), s.roots.waiting.Len(), s.states.waiting.Len()
}

// Waiting lists the values that wait for room, in the order added.
func (s *LiveSet) Waiting() (repos []event.Ref, roots []event.ID, states []string) {
	return s.repos.uncovered(), s.roots.uncovered(), s.states.uncovered()
}

func (s *LiveSet) drain() {
	s.repos.drain()
	s.states.drain()
	s.roots.drain()
}

func addAll[K comparable](f *family[K], values []K) {
	for _, v := range values {
		f.add(v)
	}
}

func removeAll[K comparable](s *LiveSet, f *family[K], values []K) {
	freed := false
	for _, v := range values {
		freed = f.remove(v) || freed
	}
	if freed {
		s.repos.freed()
		s.states.freed()
		s.roots.freed()
		s.drain()
	}
}

// templates turns filters with one empty tag list into those of a chunk, in the relay's dialect.
func templates(b Budget, fs []nostr.Filter) []template {
	var out []template
	for _, f := range fs {
		dialect := []nostr.Filter{f}
		if b.StateKinds {
			dialect = WithKinds(f)
		}
		for _, d := range dialect {
			for tag := range d.Tags {
				out = append(out, template{AsLive(d), tag})
			}
		}
	}
	return out
}

// fixedPart is a filter that does not depend on values.
type fixedPart struct{ filter nostr.Filter }

func (p *fixedPart) render(int) []nostr.Filter { return []nostr.Filter{p.filter} }
