package sync

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Coverage says which of a numbered sequence is confirmed: everything below Count but what lies in
// Gaps. Things are numbered in the order learned, so Gaps is nearly always empty (DESIGN §4).
type Coverage struct {
	Count uint32
	Gaps  []Span // sorted, disjoint, not touching, all below Count
}

// Span is the half-open range From <= n < To.
type Span struct{ From, To uint32 }

// Add confirms a range.
func (c *Coverage) Add(s Span) {
	if s.From >= s.To {
		return
	}
	if s.From > c.Count {
		c.Gaps = append(c.Gaps, Span{c.Count, s.From})
	}
	if s.To > c.Count {
		c.Count = s.To
	}
	kept := c.Gaps[:0:0]
	for _, g := range c.Gaps {
		if before := (Span{g.From, min(g.To, s.From)}); before.From < before.To {
			kept = append(kept, before)
		}
		if after := (Span{max(g.From, s.To), g.To}); after.From < after.To {
			kept = append(kept, after)
		}
	}
	c.Gaps = kept
}

// Remove takes a range back.
func (c *Coverage) Remove(s Span) {
	var out Coverage
	for _, have := range c.Spans() {
		out.Add(Span{have.From, min(have.To, s.From)})
		out.Add(Span{max(have.From, s.To), have.To})
	}
	*c = out
}

// Has reports whether n is confirmed.
func (c Coverage) Has(n uint32) bool {
	if n >= c.Count {
		return false
	}
	return !slices.ContainsFunc(c.Gaps, func(g Span) bool { return g.From <= n && n < g.To })
}

// Len is how many are confirmed.
func (c Coverage) Len() int {
	n := int(c.Count)
	for _, g := range c.Gaps {
		n -= int(g.To - g.From)
	}
	return n
}

// Incomplete reports whether anything below total is not confirmed.
func (c Coverage) Incomplete(total uint32) bool { return c.Count < total || len(c.Gaps) > 0 }

// Spans lists what is confirmed, in order.
func (c Coverage) Spans() []Span {
	var out []Span
	from := uint32(0)
	for _, g := range c.Gaps {
		if from < g.From {
			out = append(out, Span{from, g.From})
		}
		from = g.To
	}
	if from < c.Count {
		out = append(out, Span{from, c.Count})
	}
	return out
}

// Missing lists what is not confirmed below total, in order.
func (c Coverage) Missing(total uint32) []Span {
	var out []Span
	for _, g := range c.Gaps {
		if g.From < total {
			out = append(out, Span{g.From, min(g.To, total)})
		}
	}
	if c.Count < total {
		out = append(out, Span{c.Count, total})
	}
	return out
}

func (c Coverage) clone() Coverage { return Coverage{c.Count, slices.Clone(c.Gaps)} }

// MarshalBinary gives count and gaps as uvarints: count, then from and length of each gap.
func (c Coverage) MarshalBinary() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(c.Count))
	for _, g := range c.Gaps {
		b = binary.AppendUvarint(b, uint64(g.From))
		b = binary.AppendUvarint(b, uint64(g.To-g.From))
	}
	return b, nil
}

var errCoverage = errors.New("malformed coverage")

// UnmarshalBinary reads what MarshalBinary wrote and refuses what it could not have written.
func (c *Coverage) UnmarshalBinary(b []byte) error {
	next := func() (uint32, bool) {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<32-1 {
			return 0, false
		}
		b = b[n:]
		return uint32(v), true
	}
	count, ok := next()
	if !ok {
		return errCoverage
	}
	out := Coverage{Count: count}
	last := uint32(0)
	for len(b) > 0 {
		from, ok1 := next()
		length, ok2 := next()
		if !ok1 || !ok2 || length == 0 || from < last || length > count || from > count-length {
			return errCoverage
		}
		out.Gaps = append(out.Gaps, Span{from, from + length})
		last = from + length
	}
	*c = out
	return nil
}
