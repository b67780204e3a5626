package negentropy

import (
	"slices"
	"sort"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Builder collects the items of a Set.
type Builder struct {
	items  []key
	sorted bool // so far in order, none twice
}

// NewBuilder makes room for n items of 40 bytes. More may be added: growing then takes up to twice the memory for a
// moment.
func NewBuilder(n int) *Builder {
	return &Builder{items: make([]key, 0, max(n, 0)), sorted: true}
}

// Add takes an event's created_at and id, in any order. A time before 1970, which the protocol cannot express,
// counts as 1970: such an event is merely listed again by a peer that has it elsewhere.
func (b *Builder) Add(createdAt int64, id event.ID) {
	k := keyOf(uint64(max(createdAt, 0)), id[:])
	if n := len(b.items); b.sorted && n > 0 {
		b.sorted = b.items[n-1].compare(&k) < 0
	}
	b.items = append(b.items, k)
}

// Len is how many items were added, duplicates included.
func (b *Builder) Len() int { return len(b.items) }

// Seal sorts the items, drops duplicates and gives them away: the builder is empty afterwards.
func (b *Builder) Seal() *Set {
	items := b.items
	if !b.sorted {
		sortKeys(items, 0)
		items = slices.Compact(items)
	}
	*b = Builder{sorted: true}
	return &Set{items: items, sums: sumsOf(items)}
}

// Set is a sealed set of items in order: 41 bytes for each.
type Set struct {
	items []key
	sums  []sum // sums[i] is over the first i*sumEvery items
}

// Len is the number of items.
func (s *Set) Len() int { return len(s.items) }

// Each calls yield for every item, in order.
func (s *Set) Each(yield func(createdAt int64, id event.ID)) {
	for n := range s.items {
		yield(int64(s.items[n].at()), *s.items[n].id()) //nolint:gosec // it came from an int64
	}
}

// find is the index of the first item in [lo, hi) that is not below b, or hi.
func (s *Set) find(lo, hi int, b *bound) int {
	return lo + sort.Search(hi-lo, func(i int) bool { return s.items[lo+i].compare(&b.key) >= 0 })
}
