package relaytest

import (
	"slices"
	"strings"

	"github.com/nbd-wtf/go-nostr"
)

// store holds events newest first, on a tie by id, as NIP-01 orders them.
type store struct {
	events []nostr.Event
	ids    map[string]bool
	newest map[string]nostr.Event // of replaceable ones, by address
}

func order(a, b nostr.Event) int {
	if a.CreatedAt != b.CreatedAt {
		if a.CreatedAt > b.CreatedAt {
			return -1
		}
		return 1
	}
	return strings.Compare(a.ID, b.ID)
}

// add stores an event and gives the OK; an empty reason says that it is new.
func (s *store) add(e nostr.Event) (bool, string) {
	if s.ids == nil {
		s.ids, s.newest = map[string]bool{}, map[string]nostr.Event{}
	}
	if s.ids[e.ID] {
		return true, "duplicate: have this event"
	}
	if address := address(e); address != "" {
		if old, ok := s.newest[address]; ok {
			if order(e, old) > 0 {
				return false, "replaced: have newer event"
			}
			s.remove(old.ID)
		}
		s.newest[address] = e
	}
	s.ids[e.ID] = true
	i, _ := slices.BinarySearchFunc(s.events, e, order)
	s.events = slices.Insert(s.events, i, e)
	return true, ""
}

// address is that of a replaceable event (NIP-01), empty for the others.
func address(e nostr.Event) string {
	switch {
	case nostr.IsAddressableKind(e.Kind):
		return string(rune(e.Kind)) + e.PubKey + e.Tags.GetD()
	case nostr.IsReplaceableKind(e.Kind):
		return string(rune(e.Kind)) + e.PubKey
	}
	return ""
}

func (s *store) has(id string) bool { return s.ids[id] }

func (s *store) remove(id string) {
	if !s.ids[id] {
		return
	}
	delete(s.ids, id)
	i := slices.IndexFunc(s.events, func(e nostr.Event) bool { return e.ID == id })
	e := s.events[i]
	s.events = slices.Delete(s.events, i, i+1)
	if a := address(e); a != "" && s.newest[a].ID == id {
		delete(s.newest, a)
	}
}

// query gives the events of one filter, newest first.
func (s *store) query(f nostr.Filter, limit int) []nostr.Event {
	var out []nostr.Event
	for _, e := range s.events {
		if len(out) >= limit {
			break
		}
		if f.Matches(&e) {
			out = append(out, e)
		}
	}
	return out
}
