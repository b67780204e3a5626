package sync

import (
	"cmp"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/filters"
)

// Who is dialled when more relays are named than limits.max_relays: a decision over what each of them has to show (DESIGN §7,
// decisions/0034). Owners are keys, and keys cost nothing, so that they decide only among equals: what a relay gave, as the own relay
// took it, comes first.

const (
	placeKept  = 24 * time.Hour      // a place is kept so long, unless its relay cannot be reached
	placeTrial = time.Hour           // a relay that has never answered is given so long
	placeIdle  = 30 * 24 * time.Hour // a relay that gave something keeps its place so long for it
)

// standing is what a discovered relay has to show.
type standing struct {
	owners  int           // distinct ones that name it in announcements that the own relay has accepted
	sole    filters.Value // the number of the owner, when it is one and his relays are counted
	counted bool          // it counts for that owner
	gave    int           // events that the own relay took newly from it, ever
	gaveAt  time.Time     // the last of them
	reached bool          // it has answered, some time
	failing time.Time     // since when it cannot be reached, zero when it can
	due     time.Time     // it is not dialled before
	dropped bool          // for its offences, until due
	held    time.Time     // since when it has its place, zero when it has none
	barred  bool          // it would not be dialled, place or not
	learned uint64        // order in which candidates were learned; no two are alike
}

// class is what the own relay took, above what was said.
type class uint8

const (
	proven      class = iota // it gave something
	untried                  // nobody knows
	vain                     // it answers, and had nothing that we lacked
	unreachable              // it has never answered
)

func (s *standing) class() class {
	switch {
	case s.gave > 0:
		return proven
	case s.reached:
		return vain
	case !s.failing.IsZero():
		return unreachable
	}
	return untried
}

// compare puts the better claim first.
func (s *standing) compare(t *standing) int {
	return cmp.Or(cmp.Compare(s.class(), t.class()), cmp.Compare(t.owners, s.owners), cmp.Compare(t.gave, s.gave), cmp.Compare(s.learned, t.learned))
}

// slotRules are the bounds of the decision.
type slotRules struct {
	limit     int
	perOwner  int // relays that only he names
	deadAfter time.Duration
}

// gone reports a relay whose place is of no use to it now: it is dead, has not answered in its trial, or is dropped for its offences. It
// makes way for anybody, and is a candidate again when it is due.
func (p slotRules) gone(s *standing, now time.Time) bool {
	if !s.due.After(now) {
		return false
	}
	away := now.Sub(s.failing)
	return s.dropped || !s.failing.IsZero() && (away >= p.deadAfter || !s.reached && away >= placeTrial)
}

// makesWay reports whether a relay gives its place to another one that is due.
func (p slotRules) makesWay(holder, other *standing, now time.Time) bool {
	more := other.owners > holder.owners
	switch {
	case p.gone(holder, now):
		return true
	case now.Sub(holder.held) < placeKept:
		return false
	case holder.gave == 0:
		return other.gave > 0 || more && other.class() != unreachable
	case now.Sub(holder.gaveAt) < placeIdle:
		return false
	}
	return more && other.class() <= untried
}

// verdict is what changes, by index.
type verdict struct {
	take, leave []int
	waiting     []int // those that go on waiting and are due, the best claims first
	crowded     []int // of these, those whose owner has his share
	needs       int   // so many owners win a place from another relay; 0: none can be won
}

// decide gives the places to those with the best claims. A relay that has one loses it to the limits, or to a better one as makesWay
// says: at most one at a time that gave something makes way for one that nobody knows, so that invented relays take no more than one
// such place, for as long as the trial lasts.
func (p slotRules) decide(all []standing, now time.Time) verdict {
	var v verdict
	var holders, waiting []int
	for i := range all {
		switch s := &all[i]; {
		case s.held.IsZero() && !s.barred && !s.due.After(now):
			waiting = append(waiting, i)
		case s.held.IsZero():
		case s.barred:
			v.leave = append(v.leave, i)
		default:
			holders = append(holders, i)
		}
	}
	shares := map[filters.Value]int{}
	full := func(s *standing) bool { return s.counted && shares[s.sole] >= p.perOwner }
	share := func(s *standing, n int) {
		if s.counted {
			shares[s.sole] += n
		}
	}
	slices.SortFunc(holders, func(a, b int) int {
		return cmp.Or(order(p.gone(&all[a], now), p.gone(&all[b], now)), all[a].compare(&all[b]))
	})
	kept := 0
	weak := weakest{rules: p, all: all, now: now}
	for _, i := range holders {
		s := &all[i]
		if kept == p.limit || full(s) {
			v.leave = append(v.leave, i)
			continue
		}
		kept++
		share(s, 1)
		weak.add(i)
	}
	weak.sort()
	v.needs = weak.needs
	slices.SortFunc(waiting, func(a, b int) int { return all[a].compare(&all[b]) })
	for _, i := range waiting {
		s := &all[i]
		if full(s) {
			v.crowded, v.waiting = append(v.crowded, i), append(v.waiting, i)
			continue
		}
		if kept < p.limit {
			kept++
		} else if loser, ok := weak.take(s); ok {
			v.leave = append(v.leave, loser)
			share(&all[loser], -1)
		} else {
			v.waiting = append(v.waiting, i)
			continue
		}
		share(s, 1)
		v.take = append(v.take, i)
	}
	return v
}

// order puts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// weakest are the holders that may make way, the weakest of each sort first: who does not win from the first wins from none.
type weakest struct {
	rules          slotRules
	all            []standing
	now            time.Time
	gone, unproven []int
	idle           []int // of those that gave something
	trial          bool  // one that gave nothing yet has its first day
	needs          int
}

func (w *weakest) add(i int) {
	s := &w.all[i]
	young := w.now.Sub(s.held) < placeKept
	idle := s.gave == 0 || w.now.Sub(s.gaveAt) >= placeIdle
	if idle && (w.needs == 0 || s.owners+1 < w.needs) {
		w.needs = s.owners + 1
	}
	switch {
	case w.rules.gone(s, w.now):
		w.gone = append(w.gone, i)
	case s.gave == 0 && young:
		w.trial = true
	case s.gave == 0:
		w.unproven = append(w.unproven, i)
	case idle && !young:
		w.idle = append(w.idle, i)
	}
}

func (w *weakest) sort() {
	for _, list := range [][]int{w.gone, w.unproven, w.idle} {
		slices.SortFunc(list, func(a, b int) int {
			return cmp.Or(cmp.Compare(w.all[a].owners, w.all[b].owners), cmp.Compare(w.all[a].gave, w.all[b].gave), cmp.Compare(w.all[b].learned, w.all[a].learned))
		})
	}
}

// take gives the holder that makes way for a candidate.
func (w *weakest) take(s *standing) (int, bool) {
	for _, list := range []*[]int{&w.gone, &w.unproven, &w.idle} {
		if len(*list) == 0 || !w.rules.makesWay(&w.all[(*list)[0]], s, w.now) {
			continue
		}
		if list == &w.idle && s.gave == 0 {
			if w.trial {
				continue
			}
			w.trial = true
		}
		i := (*list)[0]
		*list = (*list)[1:]
		return i, true
	}
	return 0, false
}
