package nip34

import (
	"iter"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Repo is a repository in scope by itself, with what its maintainers add.
type Repo struct {
	Ref          event.Ref
	Announcement *Announcement
	// Coordinates are the owner's and those of all maintainers, recursively: breadth first in the order of the tags, at most
	// MaxMembers. A maintainer counts without an announcement of its own, and without naming the owner in return.
	Coordinates []event.Ref
	// Relays are those of the announcements of Coordinates, in that order, each once, without our own, capped by
	// Rules.RelaysPerRepo.
	Relays []relayurl.URL
}

// Index knows the newest announcement of every coordinate that it was told, and keeps what follows from them: which repos are
// in scope, and whose coordinates and relays belong to each. It has one owner and no locks.
//
// A change costs what the closures of the repos cost that hold the changed coordinate; the rest of the index is not
// looked at. Announcements that are not in scope are remembered, because a later one may name their author; bounding
// their number is the caller's business (Covers, Remove).
type Index struct {
	rules  Rules
	groups map[string]*group
	owners map[event.PubKey][]*node // those with an announcement, by author
	count  int
	mark   uint64
}

// NewIndex gives an empty index.
func NewIndex(rules Rules) *Index {
	return &Index{rules: rules, groups: make(map[string]*group), owners: make(map[event.PubKey][]*node)}
}

// Add takes an announcement, unless a newer one of its coordinate is known, and gives the repos whose Repo changed.
func (x *Index) Add(a *Announcement) []event.Ref { return x.Apply([]*Announcement{a}, nil).Repos }

// Remove forgets the announcement of a coordinate, and gives the repos whose Repo changed. The coordinate stays
// covered if somebody names its author.
func (x *Index) Remove(ref event.Ref) []event.Ref { return x.Apply(nil, []event.Ref{ref}).Repos }

// Accepts reports whether an announcement is in scope now: it lists us, an archive rule names it, or its author's coordinate
// belongs to a repo in scope. The last includes the owner: the version that ends the listing is in scope too, or
// the own relay would keep the old one. Whether a newer version is known is not asked (Newest).
func (x *Index) Accepts(a *Announcement) bool {
	return x.rules.Names(a) || x.Covers(a.Ref)
}

// AcceptsState reports whether a state (kind 30618) by pk with identifier d belongs to a repo in scope.
func (x *Index) AcceptsState(pk event.PubKey, d string) bool {
	return x.Covers(event.RepoRef(pk, d))
}

// Covers reports whether ref (kind 30617 or 30618) is a coordinate of a repo in scope: the owner's or that of any
// maintainer, recursively, announced or not.
func (x *Index) Covers(ref event.Ref) bool {
	n := x.find(ref)
	return n != nil && n.covered()
}

// Newest is the announcement that is known for a coordinate.
func (x *Index) Newest(ref event.Ref) (*Announcement, bool) {
	if n := x.find(ref); n != nil && n.ann != nil {
		return n.ann, true
	}
	return nil, false
}

// By lists the announcements that are known of an author, in no order.
func (x *Index) By(author event.PubKey) []*Announcement {
	var out []*Announcement
	for _, n := range x.owners[author] {
		out = append(out, n.ann)
	}
	return out
}

// RelaysOf lists the relays that an announcement names: each once, without our own, capped by Rules.RelaysPerRepo.
func (x *Index) RelaysOf(a *Announcement) []relayurl.URL { return x.union(nil, a.Relays) }

// Repo gives the repo that is in scope by itself under ref. Its slices are the caller's.
func (x *Index) Repo(ref event.Ref) (Repo, bool) {
	n := x.find(ref)
	if n == nil || n.root == nil {
		return Repo{}, false
	}
	r := Repo{
		Ref:          n.ref(),
		Announcement: n.ann,
		Coordinates:  make([]event.Ref, len(n.root.members)),
		Relays:       slices.Clone(n.root.relays),
	}
	for i, m := range n.root.members {
		r.Coordinates[i] = m.ref()
	}
	return r, true
}

// RootsOf lists the repos in scope by themselves that hold the coordinate ref (kind 30617 or 30618), sorted.
func (x *Index) RootsOf(ref event.Ref) []event.Ref {
	n := x.find(ref)
	if n == nil {
		return nil
	}
	var refs []event.Ref
	if n.root != nil {
		refs = append(refs, n.ref())
	}
	for r := range n.roots {
		refs = append(refs, r.ref())
	}
	slices.SortFunc(refs, event.Ref.Compare)
	return refs
}

// Roots lists all repos that are in scope by themselves, sorted.
func (x *Index) Roots() []event.Ref {
	var refs []event.Ref
	for n := range x.nodes() {
		if n.root != nil {
			refs = append(refs, n.ref())
		}
	}
	slices.SortFunc(refs, event.Ref.Compare)
	return refs
}

// Len is the number of announcements known, in scope or not.
func (x *Index) Len() int { return x.count }

func (x *Index) find(ref event.Ref) *node {
	if ref.Kind != event.KindAnnouncement && ref.Kind != event.KindState {
		return nil
	}
	if g := x.groups[ref.D]; g != nil {
		return g.keys[ref.PubKey]
	}
	return nil
}

func (x *Index) nodes() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for _, g := range x.groups {
			for _, n := range g.keys {
				if !yield(n) {
					return
				}
			}
		}
	}
}
