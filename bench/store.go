package main

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/nbd-wtf/go-nostr"
)

// entry is one event with its JSON.
type entry struct {
	event *nostr.Event
	raw   []byte
}

// store holds events in memory and finds them by filter, as a fast relay does. It is safe for concurrent use.
type store struct {
	mu      sync.RWMutex
	entries []entry // oldest first, on a tie the highest id: read from the end it is the order of NIP-01
	sorted  bool
	ids     map[string]int32
	kinds   map[int][]int32
	authors map[string][]int32
	tags    map[tagValue][]int32 // positions ascending, each once
}

type tagValue struct{ name, value string }

func newStore() *store {
	s := &store{sorted: true}
	s.reset()
	return s
}

func (s *store) reset() {
	s.ids, s.kinds = map[string]int32{}, map[int][]int32{}
	s.authors, s.tags = map[string][]int32{}, map[tagValue][]int32{}
}

// older orders entries as they are kept.
func older(a, b entry) int {
	return cmp.Or(cmp.Compare(a.event.CreatedAt, b.event.CreatedAt), strings.Compare(b.event.ID, a.event.ID))
}

// add stores an event and reports whether it is new. Events that come in the order of time are indexed at once.
func (s *store) add(e entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.ids[e.event.ID]; known {
		return false
	}
	n := len(s.entries)
	s.sorted = s.sorted && (n == 0 || older(s.entries[n-1], e) < 0)
	s.entries = append(s.entries, e)
	s.index(int32(n))
	return true
}

func (s *store) index(at int32) {
	e := s.entries[at].event
	s.ids[e.ID] = at
	s.kinds[e.Kind] = append(s.kinds[e.Kind], at)
	s.authors[e.PubKey] = append(s.authors[e.PubKey], at)
	for _, tag := range e.Tags {
		if len(tag) < 2 || len(tag[0]) != 1 {
			continue
		}
		key := tagValue{tag[0], tag[1]}
		if list := s.tags[key]; len(list) == 0 || list[len(list)-1] != at {
			s.tags[key] = append(list, at)
		}
	}
}

// order sorts what came out of order. The caller holds the lock for writing.
func (s *store) order() {
	if s.sorted {
		return
	}
	slices.SortFunc(s.entries, older)
	s.reset()
	for i := range s.entries {
		s.index(int32(i))
	}
	s.sorted = true
}

func (s *store) size() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.entries)
}

// answer gives what a REQ gets: for each filter the newest matches, at most `most` of them or the filter's own limit, and
// every event once.
func (s *store) answer(filters []nostr.Filter, most int) []entry {
	s.mu.Lock()
	s.order()
	s.mu.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []entry
	seen := map[int32]bool{}
	for _, f := range filters {
		for _, at := range s.find(f, most) {
			if !seen[at] {
				seen[at] = true
				out = append(out, s.entries[at])
			}
		}
	}
	return out
}

// find gives the positions of the newest matches of one filter.
func (s *store) find(f nostr.Filter, most int) []int32 {
	if f.Limit > 0 {
		most = min(most, f.Limit)
	}
	if f.LimitZero || most <= 0 {
		return nil
	}
	from, to := s.span(f)
	lists, rest := s.candidates(f)
	var out []int32
	take := func(at int32) bool {
		if rest.Matches(s.entries[at].event) {
			out = append(out, at)
		}
		return len(out) < most
	}
	switch {
	case lists == nil:
		for at := to - 1; at >= from && take(at); at-- {
		}
	case len(lists) == 1:
		list := within(lists[0], from, to)
		for i := len(list) - 1; i >= 0 && take(list[i]); i-- {
		}
	default:
		var all []int32
		for _, list := range lists {
			all = append(all, within(list, from, to)...)
		}
		slices.Sort(all)
		all = slices.Compact(all)
		for i := len(all) - 1; i >= 0 && take(all[i]); i-- {
		}
	}
	return out
}

// span is the range of positions between since and until.
func (s *store) span(f nostr.Filter) (from, to int32) {
	first := func(t nostr.Timestamp) int32 {
		i, _ := slices.BinarySearchFunc(s.entries, t, func(e entry, t nostr.Timestamp) int { return cmp.Compare(e.event.CreatedAt, t) })
		return int32(i)
	}
	to = int32(len(s.entries))
	if f.Since != nil {
		from = first(*f.Since)
	}
	if f.Until != nil {
		to = first(*f.Until + 1)
	}
	return from, to
}

// candidates gives the lists of the filter's narrowest condition, and the filter without it; nil lists when it has none.
func (s *store) candidates(f nostr.Filter) (lists [][]int32, rest nostr.Filter) {
	rest = f
	size := len(s.entries) + 1
	consider := func(some [][]int32, without nostr.Filter) {
		n := 0
		for _, list := range some {
			n += len(list)
		}
		if n < size {
			size, lists, rest = n, some, without
		}
	}
	if f.IDs != nil {
		without := f
		without.IDs = nil
		consider(collect(f.IDs, func(id string) []int32 {
			if at, ok := s.ids[id]; ok {
				return []int32{at}
			}
			return nil
		}), without)
	}
	for name, values := range f.Tags {
		if values == nil {
			continue
		}
		without := f
		without.Tags = nostr.TagMap{}
		for other, vs := range f.Tags {
			if other != name {
				without.Tags[other] = vs
			}
		}
		consider(collect(values, func(v string) []int32 { return s.tags[tagValue{name, v}] }), without)
	}
	if f.Authors != nil {
		without := f
		without.Authors = nil
		consider(collect(f.Authors, func(pk string) []int32 { return s.authors[pk] }), without)
	}
	if f.Kinds != nil {
		without := f
		without.Kinds = nil
		consider(collect(f.Kinds, func(k int) []int32 { return s.kinds[k] }), without)
	}
	return lists, rest
}

// collect is never nil: no list at all would mean no condition.
func collect[T any](values []T, list func(T) []int32) [][]int32 {
	out := [][]int32{}
	for _, v := range values {
		if l := list(v); len(l) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// within is the part of an ascending list that lies in from <= n < to.
func within(list []int32, from, to int32) []int32 {
	i, _ := slices.BinarySearch(list, from)
	j, _ := slices.BinarySearch(list, to)
	return list[i:max(i, j)]
}
