package filters

import (
	"slices"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// narrowPages is how many pages are spent on one second.
const narrowPages = 1024

// narrowing asks for the events of one second in parts, because all of them do not fit a page: by values, then by kinds.
// What stays too large in its narrowest form is a gap.
type narrowing struct {
	cursor *cursor
	second int64
	parts  []nostr.Filter        // still to be asked; the last is asked now
	found  map[event.ID]struct{} // of the cursor's boundary
	pages  int
	gap    bool
}

func newNarrowing(c *cursor) *narrowing {
	n := &narrowing{cursor: c, second: c.until, found: map[event.ID]struct{}{}}
	second := nostr.Timestamp(n.second)
	f := c.filter
	f.Since, f.Until = &second, nil
	n.split(f)
	return n
}

func (n *narrowing) ask(limit int, lag int64) nostr.Filter {
	f := n.parts[len(n.parts)-1]
	until := nostr.Timestamp(n.second + lag)
	f.Until = &until
	f.Limit, f.LimitZero = limit, false
	return f
}

// answer takes the page of the last part; full says that it may have been cut.
func (n *narrowing) answer(seen map[event.ID]struct{}, full bool) {
	part := n.parts[len(n.parts)-1]
	n.parts = n.parts[:len(n.parts)-1]
	n.pages++
	for id := range seen {
		if n.cursor.knows(id, n.second) {
			n.found[id] = struct{}{}
		}
	}
	if full {
		n.split(part)
	}
	if n.pages >= narrowPages && len(n.parts) > 0 {
		n.parts, n.gap = nil, true
	}
}

func (n *narrowing) over() bool { return len(n.parts) == 0 }

// lossy reports that events of the second may not have been delivered. Events that were there before and did not come again
// show that the relay does not answer for parts of a second.
func (n *narrowing) lossy() bool { return n.gap || len(n.found) < len(n.cursor.boundary) }

func (n *narrowing) split(f nostr.Filter) {
	if a, b, ok := Halve(f); ok {
		n.parts = append(n.parts, b, a)
		return
	}
	kinds := f.Kinds
	if kinds == nil {
		// Kinds that nobody thought of stay unasked.
		n.gap = true
		kinds = append(slices.Clone(statedKinds), 1)
	}
	if len(kinds) < 2 {
		n.gap = true
		return
	}
	a, b := f, f
	half := len(kinds) / 2
	a.Kinds, b.Kinds = kinds[:half:half], kinds[half:]
	n.parts = append(n.parts, b, a)
}
