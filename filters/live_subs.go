package filters

import (
	"strconv"

	"github.com/nbd-wtf/go-nostr"
)

// liveSub is one subscription of a LiveSet. Its bytes are those of the REQ as sent.
type liveSub struct {
	parts   []livePart
	filters int
	bytes   int
	dirty   bool // differs from what was sent
	sent    bool
}

// livePart is something that has filters in subscriptions.
type livePart interface {
	// render gives those of its filters that are in subscription number sub.
	render(sub int) []nostr.Filter
}

// subTable keeps the subscriptions of a LiveSet within the budget.
type subTable struct {
	budget  Budget
	subs    []liveSub // index is the number in the id
	filters int
	long    int // the one subscription for values that some relays refuse, -1 when there is none
}

func subID(n int) string { return "l" + strconv.Itoa(n) }

// emptyBytes is an envelope less the comma that the first filter does not need: every filter is charged with one.
func emptyBytes(n int) int { return reqEnvelope + len(subID(n)) - 1 }

func (t *subTable) room(n int) (filters, bytes int) {
	s := &t.subs[n]
	used := s.bytes
	if s.filters == 0 {
		used = emptyBytes(n)
	}
	return t.budget.FiltersPerREQ - s.filters, Usable(t.budget.MessageBytes) - used
}

// place finds subscriptions for filters of the given sizes, from number start on: one for all of them, unless a
// REQ never holds as many filters. It changes nothing. ok is false when they fit nowhere.
func (t *subTable) place(sizes []int, start int, long bool) (at []int, ok bool) {
	at = make([]int, len(sizes))
	if len(sizes) <= t.budget.FiltersPerREQ {
		total := 0
		for _, size := range sizes {
			total += size
		}
		n, ok := t.find(len(sizes), total, start, long)
		for i := range at {
			at[i] = n
		}
		return at, ok
	}
	if long {
		return nil, false
	}
	for i, size := range sizes {
		n, ok := t.find(1, size, start, false)
		if !ok {
			t.unstage(at[:i], sizes)
			return nil, false
		}
		at[i] = n
		t.charge(n, 1, size)
	}
	t.unstage(at, sizes)
	return at, true
}

func (t *subTable) unstage(at, sizes []int) {
	for i, n := range at {
		t.charge(n, -1, -sizes[i])
	}
}

func (t *subTable) find(filters, bytes, start int, long bool) (int, bool) {
	if long && t.long >= 0 {
		f, b := t.room(t.long)
		return t.long, f >= filters && b >= bytes
	}
	for n := start; n < t.budget.Subs; n++ {
		if n == len(t.subs) {
			t.subs = append(t.subs, liveSub{})
		}
		if n == t.long || (long && t.subs[n].filters > 0) {
			continue
		}
		if f, b := t.room(n); f >= filters && b >= bytes {
			return n, true
		}
	}
	return 0, false
}

// charge counts filters and bytes without marking the subscription as changed.
func (t *subTable) charge(n, filters, bytes int) {
	s := &t.subs[n]
	if s.filters == 0 {
		s.bytes = emptyBytes(n)
	}
	s.filters += filters
	s.bytes += bytes
	t.filters += filters
}

// grow changes the size of filters that are in subscription n.
func (t *subTable) grow(n, bytes int) {
	t.subs[n].bytes += bytes
	t.subs[n].dirty = true
}

// enter puts a part's filters where place found room.
func (t *subTable) enter(p livePart, at, sizes []int, long bool) {
	for i, n := range at {
		t.charge(n, 1, sizes[i])
		s := &t.subs[n]
		s.dirty = true
		if len(s.parts) == 0 || s.parts[len(s.parts)-1] != p {
			s.parts = append(s.parts, p)
		}
	}
	if long {
		t.long = at[0]
	}
}

// leave takes a part's filters out.
func (t *subTable) leave(p livePart, at, sizes []int) {
	for i, n := range at {
		t.charge(n, -1, -sizes[i])
		s := &t.subs[n]
		s.dirty = true
		for j := range s.parts {
			if s.parts[j] == p {
				s.parts = append(s.parts[:j], s.parts[j+1:]...)
				break
			}
		}
		if s.filters == 0 && n == t.long {
			t.long = -1
		}
	}
}

func (t *subTable) render(n int) Sub {
	sub := Sub{ID: subID(n), Filters: make([]nostr.Filter, 0, t.subs[n].filters)}
	for _, p := range t.subs[n].parts {
		sub.Filters = append(sub.Filters, p.render(n)...)
	}
	return sub
}

// changes lists what differs from what was sent (all: everything), which then counts as sent.
func (t *subTable) changes(all bool) (open []Sub, closed []string) {
	for n := range t.subs {
		s := &t.subs[n]
		switch {
		case s.filters > 0 && (s.dirty || all):
			open = append(open, t.render(n))
			s.sent = true
		case s.filters == 0 && s.sent:
			closed = append(closed, subID(n))
			s.sent = false
		}
		s.dirty = false
	}
	return open, closed
}

// reset empties the table under a new budget and remembers what was sent. Subscriptions above the budget stay in
// the table, without filters, until changes closed them.
func (t *subTable) reset(b Budget) {
	t.budget, t.filters, t.long = b, 0, -1
	for n := range t.subs {
		t.subs[n] = liveSub{sent: t.subs[n].sent}
	}
}
