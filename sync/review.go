package sync

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// review looks at all candidates and all places: at once when something has changed that it decides, at most every minute, and now and
// then while anybody waits.
type review struct {
	due     bool
	at      time.Time // the next one, zero when there is no cause for one
	last    time.Time
	waiting []*RelayView // the best of those without a place that nothing is kept of
	without int          // all that have no place
	queue   int          // of these, those that would take a free one
}

const (
	reviewGap    = time.Minute
	reviewEvery  = 10 * time.Minute // while somebody waits: time decides too
	waitingShown = 1000
)

func (e *Engine) slotRules() slotRules {
	return slotRules{limit: e.cfg.MaxRelays, perOwner: e.cfg.RelaysPerOwner, deadAfter: e.cfg.Health.DeadAfter}
}

// standing is what a candidate has to show.
func (e *Engine) standing(c *candidate) standing {
	s := standing{owners: c.owners, sole: c.sole, counted: e.sharing(c), learned: c.learned, barred: c.doubtful()}
	h, open := health.State{}, false
	if r := c.remote; r != nil {
		h, open = r.health, r.phase.Open()
		s.gave, s.gaveAt, s.held = r.gave, r.gaveAt, r.place
		s.reached = r.reached()
	} else if c.past != nil {
		h, s.reached = c.past.health, c.past.reached
	}
	if s.barred = s.barred || len(c.repos) == 0 && s.held.IsZero(); open {
		return s
	}
	s.failing, s.due, s.dropped = h.FailingSince, h.NotBefore, h.DroppedUntil.Equal(h.NotBefore) && !h.DroppedUntil.IsZero()
	return s
}

// reached reports a relay that has answered some time.
func (r *remote) reached() bool { return r.everUp || !r.cursor.IsZero() || !r.lastFull.IsZero() }

// seat gives free places to those who have become candidates. Whatever else has to be decided waits for the next review.
func (e *Engine) seat(now time.Time) {
	x := &e.election
	fresh := x.fresh
	x.fresh = nil
	fresh = slices.DeleteFunc(fresh, func(c *candidate) bool {
		return x.candidates[c.url] != c || len(c.repos) == 0 || c.operator() || c.placed()
	})
	if len(fresh) > 0 {
		claims := map[*candidate]standing{}
		for _, c := range fresh {
			claims[c] = e.standing(c)
		}
		slices.SortFunc(fresh, func(a, b *candidate) int {
			s, t := claims[a], claims[b]
			return s.compare(&t)
		})
		for _, c := range slices.Compact(fresh) {
			s := claims[c]
			switch {
			case x.review.queue > 0, x.placed >= e.cfg.MaxRelays, s.barred, s.due.After(now), s.counted && x.shares[s.sole] >= e.cfg.RelaysPerOwner:
				x.review.due = true
			default:
				e.admit(c, now)
			}
		}
	}
	if x.review.due && e.loaded && !now.Before(x.review.last.Add(reviewGap)) {
		e.holdReview(now)
	}
}

// schedule sets the moment of the next review when there is cause for one.
func (v *review) schedule(loaded bool, now time.Time) {
	if !v.due || !loaded {
		return
	}
	at := v.last.Add(reviewGap)
	if at.Before(now) {
		at = now
	}
	v.at = earliest(v.at, at)
}

// holdReview decides who has a place.
func (e *Engine) holdReview(now time.Time) {
	x := &e.election
	x.review.last, x.review.at, x.review.due = now, time.Time{}, false
	if !e.outageSince.IsZero() { // what is said of relays now is said of ourselves
		x.review.at = now.Add(reviewEvery)
		return
	}
	if e.unsettled() && !now.Before(x.looked.Add(reviewEvery)) { // it takes a second where it is of use
		x.looked = now
		e.renominate()
	}
	var all []*candidate
	var standings []standing
	for _, c := range x.candidates {
		if !c.operator() {
			all, standings = append(all, c), append(standings, e.standing(c))
		}
	}
	x.fresh = nil
	v := e.slotRules().decide(standings, now)
	for _, i := range v.leave {
		e.vacate(all[i].remote)
	}
	for _, i := range v.take {
		e.admit(all[i], now)
	}
	e.explainPlaces(all, standings, &v, now)
	if x.review.due = false; x.review.without > 0 {
		x.review.at = now.Add(reviewEvery)
	}
}

