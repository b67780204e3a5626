package server

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Memory is a Backend without opinions and without a disk, for the demo and for tests. It takes every well-signed
// event, keeps the newest of what is replaceable and obeys deletions by the author. A query looks at every event, so it is
// meant for some ten thousand of them.
type Memory struct {
	mu      sync.RWMutex
	sorted  []stored // newest first, on a tie the lowest id first
	byID    map[event.ID]*event.Event
	address map[event.Ref]*event.Event
	gone    map[event.ID]map[event.PubKey]bool // ids that an author wanted deleted
	goneRef map[event.Ref]nostr.Timestamp      // coordinates, up to when
}

type stored struct {
	event *event.Event
	raw   []byte
}

// NewMemory gives an empty one.
func NewMemory() *Memory {
	return &Memory{
		byID: map[event.ID]*event.Event{}, address: map[event.Ref]*event.Event{},
		gone: map[event.ID]map[event.PubKey]bool{}, goneRef: map[event.Ref]nostr.Timestamp{},
	}
}

// Publish implements Backend.
func (m *Memory) Publish(e *event.Event, answer func(Answer)) { answer(m.Add(e)) }

// Add stores an event without checking its signature.
func (m *Memory) Add(e *event.Event) Answer {
	raw, err := e.MarshalJSON()
	if err != nil {
		return Answer{Message: "invalid: it does not marshal"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID[e.ID] != nil {
		return Answer{OK: true, Message: "duplicate: already have this event"}
	}
	if ephemeral(e.Kind) {
		return Answer{OK: true, Broadcast: true}
	}
	if m.gone[e.ID][e.PubKey] {
		return Answer{Message: "blocked: this event has been deleted"}
	}
	if event.IsReplaceable(e.Kind) {
		ref := e.Coordinate()
		if until, ok := m.goneRef[ref]; ok && e.CreatedAt <= until {
			return Answer{Message: "blocked: this event has been deleted"}
		}
		if old := m.address[ref]; old != nil {
			if !e.Supersedes(int64(old.CreatedAt), old.ID) {
				return Answer{Message: "replaced: have newer event"}
			}
			m.remove(old)
		}
		m.address[ref] = e
	}
	if e.Kind == event.KindDeletion {
		m.obey(e)
	}
	i, _ := slices.BinarySearchFunc(m.sorted, e, func(s stored, e *event.Event) int { return newestFirst(s.event, e) })
	m.sorted = slices.Insert(m.sorted, i, stored{event: e, raw: raw})
	m.byID[e.ID] = e
	return Answer{OK: true, Broadcast: true}
}

// All gives what is stored, newest first.
func (m *Memory) All() []*event.Event { return m.Events(nostr.Filter{}, -1) }

// Events gives the newest limit of those that match f.
func (m *Memory) Events(f nostr.Filter, limit int) []*event.Event {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []*event.Event
	for _, s := range m.sorted {
		if len(out) == limit {
			break
		}
		if f.Matches(s.event.Event) {
			out = append(out, s.event)
		}
	}
	return out
}

// Find implements Backend.
func (m *Memory) Find(_ context.Context, f nostr.Filter, limit int) ([]event.ID, error) {
	found := m.Events(f, limit)
	ids := make([]event.ID, len(found))
	for i, e := range found {
		ids[i] = e.ID
	}
	return ids, nil
}

// Fetch implements Backend.
func (m *Memory) Fetch(_ context.Context, ids []event.ID, yield func(raw []byte)) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, id := range ids {
		if e := m.byID[id]; e != nil {
			if i, found := m.index(e); found {
				yield(m.sorted[i].raw)
			}
		}
	}
	return nil
}

// Items implements Backend.
func (m *Memory) Items(_ context.Context, f nostr.Filter, limit int, yield func(int64, event.ID)) error {
	found := m.Events(f, limit+1)
	if len(found) > limit {
		return ErrTooMany
	}
	for _, e := range found {
		yield(int64(e.CreatedAt), e.ID)
	}
	return nil
}

// obey deletes what the author of a deletion may delete, and remembers the rest in case it comes later (NIP-09).
func (m *Memory) obey(del *event.Event) {
	for _, tag := range del.Tags {
		if len(tag) < 2 {
			continue
		}
		switch tag[0] {
		case "e":
			id, err := event.ParseID(tag[1])
			if err != nil {
				continue
			}
			if m.gone[id] == nil {
				m.gone[id] = map[event.PubKey]bool{}
			}
			m.gone[id][del.PubKey] = true
			if e := m.byID[id]; e != nil && e.PubKey == del.PubKey && e.Kind != event.KindDeletion {
				m.remove(e)
			}
		case "a":
			ref, err := event.ParseRef(tag[1])
			if err != nil || ref.PubKey != del.PubKey {
				continue
			}
			m.goneRef[ref] = max(m.goneRef[ref], del.CreatedAt)
			if e := m.address[ref]; e != nil && e.CreatedAt <= del.CreatedAt {
				m.remove(e)
			}
		}
	}
}

func (m *Memory) remove(e *event.Event) {
	if i, found := m.index(e); found {
		m.sorted = slices.Delete(m.sorted, i, i+1)
	}
	delete(m.byID, e.ID)
	if ref := e.Coordinate(); m.address[ref] == e {
		delete(m.address, ref)
	}
}

func (m *Memory) index(e *event.Event) (int, bool) {
	return slices.BinarySearchFunc(m.sorted, e, func(s stored, e *event.Event) int { return newestFirst(s.event, e) })
}

func newestFirst(a, b *event.Event) int {
	return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
}
