package diff

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

type version struct {
	createdAt int64
	id        event.ID
}

// missing is an event that the own relay has not shown.
type missing struct {
	Event
	repos   []event.Ref
	d       string           // of an announcement
	deletes event.References // of a deletion
}

// candidates are announcements that only the remote relay has. Strangers write them, so what is kept of them is weighed.
type candidates struct {
	list   []candidate
	weight int64
}

type candidate struct {
	ref event.Ref
	version
	weight int64 // about how many bytes the index keeps of it at most
}

func (c *candidates) add(a candidate) {
	c.list = append(c.list, a)
	c.weight += a.weight
}

// keep drops those that are not ours, and gives their number.
func (c *candidates) keep(ours func(event.Ref) bool) int {
	before := len(c.list)
	c.weight = 0
	c.list = slices.DeleteFunc(c.list, func(a candidate) bool {
		if ours(a.ref) {
			c.weight += a.weight
			return false
		}
		return true
	})
	return before - len(c.list)
}

// root notes the repos of a root event, and reports one that was not known.
func (c *comparison) root(e *event.Event) bool {
	if !event.IsRoot(e.Kind) || c.roots[e.ID] != nil {
		return false
	}
	repos := c.reposOf(e)
	if len(repos) > 0 {
		c.roots[e.ID] = repos
	}
	return len(repos) > 0
}

// reposOf lists our repositories that an event belongs to.
func (c *comparison) reposOf(e *event.Event) []event.Ref {
	refs := e.References()
	var out []event.Ref
	for _, ref := range refs.Refs {
		out = append(out, c.index.RootsOf(ref)...)
	}
	for _, id := range refs.IDs {
		out = append(out, c.roots[id]...)
	}
	if e.Kind == event.KindState {
		out = append(out, c.index.RootsOf(e.Coordinate())...)
	}
	slices.SortFunc(out, event.Ref.Compare)
	return slices.Compact(out)
}

// found takes an event that the remote relay has shown, and reports one that is missing here.
func (c *comparison) found(e *event.Event) bool {
	if c.ended || c.knows(e.ID) || e.Kind == event.KindAnnouncement {
		return false
	}
	if e.Kind == event.KindState && !c.index.AcceptsState(e.PubKey, e.D()) {
		return false
	}
	repos := c.reposOf(e)
	if len(repos) == 0 || !c.worth(e) {
		return false
	}
	m := &missing{Event: Event{e.ID, e.Kind, int64(e.CreatedAt), e.PubKey}, repos: repos}
	if event.IsReplaceable(e.Kind) {
		c.replaced(e)
	}
	if e.Kind == event.KindDeletion {
		m.deletes = e.Deletes()
	}
	c.miss(m)
	return true
}

// worth reports whether an event could be published here: one of those that are synced, whole, and no older version.
func (c *comparison) worth(e *event.Event) bool {
	if event.NeverSynced(e.Kind) || e.Protected() || e.Expired(time.Now()) || c.o.Rules.DenyAuthors[e.PubKey] {
		return false
	}
	if v, known := c.newest[e.Coordinate()]; event.IsReplaceable(e.Kind) && known && !e.Supersedes(v.createdAt, v.id) {
		if !event.IsAddressable(e.Kind) || c.index.Covers(e.Coordinate()) {
			c.res.Superseded++
		}
		return false
	}
	if !e.Verify() {
		c.res.Invalid++
		return false
	}
	return true
}

// replaced notes a version of a replaceable event.
func (c *comparison) replaced(e *event.Event) {
	if event.IsReplaceable(e.Kind) {
		c.newer(e.Coordinate(), version{int64(e.CreatedAt), e.ID})
	}
}

// newer notes a version under a coordinate, and reports whether it is the newest. An older one that was missing is missed no more.
func (c *comparison) newer(ref event.Ref, v version) bool {
	before, known := c.newest[ref]
	if known && !supersedes(v, before) {
		return v == before
	}
	if c.missing[before.id] != nil {
		delete(c.missing, before.id)
		c.res.Superseded++
	}
	c.newest[ref] = v
	return true
}

// supersedes is the rule of NIP-01: newer wins, on a tie the lower id.
func supersedes(a, b version) bool {
	return a.createdAt > b.createdAt || (a.createdAt == b.createdAt && bytes.Compare(a.id[:], b.id[:]) < 0)
}

func (c *comparison) miss(m *missing) {
	if len(c.missing) >= c.o.MostMissing {
		c.incomplete(fmt.Sprintf("more than %d events are missing; the others were not looked for", c.o.MostMissing))
		c.ended = true
		return
	}
	c.missing[m.ID] = m
}
