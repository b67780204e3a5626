package sync

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// batch is a set of filters asked historically at one relay. Its groups are confirmed one by one as all their filters
// end; what does not end stays in the batch and is asked again, below the point where it settled.
type batch struct {
	number  uint64
	remote  *remote
	groups  []*group
	pass    *pass     // the pass it belongs to, nil for a difference
	since   time.Time // of all its filters; zero: none
	started time.Time // of its first ask
	head    bool      // cut off once: what came after started is asked beside the rest
	attempt int
	retryAt time.Time
	ask     relay.BatchID // the running ask, 0 when it waits
	ended   bool          // nothing of it is left to ask
	saved   bool
	wanted  bool // asks for ancestors, and nothing else
	err     string
}

func (b *batch) rotates() bool { return b.pass != nil && b.pass.rotates() }

// ofDaily reports a batch of the daily pass.
func (b *batch) ofDaily() bool { return b.pass != nil && b.pass.kind == daily }

// kept reports whether a restart resumes the batch: what belongs to a pass is found again by the next one, and ancestors are stored
// by themselves.
func (b *batch) kept() bool { return b.pass == nil && !b.wanted }

// group is one chunk of wanted things and the filters that ask for them.
type group struct {
	kind   kind
	items  []item
	ids    []event.ID     // askReplies, askLacks
	keys   []event.PubKey // askDeletions
	values int64          // fingerprint of what parts were made for
	parts  []part
}

// kind says what a group asks for.
type kind uint8

const (
	askAnnouncements kind = iota
	askStates
	askCoords
	askRoots
	askReplies // what tags them; no part of coverage, as the following
	askDeletions
	askLacks
)

// item is a range of one repo's numbered things; for states it has no range.
type item struct {
	want *want
	span Span
}

// part is one filter of a group and how far it has got.
type part struct {
	done     bool
	until    int64 // settled at and above; 0: nothing settled
	headDone bool
}

// ask is one running or late question to a connection: which part each of its filters belongs to.
type ask struct {
	batch   *batch
	slots   []slot
	started time.Time
}

type slot struct {
	group *group
	part  int
	head  bool
}

// filters of the group in a fixed order, and a fingerprint of what they ask for, 0 when nothing of it is wanted any
// more. What the relay refuses is left out.
func (e *Engine) filters(g *group, m *remote) ([]nostr.Filter, int64) {
	per := e.cfg.TagsPerFilter
	switch g.kind {
	case askAnnouncements:
		return []nostr.Filter{filters.Announcements()}, 1
	case askStates:
		var ids []identifier
		var plain, shared []string
		var keys []event.PubKey
		for _, it := range g.items {
			r := it.want.repo
			if m.aside[r.ref.D] {
				continue
			}
			ids, plain = append(ids, identifier(r.ref.D)), append(plain, r.ref.D)
			if members := r.members(); len(members) > 0 {
				shared, keys = append(shared, r.ref.D), append(keys, members...)
			}
		}
		return append(filters.StatesOf(plain, per), filters.AnnouncementsBy(keys, shared, per)...), fingerprint(ids) ^ fingerprint(keys)
	case askCoords:
		var refs []event.Ref
		for _, it := range g.items {
			for _, c := range it.want.repo.coords[it.span.From:it.span.To] {
				if it.want.repo.current[c] && !m.refuses(c) {
					refs = append(refs, c)
				}
			}
		}
		return slices.Concat(filters.AboutRepos(refs, per)...), fingerprint(refs)
	case askRoots:
		var ids []event.ID
		for _, it := range g.items {
			for _, v := range it.want.repo.roots[it.span.From:it.span.To] {
				if id := e.names.roots.names[v]; !m.refuses(id) && !e.gone(v) {
					ids = append(ids, id)
				}
			}
		}
		return slices.Concat(filters.AboutRoots(ids, per)...), fingerprint(ids)
	case askReplies:
		ids := taken(m, g.ids)
		return slices.Concat(filters.Replies(ids, per)...), fingerprint(ids)
	case askDeletions:
		keys := taken(m, g.keys)
		return filters.DeletionsBy(keys, per), fingerprint(keys)
	case askLacks:
		ids := taken(m, g.ids)
		return filters.IDs(ids, per), fingerprint(ids)
	}
	panic(fmt.Sprintf("sync: group kind %d", g.kind))
}

