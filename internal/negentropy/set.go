package negentropy

import (
	"sort"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Builder collects the items of a Set.
type Builder struct {
	items  keys
	sorted bool // so far in order, none twice
}

// NewBuilder makes an empty one. An item takes 40 bytes.
func NewBuilder() *Builder { return &Builder{sorted: true} }

// Add takes an event's created_at and id, in any order. A time before 1970, which the protocol cannot express,
// counts as 1970: such an event is merely listed again by a peer that has it elsewhere.
func (b *Builder) Add(createdAt int64, id event.ID) {
	k := keyOf(uint64(max(createdAt, 0)), id[:])
	if n := b.items.n; b.sorted && n > 0 {
		b.sorted = b.items.at(n-1).compare(&k) < 0
	}
	b.items.add(k)
}

// Len is how many items were added, duplicates included.
func (b *Builder) Len() int { return b.items.n }

// Seal sorts the items, drops duplicates and gives them away: the builder is empty afterwards.
func (b *Builder) Seal() *Set {
	items := b.items
	if !b.sorted {
		items.sort(0, items.n, 0)
		items.compact()
	}
	*b = Builder{sorted: true}
	return &Set{items: items, sums: sumsOf(&items)}
}

// Set is a sealed set of items in order: 41 bytes for each.
type Set struct {
	items keys
	sums  []sum // sums[i] is over the first i*sumEvery items
}

// Len is the number of items.
func (s *Set) Len() int { return s.items.n }

// Each calls yield for every item, in order.
func (s *Set) Each(yield func(createdAt int64, id event.ID)) {
	for n := range s.items.n {
		k := s.items.at(n)
		yield(int64(k.at()), *k.id()) //nolint:gosec // it came from an int64
	}
}

// find is the index of the first item in [lo, hi) that is not below b, or hi.
func (s *Set) find(lo, hi int, b *bound) int {
	return lo + sort.Search(hi-lo, func(i int) bool { return s.items.at(lo+i).compare(&b.key) >= 0 })
}
