package filters

import (
	"iter"
	"slices"

	"github.com/nbd-wtf/go-nostr"
)

// Value numbers something wanted. Whoever makes a LiveSet hands out the numbers, per family, so that the live sets of
// all relays share one copy of the text.
type Value uint32

// Family is the kind of a Value.
type Family uint8

// The families, in the order of their right to room.
const (
	Repos  Family = iota // coordinates, asked for by a, A and q (layer 2)
	States               // identifiers of repository states, by d (layer 1)
	Roots                // ids of root events, by e, E and q (layer 3)
	families
)

// Names gives the text that stands for a value in a filter; for Roots, 64 hex digits. It must not
// change while the value is in a set.
type Names func(Family, Value) string

// Wants are what to ask for, the most wanted first, each value once; nil is nothing. The sequences must not read the set
// that is laid out.
type Wants struct {
	Repos, States, Roots iter.Seq[Value]
}

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
// It holds what fits its budget and nothing else: what does not fit is given back. A value is covered once, however often
// it was added, and stays in its filter until it is removed or everything is laid out anew. Adding costs the same
// however many values there are; a value that is held takes some 20 bytes. A LiveSet has one owner and no locks.
//
// Values over 255 bytes never share a filter, and are kept to one subscription: some relays refuse a whole REQ for them.
type LiveSet struct {
	names    Names
	table    subTable
	families [families]family
}

// fixed is what is asked whatever is wanted; from firstWide on, where the budget has it.
var fixed = func() (fs []nostr.Filter) {
	for _, f := range append([]nostr.Filter{Announcements(), Deletions()}, Wide()...) {
		fs = append(fs, AsLive(f))
	}
	return fs
}()

const firstWide = 2

// NewLiveSet gives a set that asks for nothing until Lay gives it room.
func NewLiveSet(names Names) *LiveSet {
	s := &LiveSet{names: names}
	s.Lay(Budget{}, Wants{})
	return s
}

// Lay forgets all values and lays out anew under a budget: announcements, deletions, Wide if the budget has it, then the
// wanted values. left counts those of each family that did not fit. What was sent to the relay is
// remembered: Changes closes or replaces it.
func (s *LiveSet) Lay(b Budget, w Wants) (left [3]int) {
	b.Subs, b.FiltersPerREQ = max(0, b.Subs), max(1, b.FiltersPerREQ)
	if b.Values <= 0 {
		b.Values = DefaultValues
	}
	s.table.reset(b)
	for i := range fixed {
		if i >= firstWide && !b.Wide {
			break
		}
		sizes := []int{filterBytes(&fixed[i]) + len(",")}
		if at, ok := s.table.place(sizes, 0, false); ok {
			s.table.enter(part{families, uint32(i)}, at, sizes, false)
		}
	}
	for f := range s.families {
		s.families[f] = newFamily(s, Family(f))
	}
	for f, values := range [families]iter.Seq[Value]{Repos: w.Repos, States: w.States, Roots: w.Roots} {
		if values == nil {
			continue
		}
		for v := range values {
			if !s.families[f].add(v) {
				left[f]++
			}
		}
	}
	return left
}

// Add asks for values. It gives back those that do not fit and are not held; one that is there already fits.
func (s *LiveSet) Add(f Family, values ...Value) (left []Value) {
	for _, v := range values {
		if !s.families[f].add(v) {
			left = append(left, v)
		}
	}
	return left
}

// Remove takes values out; what is not in the set is ignored.
func (s *LiveSet) Remove(f Family, values ...Value) {
	freed := false
	for _, v := range values {
		freed = s.families[f].remove(v) || freed
	}
	if freed {
		for i := range s.families {
			s.families[i].freed()
		}
	}
}

// Has reports whether a value is asked for.
func (s *LiveSet) Has(f Family, v Value) bool {
	_, ok := s.families[f].index[v]
	return ok
}

// Len is the number of values of a family that are asked for.
func (s *LiveSet) Len(f Family) int { return len(s.families[f].index) }

// Values lists what is asked for, in no particular order. The set must not change meanwhile.
func (s *LiveSet) Values(f Family) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for i := range s.families[f].chunks {
			for _, v := range s.families[f].chunks[i].values {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// Changes says what must be sent since the last call of Changes or All: REQs to send, and ids to close. A REQ on an
// open id replaces it (NIP-01).
func (s *LiveSet) Changes() (open []Sub, closed []string) { return s.changes(false) }

// All is every subscription, for a fresh connection; Changes goes on from there.
func (s *LiveSet) All() []Sub {
	open, _ := s.changes(true)
	return open
}

// Filters is the number of live filters.
func (s *LiveSet) Filters() int { return s.table.filters }

// Packed is the number of live filters that the same values under the same budget would need if they were laid out
// anew, at least: where it is far below Filters, consolidation pays (DESIGN §5).
func (s *LiveSet) Packed() int {
	n := s.table.filters
	for i := range s.families {
		n += s.families[i].packed() - s.families[i].filters
	}
	return n
}

// changes lists what differs from what was sent (all: everything), which then counts as sent.
func (s *LiveSet) changes(all bool) (open []Sub, closed []string) {
	for n := range s.table.subs {
		sub := &s.table.subs[n]
		switch {
		case sub.filters > 0 && (sub.dirty || all):
			open = append(open, s.render(n))
			sub.sent = true
		case sub.filters == 0 && sub.sent:
			closed = append(closed, subID(n))
			sub.sent = false
		}
		sub.dirty = false
	}
	return open, closed
}

func (s *LiveSet) render(n int) Sub {
	sub := Sub{ID: subID(n)}
	for _, p := range s.table.subs[n].parts {
		switch {
		case p.family < families:
			sub.Filters = slices.Concat(sub.Filters, s.families[p.family].render(p.chunk, n))
		case p.chunk < firstWide:
			sub.Filters = append(sub.Filters, fixed[p.chunk])
		default:
			sub.Wide = append(sub.Wide, fixed[p.chunk])
		}
	}
	return sub
}
