package sync

import (
	"cmp"
	"math"
	"slices"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// candidatesKept is how many relays without a place are remembered beside those of which something is kept (decisions/0041).
const candidatesKept = 100_000

// nominee finds the record of a relay that an announcement names, or makes it when there is room for one more: else nil, and a review of
// the next ten minutes looks who is to be remembered. It is left to that as long as any is left out: whoever else names this one was not
// counted.
func (e *Engine) nominee(u relayurl.URL) *candidate {
	x := &e.election
	if c := x.candidates[u]; c != nil {
		return c
	}
	if x.missed || x.leftOut > 0 || len(x.candidates)-len(e.relays) >= x.most {
		x.missed, x.review.due = true, true
		return nil
	}
	return e.candidate(u)
}

// nameAgain counts who names a relay that was left out, and which repos want something of it: the operator has named it.
func (e *Engine) nameAgain(u relayurl.URL) {
	x := &e.election
	for ref, a := range x.counted {
		if slices.Contains(e.index.RelaysOf(a), u) {
			e.name(u, ref.PubKey)
		}
	}
	for _, ref := range e.sortedRepos() {
		if now, ok := e.index.Repo(ref); ok && slices.Contains(now.Relays, u) {
			e.nominate(e.repos[ref], slices.DeleteFunc(now.Relays, e.cfg.excluded))
		}
	}
}

// unsettled reports that somebody else may have to be remembered: names were not counted, or those without a place are more or fewer than
// there is room for.
func (e *Engine) unsettled() bool {
	x := &e.election
	n := len(x.candidates) - len(e.relays)
	return x.missed || n > x.most || n < x.most && x.leftOut > 0
}

// claim is a relay that is named, as a review sees it that looks who is to be remembered.
type claim struct {
	url     relayurl.URL
	owners  int
	rank    int // the best of its places in the lists of those who name it
	learned uint64
	known   bool // something is kept of it: it needs no room
}

// compare puts those first that are remembered before others: each owner's first one, then each owner's second. So whoever names many,
// alone or with keys of his own, leaves the others what they name first.
func (c *claim) compare(o *claim) int {
	return cmp.Or(cmp.Compare(c.rank, o.rank), c.better(o))
}

// better is the order of one owner's list: those that most others name as well, then those that were named first.
func (c *claim) better(o *claim) int {
	return cmp.Or(cmp.Compare(o.owners, c.owners), cmp.Compare(c.learned, o.learned), cmp.Compare(c.url, o.url))
}

// claims are all relays that announcements in scope name, the first to be remembered first.
func (e *Engine) claims() []*claim {
	x := &e.election
	byURL := map[relayurl.URL]*claim{}
	lists := map[event.PubKey][]*claim{}
	find := func(u relayurl.URL) *claim {
		c := byURL[u]
		if c == nil {
			c = &claim{url: u, rank: math.MaxInt, learned: math.MaxUint64}
			if k := x.candidates[u]; k != nil {
				c.learned, c.known = k.learned, k.remote != nil
			}
			byURL[u] = c
		}
		return c
	}
	for ref, a := range x.counted {
		for _, u := range e.index.RelaysOf(a) {
			if !e.cfg.excluded(u) {
				lists[ref.PubKey] = append(lists[ref.PubKey], find(u))
			}
		}
	}
	byName := func(a, b *claim) int { return cmp.Compare(a.url, b.url) }
	for owner, list := range lists {
		slices.SortFunc(list, byName)
		lists[owner] = slices.Compact(list)
		for _, c := range lists[owner] {
			c.owners++
		}
	}
	for _, list := range lists {
		slices.SortFunc(list, (*claim).better)
		for i, c := range list {
			c.rank = min(c.rank, i)
		}
	}
	all := make([]*claim, 0, len(byURL))
	for _, c := range byURL {
		all = append(all, c)
	}
	slices.SortFunc(all, (*claim).compare)
	return all
}

// renominate chooses anew who is remembered, when there were more than there is room for, and counts anew who names them.
func (e *Engine) renominate() {
	x := &e.election
	kept := make(map[relayurl.URL]bool, len(x.candidates))
	room, left := x.most, 0
	var fresh []relayurl.URL // in the order in which they are learned now
	for _, c := range e.claims() {
		switch {
		case c.known:
		case room == 0:
			left++
		default:
			room--
			kept[c.url] = true
			if x.candidates[c.url] == nil {
				fresh = append(fresh, c.url)
			}
		}
	}
	for u, c := range x.candidates {
		c.repos, c.owners, c.sole = nil, 0, 0
		if c.remote == nil && !kept[u] {
			delete(x.candidates, u)
		}
	}
	for _, u := range fresh {
		e.candidate(u)
	}
	x.namings, x.owners, x.shares = map[naming]int32{}, newNumbers[event.PubKey](), map[filters.Value]int{}
	x.missed = true // so nobody else gets in
	for ref, a := range x.counted {
		for _, u := range e.index.RelaysOf(a) {
			e.name(u, ref.PubKey)
		}
	}
	for _, ref := range e.sortedRepos() {
		if now, ok := e.index.Repo(ref); ok {
			e.repos[ref].named = nil
			e.nominate(e.repos[ref], slices.DeleteFunc(now.Relays, e.cfg.excluded))
		}
	}
	x.missed = false
	if left != x.leftOut {
		x.leftOut = left
		e.log.Warn("announcements name more relays than are remembered", zap.Int("left_out", left), zap.Int("most", x.most))
	}
}
