package filters

import (
	"maps"
	"slices"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Set matches events against many filters at once. Each filter is filed under the values of its most selective list,
// so the cost of a match grows with the tags of the event and the filters that hold one of its values, not
// with the number of filters or values. A Set is immutable and safe for concurrent use.
type Set struct {
	rest     []condition // by index of the filter
	byID     map[event.ID][]int
	byTag    map[string]map[string][]int // name, value
	byAuthor map[event.PubKey][]int
	byKind   map[int][]int
	always   []int // filters without lists
}

// condition is what is left to check of a filter for an event that has one of the values that it is filed
// under. A nil list asks for nothing.
type condition struct {
	authors      map[event.PubKey]struct{}
	kinds        []int
	tags         map[string]map[string]struct{}
	since, until nostr.Timestamp
}

const (
	minTime = nostr.Timestamp(-1 << 63)
	maxTime = nostr.Timestamp(1<<63 - 1)
)

// Compile builds a Set. Semantics are those of NIP-01: a missing list asks for nothing, an empty one matches
// nothing, since and until are inclusive. Limit and search are ignored.
func Compile(fs []nostr.Filter) *Set {
	s := &Set{
		rest:     make([]condition, len(fs)),
		byID:     map[event.ID][]int{},
		byTag:    map[string]map[string][]int{},
		byAuthor: map[event.PubKey][]int{},
		byKind:   map[int][]int{},
	}
	for i := range fs {
		if !matchesNothing(&fs[i]) {
			s.file(i, &fs[i])
		}
	}
	return s
}

// Match appends to hits the indices of the filters that match, ascending and each once.
func (s *Set) Match(e *event.Event, hits []int) []int {
	from := len(hits)
	hits = append(hits, s.always...)
	hits = append(hits, s.byID[e.ID]...)
	hits = append(hits, s.byAuthor[e.PubKey]...)
	hits = append(hits, s.byKind[e.Kind]...)
	if len(s.byTag) > 0 {
		for _, tag := range e.Tags {
			if len(tag) >= 2 {
				hits = append(hits, s.byTag[tag[0]][tag[1]]...)
			}
		}
	}
	candidates := hits[from:]
	slices.Sort(candidates)
	kept := from
	for _, i := range slices.Compact(candidates) {
		if s.rest[i].holds(e) {
			hits[kept] = i
			kept++
		}
	}
	return hits[:kept]
}

// file puts a filter under ids, else tags, else authors, else kinds: the order in which they tend to be selective.
func (s *Set) file(i int, f *nostr.Filter) {
	c := condition{kinds: f.Kinds, since: minTime, until: maxTime}
	if f.Since != nil {
		c.since = *f.Since
	}
	if f.Until != nil {
		c.until = *f.Until
	}
	pivot, byTag := pivotTag(f)
	byTag = byTag && f.IDs == nil
	switch {
	case f.IDs != nil:
		for _, v := range f.IDs {
			if id, err := event.ParseID(v); err == nil {
				s.byID[id] = append(s.byID[id], i)
			}
		}
	case byTag:
		values := s.byTag[pivot]
		if values == nil {
			values = make(map[string][]int, len(f.Tags[pivot]))
			s.byTag[pivot] = values
		}
		for _, v := range f.Tags[pivot] {
			values[v] = append(values[v], i)
		}
	case f.Authors != nil:
		for pk := range pubKeys(f.Authors) {
			s.byAuthor[pk] = append(s.byAuthor[pk], i)
		}
	case f.Kinds != nil:
		for _, k := range f.Kinds {
			s.byKind[k] = append(s.byKind[k], i)
		}
		c.kinds = nil
	default:
		s.always = append(s.always, i)
	}
	if f.Authors != nil && (f.IDs != nil || byTag) {
		c.authors = pubKeys(f.Authors)
	}
	for name, values := range f.Tags {
		if values == nil || (byTag && name == pivot) {
			continue
		}
		if c.tags == nil {
			c.tags = map[string]map[string]struct{}{}
		}
		c.tags[name] = make(map[string]struct{}, len(values))
		for _, v := range values {
			c.tags[name][v] = struct{}{}
		}
	}
	s.rest[i] = c
}

func (c *condition) holds(e *event.Event) bool {
	if e.CreatedAt < c.since || e.CreatedAt > c.until {
		return false
	}
	if c.kinds != nil && !slices.Contains(c.kinds, e.Kind) {
		return false
	}
	if c.authors != nil {
		if _, ok := c.authors[e.PubKey]; !ok {
			return false
		}
	}
	for name, values := range c.tags {
		if !slices.ContainsFunc(e.Tags, func(tag nostr.Tag) bool {
			if len(tag) < 2 || tag[0] != name {
				return false
			}
			_, ok := values[tag[1]]
			return ok
		}) {
			return false
		}
	}
	return true
}

// pivotTag is the tag name to file a filter under: first in order, so that a Set is deterministic.
func pivotTag(f *nostr.Filter) (name string, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
		if f.Tags[name] != nil {
			return name, true
		}
	}
	return "", false
}

func matchesNothing(f *nostr.Filter) bool {
	empty := func(values []string) bool { return values != nil && len(values) == 0 }
	if empty(f.IDs) || empty(f.Authors) || (f.Kinds != nil && len(f.Kinds) == 0) {
		return true
	}
	for _, values := range f.Tags {
		if empty(values) {
			return true
		}
	}
	return false
}

// pubKeys leaves out what is no key: no event is signed by it.
func pubKeys(values []string) map[event.PubKey]struct{} {
	out := make(map[event.PubKey]struct{}, len(values))
	for _, v := range values {
		if pk, err := event.ParsePubKey(v); err == nil {
			out[pk] = struct{}{}
		}
	}
	return out
}
