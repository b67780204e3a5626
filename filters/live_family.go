package filters

import (
	"cmp"
	"container/list"
	"math"
	"slices"

	"github.com/nbd-wtf/go-nostr"
)

// probes is how many unfull chunks are tried before a new one is made.
const probes = 8

// template is one live filter of a chunk: everything but the values, which go under tag.
type template struct {
	filter nostr.Filter
	tag    string
}

func (t template) with(values []string) nostr.Filter {
	f := t.filter
	f.Tags = nostr.TagMap{t.tag: values}
	return f
}

// family holds the values of one kind: repos, roots or states. All chunks of a family have the same templates.
type family[K comparable] struct {
	table     *subTable
	encode    func(K) string
	templates []template
	overhead  []int // bytes of each template without values
	smallest  int   // listedBytes of the smallest value there can be
	slots     map[K]*slot[K]
	open      []*liveChunk[K] // with room for a value by number
	waiting   *list.List      // of K, in the order added
	seq       uint64
	full      int // smallest encoded value that is known to fit nowhere, until something is removed
	from      int // subscriptions below have no room for a chunk whose value is at least fromSize
	fromSize  int
	long      int // chunks of a single long value
	filters   int // of all chunks
}

// slot is where a value is: in a chunk, or in the queue of those that wait.
type slot[K comparable] struct {
	chunk *liveChunk[K]
	index int
	queue *list.Element
	seq   uint64 // order of addition
}

// liveChunk is values that share filters, one filter per template.
type liveChunk[K comparable] struct {
	family *family[K]
	values []K
	sizes  []int // bytes of each filter and of a comma
	at     []int // subscription of each filter
	open   int   // index in family.open, -1 when it is not there
	long   bool
}

func newFamily[K comparable](t *subTable, encode func(K) string) *family[K] {
	return &family[K]{table: t, encode: encode, slots: map[K]*slot[K]{}, waiting: list.New()}
}

// listedBytes is what a value adds to a filter. With a comma after each, a list has the comma too many that the filter
// needs after it.
func listedBytes(text string) int { return stringBytes(text) + len(",") }

func (f *family[K]) add(v K) {
	if f.slots[v] != nil {
		return
	}
	f.seq++
	s := &slot[K]{seq: f.seq}
	f.slots[v] = s
	if !f.cover(v, s) {
		s.queue = f.waiting.PushBack(v)
	}
}

// cover finds a place for a value: in an unfull chunk, else in a new chunk, else in any chunk.
func (f *family[K]) cover(v K, s *slot[K]) bool {
	text := f.encode(v)
	size, long := listedBytes(text), len(text) > sharedValueBytes
	if !long && size >= f.full {
		return false
	}
	if !long && f.join(v, s, size, probes) {
		return true
	}
	if f.found(v, s, size, long) {
		return true
	}
	if !long {
		if f.join(v, s, size, len(f.open)) {
			return true
		}
		f.full = size
	}
	return false
}

// join adds to one of the last n unfull chunks.
func (f *family[K]) join(v K, s *slot[K], size, n int) bool {
	for i := len(f.open) - 1; i >= max(0, len(f.open)-n); i-- {
		if c := f.open[i]; c.takes(size) {
			c.push(v, s, size)
			return true
		}
	}
	return false
}

// found makes a new chunk for a value.
func (f *family[K]) found(v K, s *slot[K], size int, long bool) bool {
	sizes := make([]int, len(f.overhead))
	for i, n := range f.overhead {
		sizes[i] = n + size
	}
	start := 0
	if !long && size >= f.fromSize {
		start = f.from
	}
	at, ok := f.table.place(sizes, start, long)
	if !long {
		f.fromSize = size
		f.from = f.table.budget.Subs
	}
	if !ok {
		return false
	}
	if !long {
		f.from = slices.Min(at)
	}
	c := &liveChunk[K]{family: f, at: at, sizes: slices.Clone(f.overhead), open: -1, long: long}
	f.table.enter(c, at, c.sizes, long)
	f.filters += len(at)
	if long {
		f.long++
	} else {
		c.setOpen(true)
	}
	c.push(v, s, size)
	return true
}

