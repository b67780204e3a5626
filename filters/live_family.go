package filters

import (
	"math"
	"slices"

	"github.com/nbd-wtf/go-nostr"
)

// probes is how many unfull chunks are tried before a new one is made.
const probes = 8

// rootBytes is what a root adds to a filter: 64 hex digits, quotes and a comma.
const rootBytes = 64 + len(`"",`)

// layout is the live filters of a chunk.
type layout struct {
	templates []template
	overhead  []int // bytes of each without values, and of a comma
}

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

// The layouts of all live sets, and those for relays that refuse filters without kinds.
var (
	layouts      = layoutsBy(func(f nostr.Filter) []nostr.Filter { return []nostr.Filter{f} })
	kindsLayouts = layoutsBy(WithKinds)
)

func layoutsBy(dialect func(nostr.Filter) []nostr.Filter) (out [families]layout) {
	for f, fs := range [families][]nostr.Filter{
		Repos: tagged(nil, "a", "A", "q"), States: {statesFilter(nil)}, Roots: tagged(nil, "e", "E", "q"),
	} {
		for _, plain := range fs {
			for _, spoken := range dialect(plain) {
				for tag := range spoken.Tags {
					t := template{AsLive(spoken), tag}
					empty := t.with(nil)
					out[f].templates = append(out[f].templates, t)
					out[f].overhead = append(out[f].overhead, filterBytes(&empty))
				}
			}
		}
	}
	return out
}

// family holds the values of one Family. All its chunks have the same layout.
//
// There are many values and few chunks, so a value has no record of its own: it is a number in its chunk's list and an
// entry in the index, and is looked for in the list when it is removed.
type family struct {
	set      *LiveSet
	kind     Family
	layout   *layout
	index    map[Value]uint32 // chunk of each value
	chunks   []liveChunk
	free     []uint32 // chunks without values, to be used again
	open     []uint32 // chunks with room for a value by number
	full     int      // smallest listed value that is known to fit nowhere, until something is removed
	from     int      // subscriptions below have no room for a chunk whose value is at least fromSize
	fromSize int
	long     int // chunks of a single long value
	filters  int // of all chunks
}

// liveChunk is values that share filters, one filter per template of the layout.
type liveChunk struct {
	values []Value
	at     []int // subscription of each filter
	open   int   // index in family.open, -1 when it is not there
	long   bool
}

func newFamily(s *LiveSet, kind Family) family {
	f := family{set: s, kind: kind, layout: &layouts[kind], index: map[Value]uint32{}}
	if s.table.budget.StateKinds {
		f.layout = &kindsLayouts[kind]
	}
	f.freed()
	return f
}

// size is what a value adds to a filter. With a comma after each, a list has the comma too many that the filter
// needs after it.
func (f *family) size(v Value) (size int, long bool) {
	if f.kind == Roots {
		return rootBytes, false
	}
	text := f.set.names(f.kind, v)
	return stringBytes(text) + len(","), len(text) > sharedValueBytes
}

// add finds a place for a value: in an unfull chunk, else in a new chunk, else in any chunk. It reports whether
// the value is held.
func (f *family) add(v Value) bool {
	if _, ok := f.index[v]; ok {
		return true
	}
	size, long := f.size(v)
	if long {
		return f.found(v, size, true)
	}
	if size >= f.full {
		return false
	}
	if f.join(v, size, probes) || f.found(v, size, false) || f.join(v, size, len(f.open)) {
		return true
	}
	f.full = size
	return false
}

// join adds to one of the last n unfull chunks.
func (f *family) join(v Value, size, n int) bool {
	for i := len(f.open) - 1; i >= max(0, len(f.open)-n); i-- {
		if f.takes(&f.chunks[f.open[i]], size) {
			f.push(f.open[i], v, size)
			return true
		}
	}
	return false
}

// takes reports whether a value of size bytes fits. A subscription may hold several of the chunk's filters.
func (f *family) takes(c *liveChunk, size int) bool {
	for _, n := range c.at {
		need := 0
		for _, m := range c.at {
			if m == n {
				need += size
			}
		}
		if _, bytes := f.set.table.room(n); bytes < need {
			return false
		}
	}
	return true
}