// explainPlaces says why relays are not dialled: those that something is kept of, and the best of the others. Of too many the history is
// given up.
func (e *Engine) explainPlaces(all []*candidate, standings []standing, v *verdict, now time.Time) {
	x := &e.election.review
	x.waiting, x.without, x.queue = nil, e.election.leftOut, len(v.waiting)-len(v.crowded)
	crowded := map[int]bool{}
	for _, i := range v.crowded {
		crowded[i] = true
	}
	var kept []int
	tell := func(i int) {
		c := all[i]
		c.why = e.whyNot(c, &standings[i], crowded[i], v.needs, now)
		if c.remote != nil {
			e.views.changed[c.url] = c.remote
			kept = append(kept, i)
		} else if len(x.waiting) < waitingShown {
			x.waiting = append(x.waiting, &RelayView{URL: c.url, Health: health.Disconnected, Repos: len(c.repos), Doing: c.why, NoPlace: true})
		}
	}
	shown := func(i int) bool { return len(x.waiting) < waitingShown || all[i].remote != nil }
	for _, i := range v.waiting {
		if shown(i) {
			tell(i)
		}
	}
	var others []int // barred, not due, or without a place since just now
	for i, c := range all {
		if c.placed() || len(c.repos) == 0 {
			c.why = ""
			continue
		}
		x.without++
		if s := &standings[i]; s.barred || s.due.After(now) || !s.held.IsZero() {
			others = append(others, i)
		}
	}
	slices.SortFunc(others, func(a, b int) int { return cmp.Compare(all[a].learned, all[b].learned) })
	for _, i := range others {
		if shown(i) {
			tell(i)
		}
	}
	slices.SortFunc(kept, func(a, b int) int { return standings[a].compare(&standings[b]) })
	e.shelve(all, kept, now)
}

// admit gives a place to a candidate. Before the picture is complete nobody knows who has the best claim: such a place is not kept.
func (e *Engine) admit(c *candidate, now time.Time) {
	r := c.remote
	if r == nil {
		r = e.newRemote(c.url, Discovered)
		if c.past != nil {
			r.health, c.past = c.past.health, nil
		}
		for _, repo := range c.wanted() {
			e.join(repo, r, true)
		}
	}
	r.place = now
	if !e.loaded {
		r.place = now.Add(-placeKept)
	}
	c.why, r.unsafe = "", true
	e.election.placed++
	e.settleShare(c, 1)
	e.touch(r)
}

// vacate takes the place of a relay; what is known of it and of its history stays.
func (e *Engine) vacate(r *remote) {
	e.log.Info("relay loses its place", zap.String("relay", string(r.url)), zap.Int("owners", e.election.candidates[r.url].owners), zap.Int("gave", r.gave))
	e.release(r)
	e.stepBack(r)
	e.touch(r)
}

// release frees the place of a relay, when it has one.
func (e *Engine) release(r *remote) {
	if r.place.IsZero() {
		return
	}
	e.settleShare(e.election.candidates[r.url], -1)
	e.election.placed--
	r.place, r.unsafe = time.Time{}, true
	e.election.review.due = true
}

// planPlace ends the connection of a relay that has lost its place, and reports whether it has none.
func (e *Engine) planPlace(r *remote) bool {
	if r.operator() || !r.place.IsZero() {
		return false
	}
	if r.conn != 0 && !r.leaving {
		r.leaving = true
		e.emit(Hangup{r.conn})
	}
	return true
}

// shelve keeps the history of as many relays without a place as there are places, the best ones; of the others it is given up.
func (e *Engine) shelve(all []*candidate, kept []int, now time.Time) {
	n := 0
	for _, i := range kept {
		c := all[i]
		r := c.remote
		if r.conn != 0 {
			continue
		}
		if n++; n <= e.cfg.MaxRelays {
			continue
		}
		c.past = &past{r.health, r.reached()}
		for _, w := range r.sortedWants() {
			e.leave(w)
		}
		e.remove(r, "other relays have the places", now)
	}
}

// whyNot says why a relay is not dialled.
func (e *Engine) whyNot(c *candidate, s *standing, crowded bool, needs int, now time.Time) string {
	switch {
	case c.doubtful():
		return "not dialled: an address in place of a name, and only one owner names it"
	case crowded:
		return fmt.Sprintf("not dialled: its only owner has his %d relays: %s", e.cfg.RelaysPerOwner, npubOf(e.election.owners.names[c.sole]))
	case s.due.After(now):
		return "no place: not reached; a candidate again when a dial is due"
	case needs == 0:
		return fmt.Sprintf("no free place: %s, and those who have one give events", ownersOf(c.owners))
	case s.owners < needs && s.gave == 0:
		return fmt.Sprintf("no free place: %s, the last place needs %d", ownersOf(c.owners), needs)
	}
	return fmt.Sprintf("no free place yet: %s; a place is kept for a day", ownersOf(c.owners))
}

func ownersOf(n int) string {
	if n == 1 {
		return "1 owner"
	}
	return fmt.Sprintf("%d owners", n)
}

func npubOf(pk [32]byte) string { return nip34.ArchiveRule{PubKey: pk}.String() }
