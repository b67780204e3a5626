package nip34

import (
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Changes is what a call changed. Each list is sorted and without duplicates.
type Changes struct {
	Repos  []event.Ref // repos in scope by themselves that appeared, changed or vanished
	Joined []event.Ref // coordinates (kind 30617) that are covered now and were not
	Left   []event.Ref // coordinates that were covered and are not now
}

func (c *Changes) sort() {
	slices.SortFunc(c.Repos, event.Ref.Compare)
	slices.SortFunc(c.Joined, event.Ref.Compare)
	slices.SortFunc(c.Left, event.Ref.Compare)
}

// change collects what one call of Apply touches.
type change struct {
	covered map[*node]bool          // touched nodes: covered before
	roots   map[*node]*Announcement // roots to work out: their announcement before
}

func newChange() *change {
	return &change{covered: make(map[*node]bool), roots: make(map[*node]*Announcement)}
}

// note remembers how a node was before its first change.
func (ch *change) note(n *node) {
	if _, ok := ch.covered[n]; !ok {
		ch.covered[n] = n.covered()
	}
}

// workOut asks for a root to be worked out; before is its announcement ahead of the change.
func (ch *change) workOut(r *node, before *Announcement) {
	if _, ok := ch.roots[r]; !ok {
		ch.roots[r] = before
	}
}

// Apply forgets the announcements of some coordinates, then takes new ones, and works out each repo once.
func (x *Index) Apply(add []*Announcement, remove []event.Ref) Changes {
	ch := newChange()
	for _, ref := range remove {
		if ref.Kind != event.KindAnnouncement {
			continue
		}
		if n := x.find(ref); n != nil && n.ann != nil {
			x.put(n, nil, ch)
		}
	}
	for _, a := range add {
		g := x.groups[a.Ref.D]
		if g == nil {
			g = &group{d: a.Ref.D, keys: make(map[event.PubKey]*node, 1)}
			x.groups[g.d] = g
		}
		if n := g.node(a.Ref.PubKey); n.ann == nil || a.Supersedes(n.ann) {
			x.put(n, a, ch)
		}
	}
	return x.settle(ch)
}

// put changes the announcement of a node and notes which roots that concerns: the node itself, and those whose closure
// holds it. Whether a closure holds a node never depends on the node's own announcement, so the old back-references
// are the right ones.
func (x *Index) put(n *node, a *Announcement, ch *change) {
	ch.note(n)
	old := n.ann
	n.ann, n.named = a, a != nil && x.rules.Names(a)
	if old == nil {
		x.count++
		x.owners[n.key] = append(x.owners[n.key], n)
	}
	if a == nil {
		x.count--
		x.disown(n)
	}
	if n.root != nil || n.named {
		ch.workOut(n, old)
	}
	if old != nil && a != nil && slices.Equal(old.Maintainers, a.Maintainers) && slices.Equal(old.Relays, a.Relays) {
		return // republished: other repos see no difference
	}
	for r := range n.roots {
		ch.workOut(r, r.ann)
	}
}

// disown takes a node off the list of its author.
func (x *Index) disown(n *node) {
	rest := slices.DeleteFunc(x.owners[n.key], func(o *node) bool { return o == n })
	if x.owners[n.key] = rest; len(rest) == 0 {
		delete(x.owners, n.key)
	}
}

func (x *Index) settle(ch *change) Changes {
	var out Changes
	for r, before := range ch.roots {
		was := r.root != nil
		switch {
		case r.named:
			if changed := x.refresh(r, ch); changed || r.ann != before {
				out.Repos = append(out.Repos, r.ref())
			}
		case was:
			x.dissolve(r, ch)
			out.Repos = append(out.Repos, r.ref())
		}
	}
	for n, was := range ch.covered {
		switch is := n.covered(); {
		case is && !was:
			out.Joined = append(out.Joined, n.ref())
		case was && !is:
			out.Left = append(out.Left, n.ref())
		}
		x.drop(n)
	}
	out.sort()
	return out
}

// drop forgets a node that nothing holds any more.
func (x *Index) drop(n *node) {
	if n.ann != nil || n.covered() {
		return
	}
	delete(n.group.keys, n.key)
	if len(n.group.keys) == 0 {
		delete(x.groups, n.group.d)
	}
}

// SetRules applies other rules to all that is known. It costs as much as filling the index.
func (x *Index) SetRules(rules Rules) Changes {
	next := NewIndex(rules)
	var all []*Announcement
	for n := range x.nodes() {
		if n.ann != nil {
			all = append(all, n.ann)
		}
	}
	var out Changes
	for _, ref := range next.Apply(all, nil).Joined {
		if !x.Covers(ref) {
			out.Joined = append(out.Joined, ref)
		}
	}
	for n := range next.nodes() {
		if n.root == nil {
			continue
		}
		if old := x.find(n.ref()); old == nil || old.root == nil || !sameRepo(old, n) {
			out.Repos = append(out.Repos, n.ref())
		}
	}
	for n := range x.nodes() {
		if n.covered() && !next.Covers(n.ref()) {
			out.Left = append(out.Left, n.ref())
		}
		if n.root == nil {
			continue
		}
		if is := next.find(n.ref()); is == nil || is.root == nil {
			out.Repos = append(out.Repos, n.ref())
		}
	}
	*x = *next
	out.sort()
	return out
}

// sameRepo compares the closures of one root in two indexes.
func sameRepo(a, b *node) bool {
	sameKey := func(m, n *node) bool { return m.key == n.key }
	return slices.EqualFunc(a.root.members, b.root.members, sameKey) && slices.Equal(a.root.relays, b.root.relays)
}
