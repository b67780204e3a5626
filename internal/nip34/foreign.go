package nip34

import "github.com/ngit-sync/ngit-sync/internal/event"

// Foreign bounds the announcements of an Index that are not in scope, by number and memory: one of them counts when a later announcement
// names its author, and a plain own relay may hold those of the whole world. It has the owner of the index.
type Foreign struct {
	most  int
	bytes int64

	weights map[event.Ref]int64 // of those in order
	order   []event.Ref         // oldest first
	weight  int64
}

// NewForeign keeps up to so many, of so many bytes.
func NewForeign(most int, bytes int64) Foreign {
	return Foreign{most: most, bytes: bytes, weights: make(map[event.Ref]int64)}
}

// Trim takes note of announcements that the index was told, and of coordinates that have left scope since, and removes the oldest that are
// not in scope from it when there are too many. It gives the coordinates that were removed.
func (f *Foreign) Trim(x *Index, told []*Announcement, left []event.Ref) []event.Ref {
	for _, a := range told {
		f.note(x, a.Ref)
	}
	for _, ref := range left {
		f.note(x, ref)
	}
	var gone []event.Ref
	for len(f.order) > f.most || f.weight > f.bytes {
		ref := f.order[0]
		f.order = f.order[1:]
		f.weight -= f.weights[ref]
		delete(f.weights, ref)
		if _, known := x.Newest(ref); known && !x.Covers(ref) {
			gone = append(gone, ref)
		}
	}
	x.Apply(nil, gone) // they were part of no repo
	return gone
}

func (f *Foreign) note(x *Index, ref event.Ref) {
	known, ok := x.Newest(ref)
	if !ok || x.Covers(ref) {
		return
	}
	old, noted := f.weights[ref]
	if !noted {
		f.order = append(f.order, ref)
	}
	f.weights[ref] = known.weight()
	f.weight += f.weights[ref] - old
}

// Bytes in memory of an announcement, of a value in it, and of a key.
const (
	announcementBytes = 500
	valueBytes        = 24
	keyBytes          = 32
)

// weight is about how many bytes of memory it takes.
func (a *Announcement) weight() int64 {
	n := announcementBytes + 2*len(a.Ref.D) + len(a.Name) + len(a.Maintainers)*keyBytes
	for _, values := range [][]string{a.Clone, a.Skipped} {
		for _, v := range values {
			n += len(v) + valueBytes
		}
	}
	for _, u := range a.Relays {
		n += len(u) + valueBytes
	}
	if a.Event != nil {
		return int64(n) + a.Event.Weight()
	}
	return int64(n)
}