// found makes a new chunk for a value.
func (f *family) found(v Value, size int, long bool) bool {
	sizes := make([]int, len(f.layout.overhead))
	for i, n := range f.layout.overhead {
		sizes[i] = n + size
	}
	start := 0
	if !long && size >= f.fromSize {
		start = f.from
	}
	at, ok := f.set.table.place(sizes, start, long)
	if !long {
		f.fromSize = size
		f.from = f.set.table.budget.Subs
	}
	if !ok {
		return false
	}
	if !long {
		f.from = slices.Min(at)
	}
	number := f.number()
	f.chunks[number] = liveChunk{at: at, open: -1, long: long}
	f.set.table.enter(part{f.kind, number}, at, f.layout.overhead, long)
	f.filters += len(at)
	if long {
		f.long++
	} else {
		f.setOpen(number, true)
	}
	f.push(number, v, size)
	return true
}

// number is that of a chunk to be made.
func (f *family) number() uint32 {
	if last := len(f.free) - 1; last >= 0 {
		number := f.free[last]
		f.free = f.free[:last]
		return number
	}
	f.chunks = append(f.chunks, liveChunk{})
	return uint32(len(f.chunks) - 1) //nolint:gosec // each has a value of its own, and those are uint32
}

func (f *family) push(number uint32, v Value, size int) {
	c, per := &f.chunks[number], f.set.table.budget.Values
	if n := len(c.values); n == cap(c.values) {
		// append would leave room beyond the last value that the chunk may have.
		c.values = append(make([]Value, 0, min(per, 2*n+2)), c.values...)
	}
	c.values = append(c.values, v)
	f.index[v] = number
	f.grow(c, size)
	if len(c.values) >= per {
		f.setOpen(number, false)
	}
}

// remove drops a value, whose place the last one of its chunk takes, and reports whether it was there.
func (f *family) remove(v Value) bool {
	number, ok := f.index[v]
	if !ok {
		return false
	}
	delete(f.index, v)
	c := &f.chunks[number]
	last := len(c.values) - 1
	c.values[slices.Index(c.values, v)] = c.values[last]
	c.values = c.values[:last]
	size, _ := f.size(v)
	f.grow(c, -size)
	if f.setOpen(number, last > 0); last > 0 {
		return true
	}
	f.set.table.leave(part{f.kind, number}, c.at, f.layout.overhead) // the values have left already
	f.filters -= len(c.at)
	if c.long {
		f.long--
	}
	*c = liveChunk{}
	f.free = append(f.free, number)
	return true
}

func (f *family) grow(c *liveChunk, size int) {
	for _, n := range c.at {
		f.set.table.grow(n, size)
	}
}

// setOpen moves a chunk to the end of the unfull ones, or takes it from there.
func (f *family) setOpen(number uint32, open bool) {
	c := &f.chunks[number]
	if open == (c.open >= 0) {
		return
	}
	if open {
		c.open = len(f.open)
		f.open = append(f.open, number)
		return
	}
	last := f.open[len(f.open)-1]
	f.open[c.open], f.chunks[last].open = last, c.open
	f.open = f.open[:len(f.open)-1]
	c.open = -1
}

// freed forgets what is known to be full.
func (f *family) freed() { f.full, f.from, f.fromSize = math.MaxInt, 0, 0 }

// packed is how many filters the values would need at least.
func (f *family) packed() int {
	per := f.set.table.budget.Values
	return len(f.layout.templates) * (f.long + (len(f.index)-f.long+per-1)/per)
}

// render gives those filters of a chunk that are in subscription number sub.
func (f *family) render(number uint32, sub int) []nostr.Filter {
	c := &f.chunks[number]
	values := make([]string, len(c.values))
	for i, v := range c.values {
		values[i] = f.set.names(f.kind, v)
	}
	var out []nostr.Filter
	for i, n := range c.at {
		if n == sub {
			out = append(out, f.layout.templates[i].with(values))
		}
	}
	return out
}
