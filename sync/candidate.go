package sync

import (
	"maps"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// candidate is a relay that announcements name, whether it is dialled or not. One that has no place, and never had one, is no more than
// this: strangers name as many as they like.
type candidate struct {
	url     relayurl.URL
	remote  *remote        // nil: nothing is kept of it
	repos   map[*repo]bool // that want something from it
	owners  int            // distinct authors of announcements in scope that name it
	sole    filters.Value  // their numbers, xored: when there is one, he
	learned uint64         // order in which candidates were learned
	literal bool           // an address in place of a name, which the operator does not allow
	past    *past          // nil: nothing is known, or the remote knows
	why     string         // it has no place
}

// past is what is remembered of a relay whose history was given up.
type past struct {
	health  health.State
	reached bool
}

// naming is one owner who names one relay.
type naming struct {
	candidate *candidate
	owner     filters.Value
}

// election is who names which relay, and who has a place. It is kept up to date by what changes; only a review looks at everybody.
type election struct {
	candidates map[relayurl.URL]*candidate
	counted    map[event.Ref]*nip34.Announcement // whose relays are in namings
	namings    map[naming]int32                  // announcements
	owners     numbers[event.PubKey]
	learned    uint64
	fresh      []*candidate          // named by more since the last flush
	most       int                   // candidates without a place that nothing is kept of
	missed     bool                  // some were not counted
	leftOut    int                   // so many, when that was last looked at
	looked     time.Time             // when that was
	placed     int                   // relays that have a place
	shares     map[filters.Value]int // of these, those that only one owner names, by owner
	review     review
}

func newElection() election {
	return election{
		candidates: map[relayurl.URL]*candidate{}, counted: map[event.Ref]*nip34.Announcement{}, namings: map[naming]int32{},
		owners: newNumbers[event.PubKey](), shares: map[filters.Value]int{}, most: candidatesKept,
	}
}

// candidate finds or makes the record of a relay.
func (e *Engine) candidate(u relayurl.URL) *candidate {
	x := &e.election
	c := x.candidates[u]
	if c == nil {
		x.learned++
		_, literal := u.Address()
		c = &candidate{url: u, learned: x.learned, literal: literal && !e.cfg.AllowRelays[u] && !e.cfg.AllowAddress(u)}
		x.candidates[u] = c
	}
	return c
}

// apply brings the index, the repos and the count of owners in line with announcements that came or went.
func (e *Engine) apply(add []*nip34.Announcement, remove []event.Ref) []event.Ref {
	ch := e.index.Apply(add, remove)
	for _, a := range add {
		e.count(a.Ref)
	}
	for _, ref := range slices.Concat(remove, ch.Joined, ch.Left) {
		e.count(ref)
	}
	for _, ref := range e.outside.Trim(e.index, add, ch.Left) {
		delete(e.seen, ref)
	}
	return ch.Repos
}

// count counts the relays that an announcement names for its author, as long as it is in scope.
func (e *Engine) count(ref event.Ref) {
	x := &e.election
	next, ok := e.index.Newest(ref)
	if ok = ok && e.index.Covers(ref); !ok {
		next = nil
	}
	last := x.counted[ref]
	if next == last {
		return
	}
	if next != nil {
		x.counted[ref] = next
		for _, u := range e.index.RelaysOf(next) {
			e.name(u, ref.PubKey)
		}
	} else {
		delete(x.counted, ref)
	}
	if last != nil {
		for _, u := range e.index.RelaysOf(last) {
			e.unname(u, ref.PubKey)
		}
	}
}

// name counts one more announcement of an owner that names a relay.
func (e *Engine) name(u relayurl.URL, by event.PubKey) {
	if e.cfg.excluded(u) {
		return
	}
	x := &e.election
	c := e.nominee(u)
	if c == nil {
		return
	}
	n, known := x.owners.of[by]
	if known && x.namings[naming{c, n}] > 0 {
		x.namings[naming{c, n}]++
		return
	}
	n = x.owners.use(by)
	x.namings[naming{c, n}] = 1
	e.settleShare(c, -1)
	c.owners, c.sole = c.owners+1, c.sole^n
	e.settleShare(c, 1)
	x.fresh = append(x.fresh, c)
}

func (e *Engine) unname(u relayurl.URL, by event.PubKey) {
	if e.cfg.excluded(u) {
		return
	}
	x := &e.election
	c := x.candidates[u]
	n, known := x.owners.of[by]
	if !known || x.namings[naming{c, n}] == 0 {
		return // it was left out when it was named
	}
	if x.namings[naming{c, n}]--; x.namings[naming{c, n}] > 0 {
		return
	}
	delete(x.namings, naming{c, n})
	e.settleShare(c, -1)
	c.owners, c.sole = c.owners-1, c.sole^n
	e.settleShare(c, 1)
	x.owners.leave(n)
	x.review.due = x.review.due || c.placed()
	e.tidyCandidate(c)
}

// settleShare adds to the share of the owner who alone names a relay that has a place.
func (e *Engine) settleShare(c *candidate, n int) {
	if !c.placed() || !e.sharing(c) {
		return
	}
	x := &e.election
	x.review.due = x.review.due || n < 0 && x.shares[c.sole] >= e.cfg.RelaysPerOwner // others of his may wait
	if x.shares[c.sole] += n; x.shares[c.sole] == 0 {
		delete(x.shares, c.sole)
	}
}

// sharing reports whether the relay counts for one owner. What the operator allows by name does not.
func (e *Engine) sharing(c *candidate) bool { return c.owners == 1 && !e.cfg.AllowRelays[c.url] }

// placed reports whether a discovered relay has a place.
func (c *candidate) placed() bool {
	return c.remote != nil && !c.remote.place.IsZero()
}

// nominate notes which relays a repo wants something from.
func (e *Engine) nominate(r *repo, urls []relayurl.URL) {
	x := &e.election
	before := r.named
	r.named = make([]*candidate, 0, len(urls))
	for _, u := range urls {
		c := e.nominee(u)
		if c == nil {
			continue
		}
		r.named = append(r.named, c)
		if !c.repos[r] {
			if c.repos == nil {
				c.repos = make(map[*repo]bool, 1)
			}
			c.repos[r] = true
			x.fresh = append(x.fresh, c)
		}
	}
	for _, c := range before {
		if !slices.Contains(r.named, c) {
			delete(c.repos, r)
			e.tidyCandidate(c)
		}
	}
}

// tidyCandidate forgets a relay that nobody names and nothing is kept of.
func (e *Engine) tidyCandidate(c *candidate) {
	if c.owners == 0 && len(c.repos) == 0 && c.remote == nil {
		delete(e.election.candidates, c.url)
	}
}

// wanted lists the repos of a candidate in an order that does not depend on the map's.
func (c *candidate) wanted() []*repo {
	return slices.SortedFunc(maps.Keys(c.repos), func(a, b *repo) int { return a.ref.Compare(b.ref) })
}

// operator reports a relay that needs no place: the operator named it.
func (c *candidate) operator() bool { return c.remote != nil && c.remote.operator() }

// literalOwners is how many owners have to name a relay that is an address in place of a name: one of them alone could have us knock at any
// machine (DESIGN §11).
const literalOwners = 2

// doubtful reports a relay that is an address which too few owners name. What the operator has named, or allows, is his word.
func (c *candidate) doubtful() bool {
	return c.literal && c.owners < literalOwners && !c.operator()
}
