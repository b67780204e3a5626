package nip34

import (
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Bounds of one closure. Real ones have a handful of members; these keep what strangers can make us compute small.
// The search is breadth first, so what is cut off is what is farthest from the owner.
const (
	MaxMembers = 1000 // keys of one repo, the owner included
	MaxNamed   = 4000 // entries of `maintainers` looked at for one repo
)

// group is all that is known under one identifier. Maintainers are found by key within it, so nothing outside it is
// touched by a change.
type group struct {
	d    string
	keys map[event.PubKey]*node
}

// node is one coordinate: it has an announcement, or is a member of some root's closure, or both.
type node struct {
	group *group
	key   event.PubKey
	ann   *Announcement      // newest, nil when none is known
	named bool               // ann is in scope by itself
	root  *closure           // not nil: named, and worked out
	roots map[*node]struct{} // other nodes whose closure holds this one
	mark  uint64             // the search that saw it last
}

// closure is what a root and its maintainers, recursively, add up to.
type closure struct {
	members []*node // owner first, then breadth first in the order of the tags
	relays  []relayurl.URL
}

func (n *node) covered() bool { return n.root != nil || len(n.roots) > 0 }

func (n *node) ref() event.Ref { return event.RepoRef(n.key, n.group.d) }

func (g *group) node(pk event.PubKey) *node {
	n := g.keys[pk]
	if n == nil {
		n = &node{group: g, key: pk}
		g.keys[pk] = n
	}
	return n
}

// search computes the closure of a root. Members carry the number of the search as their mark.
func (x *Index) search(owner *node) *closure {
	x.mark++
	owner.mark = x.mark
	c := &closure{members: []*node{owner}}
	looked := 0
	for i := 0; i < len(c.members); i++ {
		a := c.members[i].ann
		if a == nil {
			continue
		}
		c.relays = x.union(c.relays, a.Relays)
		for _, pk := range a.Maintainers {
			if looked++; looked > MaxNamed || len(c.members) == MaxMembers {
				break
			}
			if x.rules.denied(event.RepoRef(pk, owner.group.d)) {
				continue
			}
			if n := owner.group.node(pk); n.mark != x.mark {
				n.mark = x.mark
				c.members = append(c.members, n)
			}
		}
	}
	return c
}

// union appends what is new and not our own, up to the cap. The cap is small, so comparing one by one is the quick way.
func (x *Index) union(have, more []relayurl.URL) []relayurl.URL {
	for _, u := range more {
		if len(have) >= x.rules.relaysPerRepo() {
			break
		}
		if !slices.Contains(have, u) && !x.rules.own(u) {
			have = append(have, u)
		}
	}
	return have
}

// refresh works a root out anew and moves the back-references of its members. It reports whether members or relays
// changed.
func (x *Index) refresh(owner *node, ch *change) bool {
	old := owner.root
	c := x.search(owner)
	owner.root = c
	if old != nil && slices.Equal(old.members, c.members) {
		return !slices.Equal(old.relays, c.relays)
	}
	if old != nil {
		for _, n := range old.members[1:] {
			if n.mark != x.mark {
				ch.note(n)
				delete(n.roots, owner)
			}
		}
	}
	for _, n := range c.members[1:] {
		ch.note(n)
		if n.roots == nil {
			n.roots = make(map[*node]struct{}, 1)
		}
		n.roots[owner] = struct{}{}
	}
	return true
}

// dissolve ends a root.
func (x *Index) dissolve(owner *node, ch *change) {
	for _, n := range owner.root.members[1:] {
		ch.note(n)
		delete(n.roots, owner)
	}
	owner.root = nil
}