// stale reports that what the group asks for has changed since it was asked.
func (e *Engine) stale(g *group, m *remote) bool {
	_, values := e.filters(g, m)
	return values != g.values
}

// fingerprint tells one list of values from another, across restarts; 0 is the empty one.
func fingerprint[V fmt.Stringer](values []V) int64 {
	if len(values) == 0 {
		return 0
	}
	h := sha256.New()
	for _, v := range values {
		h.Write([]byte(v.String() + "\n"))
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil))>>1) | 1
}

// identifier is the `d` of a repo.
type identifier string

func (d identifier) String() string { return string(d) }

// question builds the filters of a batch that are still open, and what each belongs to.
func (e *Engine) question(b *batch) ([]nostr.Filter, []slot) {
	var fs []nostr.Filter
	var slots []slot
	for _, g := range b.groups {
		base, values := e.filters(g, b.remote)
		if values != g.values || len(g.parts) != len(base) {
			// what it asks for has changed: progress of the old filters says nothing of the new ones
			g.values, g.parts = values, make([]part, len(base))
		}
		for i, p := range g.parts {
			if !p.done {
				f := base[i]
				f.Since = stamp(b.since)
				if p.until > 0 {
					u := nostr.Timestamp(p.until)
					f.Until = &u
				}
				fs, slots = append(fs, f), append(slots, slot{g, i, false})
			}
			if b.head && !p.headDone {
				f := base[i]
				f.Since = stamp(b.started.Add(-e.cfg.SinceOverlap))
				fs, slots = append(fs, f), append(slots, slot{g, i, true})
			}
		}
	}
	return fs, slots
}

func stamp(t time.Time) *nostr.Timestamp {
	if t.IsZero() {
		return nil
	}
	s := nostr.Timestamp(t.Unix())
	return &s
}

// complete reports whether every filter of the group has ended, the looking again included.
func (g *group) complete(head bool) bool {
	for _, p := range g.parts {
		if !p.done || (head && !p.headDone) {
			return false
		}
	}
	return g.parts != nil
}

// settledAny reports whether there is anything to go on from.
func (b *batch) settledAny() bool {
	for _, g := range b.groups {
		for _, p := range g.parts {
			if p.done || p.until > 0 {
				return true
			}
		}
	}
	return false
}

// claim marks what the batch asks for as asked, so that no other batch asks for it.
func (b *batch) claim() {
	for _, g := range b.groups {
		if g.kind == askAnnouncements {
			b.remote.announcementsAsked = true
		}
		for _, it := range g.items {
			switch g.kind {
			case askAnnouncements, askReplies, askDeletions, askLacks: // have no items
			case askStates:
				it.want.statesAsked = true
			case askCoords:
				it.want.coords.asked.Add(it.span)
			case askRoots:
				it.want.roots.asked.Add(it.span)
			}
		}
	}
}

// confirm records a completed group and returns the rows that change.
func (b *batch) confirm(g *group) []Row {
	if g.kind == askAnnouncements {
		b.remote.announcements = true
		b.remote.unsafe = true
		return nil
	}
	var rows []Row
	for _, it := range g.items {
		if b.remote.wants[it.want.repo.ref] != it.want {
			continue // gone, or wanted anew, since it was asked
		}
		switch g.kind {
		case askAnnouncements, askReplies, askDeletions, askLacks: // have no items
		case askStates:
			it.want.states = true
		case askCoords:
			it.want.coords.confirmed.Add(it.span)
		case askRoots:
			it.want.roots.confirmed.Add(it.span)
		}
		rows = append(rows, it.want.row())
	}
	return rows
}