// remove drops a value and reports whether room was freed.
func (f *family[K]) remove(v K) bool {
	s := f.slots[v]
	if s == nil {
		return false
	}
	delete(f.slots, v)
	if s.chunk == nil {
		f.waiting.Remove(s.queue)
		return false
	}
	s.chunk.drop(s.index, listedBytes(f.encode(v)))
	return true
}

// freed forgets what is known to be full.
func (f *family[K]) freed() { f.full, f.from, f.fromSize = math.MaxInt, 0, 0 }

// drain gives room to those that wait, in order.
func (f *family[K]) drain() {
	for e := f.waiting.Front(); e != nil && f.full > f.smallest; {
		next := e.Next()
		v := e.Value.(K)
		if s := f.slots[v]; f.cover(v, s) {
			f.waiting.Remove(e)
			s.queue = nil
		}
		e = next
	}
}

// reset makes every value wait, in the order added.
func (f *family[K]) reset(templates []template) {
	f.templates, f.overhead = templates, nil
	for _, t := range templates {
		empty := t.with(nil)
		f.overhead = append(f.overhead, filterBytes(&empty))
	}
	f.freed()
	f.open, f.long, f.filters = nil, 0, 0
	f.waiting.Init()
	values := make([]K, 0, len(f.slots))
	for v := range f.slots {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b K) int { return cmp.Compare(f.slots[a].seq, f.slots[b].seq) })
	for _, v := range values {
		f.slots[v].chunk = nil
		f.slots[v].queue = f.waiting.PushBack(v)
	}
}

func (f *family[K]) uncovered() []K {
	out := make([]K, 0, f.waiting.Len())
	for e := f.waiting.Front(); e != nil; e = e.Next() {
		out = append(out, e.Value.(K))
	}
	return out
}

// packed is how many filters the covered values would need at least.
func (f *family[K]) packed(per int) int {
	short := len(f.slots) - f.waiting.Len() - f.long
	return len(f.templates) * (f.long + (short+per-1)/per)
}

// takes reports whether a value of size bytes fits. A subscription may hold several of the chunk's filters.
func (c *liveChunk[K]) takes(size int) bool {
	for _, n := range c.at {
		need := 0
		for _, m := range c.at {
			if m == n {
				need += size
			}
		}
		if _, bytes := c.family.table.room(n); bytes < need {
			return false
		}
	}
	return true
}

func (c *liveChunk[K]) push(v K, s *slot[K], size int) {
	s.chunk, s.index = c, len(c.values)
	c.values = append(c.values, v)
	c.grow(size)
	if len(c.values) >= c.family.table.budget.Values {
		c.setOpen(false)
	}
}

// drop takes the value at index out; the last one takes its place.
func (c *liveChunk[K]) drop(index, size int) {
	last := len(c.values) - 1
	moved := c.values[last]
	c.values[index] = moved
	c.values = c.values[:last]
	if index != last {
		c.family.slots[moved].index = index
	}
	c.grow(-size)
	if last > 0 {
		c.setOpen(true)
		return
	}
	c.setOpen(false)
	c.family.table.leave(c, c.at, c.sizes)
	c.family.filters -= len(c.at)
	if c.long {
		c.family.long--
	}
}

func (c *liveChunk[K]) grow(size int) {
	for i, n := range c.at {
		c.sizes[i] += size
		c.family.table.grow(n, size)
	}
}

// setOpen moves the chunk to the end of the family's unfull chunks, or takes it from there.
func (c *liveChunk[K]) setOpen(open bool) {
	f := c.family
	if open == (c.open >= 0) {
		return
	}
	if open {
		c.open = len(f.open)
		f.open = append(f.open, c)
		return
	}
	last := f.open[len(f.open)-1]
	f.open[c.open], last.open = last, c.open
	f.open = f.open[:len(f.open)-1]
	c.open = -1
}

func (c *liveChunk[K]) render(sub int) []nostr.Filter {
	values := make([]string, len(c.values))
	for i, v := range c.values {
		values[i] = c.family.encode(v)
	}
	var out []nostr.Filter
	for i, n := range c.at {
		if n == sub {
			out = append(out, c.family.templates[i].with(values))
		}
	}
	return out
}
