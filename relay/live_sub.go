package relay

import (
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// liveSub is one live subscription.
type liveSub struct {
	id      string
	order   int // in which it was opened
	filters []nostr.Filter
	state   liveState
	asked   time.Time // the last REQ
	manner  manner    // of it
	among   int       // subscriptions that were open then, this one included
	// replaced says that a REQ was sent on the open id, and no CLOSE since.
	replaced bool
	// sets are what this id has asked for, the newest last. An event may still come for a REQ that was replaced until the
	// EOSE after the next one.
	sets   []liveSet
	atEOSE int // the index in sets at the last EOSE
	past   past
}

// liveSet is the filters of one REQ. From byValue on they are wide.
type liveSet struct {
	filters []nostr.Filter
	match   *filters.Set
	byValue int
}

// maxSets bounds what a relay that never sends EOSE makes us keep.
const maxSets = 64

func (s *liveSub) replace(sub Sub) {
	s.filters = sub.All()
	s.sets = append(s.sets, liveSet{s.filters, filters.Compile(s.filters), len(sub.Filters)})
	if len(s.sets) > maxSets {
		s.retire(1)
		s.atEOSE = max(0, s.atEOSE-1)
	}
}

// settle retires the sets of before the EOSE before this one.
func (s *liveSub) settle() {
	s.retire(s.atEOSE)
	s.atEOSE = len(s.sets) - 1
}

// retire has the oldest n sets count no more.
func (s *liveSub) retire(n int) {
	for _, set := range s.sets[:n] {
		s.past.add(set.filters, s.filters)
	}
	s.sets = slices.Delete(s.sets, 0, n)
}

// liveMatch reports whether one of the sets that count asks for an event; wide, that none does by value.
func (c *Conn) liveMatch(s *liveSub, e *event.Event) (asked, wide bool) {
	for _, set := range slices.Backward(s.sets) {
		if !c.matches(set.match, e) {
			continue
		}
		if c.hits[0] < set.byValue { // ascending
			return true, false
		}
		asked = true
	}
	return asked, asked
}