// prune drops items whose repo or relay is no longer wanted.
func (e *Engine) prune(b *batch) {
	kept := b.groups[:0]
	for _, g := range b.groups {
		items := g.items[:0]
		for _, it := range g.items {
			if b.remote.wants[it.want.repo.ref] == it.want {
				items = append(items, it)
			}
		}
		g.items = items
		if _, values := e.filters(g, b.remote); values != 0 {
			kept = append(kept, g)
		}
	}
	b.groups = kept
}

// spec is the stored form of a batch.
type spec struct {
	Started time.Time   `json:"started"`
	Since   time.Time   `json:"since,omitzero"`
	Attempt int         `json:"attempt,omitempty"`
	Groups  []groupSpec `json:"groups"`
}

type groupSpec struct {
	Kind   kind       `json:"kind"`
	Items  []itemSpec `json:"items,omitempty"`
	Values int64      `json:"values"`
	Parts  []partSpec `json:"parts"`
}

type itemSpec struct {
	Repo string `json:"repo"`
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
}

type partSpec struct {
	Done  bool  `json:"done,omitempty"`
	Until int64 `json:"until,omitempty"`
}

// row is the stored form, with which a restart resumes the batch.
func (b *batch) row() SaveBatch {
	s := spec{Started: b.started, Since: b.since, Attempt: b.attempt}
	for _, g := range b.groups {
		gs := groupSpec{Kind: g.kind, Values: g.values}
		for _, it := range g.items {
			gs.Items = append(gs.Items, itemSpec{it.want.repo.ref.String(), it.span.From, it.span.To})
		}
		for _, p := range g.parts {
			gs.Parts = append(gs.Parts, partSpec{p.done, p.until})
		}
		s.Groups = append(s.Groups, gs)
	}
	data, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("sync: encoding a batch: %v", err)) // only strings, numbers and times
	}
	return SaveBatch{Relay: b.remote.url, Number: b.number, Spec: data}
}

// restore reads a stored batch; it fails when what it names is not known any more.
func (r *remote) restore(row SaveBatch) (*batch, error) {
	var s spec
	if err := json.Unmarshal(row.Spec, &s); err != nil {
		return nil, fmt.Errorf("batch %d of %s: %w", row.Number, row.Relay, err)
	}
	b := &batch{number: row.Number, remote: r, since: s.Since, started: s.Started, attempt: s.Attempt, head: true, saved: true}
	for _, gs := range s.Groups {
		g := &group{kind: gs.Kind, values: gs.Values}
		if gs.Kind > askRoots {
			return nil, fmt.Errorf("batch %d of %s: group kind %d", row.Number, row.Relay, gs.Kind)
		}
		for _, is := range gs.Items {
			ref, err := event.ParseRef(is.Repo)
			if err != nil {
				return nil, fmt.Errorf("batch %d of %s: %w", row.Number, row.Relay, err)
			}
			w := r.wants[ref]
			if w == nil {
				continue
			}
			if limit := w.numbers(gs.Kind); is.From > is.To || is.To > limit {
				return nil, fmt.Errorf("batch %d of %s: range %d to %d of %d", row.Number, row.Relay, is.From, is.To, limit)
			}
			g.items = append(g.items, item{w, Span{is.From, is.To}})
		}
		for _, ps := range gs.Parts {
			g.parts = append(g.parts, part{done: ps.Done, until: ps.Until})
		}
		if len(g.items) > 0 || g.kind == askAnnouncements {
			b.groups = append(b.groups, g)
		}
	}
	return b, nil
}

func (w *want) numbers(k kind) uint32 {
	switch k {
	case askCoords:
		return uint32(len(w.repo.coords))
	case askRoots:
		return uint32(len(w.repo.roots))
	case askAnnouncements, askStates, askReplies, askDeletions, askLacks: // one answer for all
	}
	return 1
}
