package filters

import "strconv"

// liveSub is one subscription of a LiveSet. Its bytes are those of the REQ as sent.
type liveSub struct {
	parts   []part
	filters int
	bytes   int
	dirty   bool // differs from what was sent
	sent    bool
}

// part is something that has filters in subscriptions: a chunk of a family or, where the family is families, one of the
// fixed filters.
type part struct {
	family Family
	chunk  uint32
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
	if n == len(t.subs) || t.subs[n].filters == 0 {
		return t.budget.FiltersPerREQ, Usable(t.budget.MessageBytes) - emptyBytes(n)
	}
	s := &t.subs[n]
	return t.budget.FiltersPerREQ - s.filters, Usable(t.budget.MessageBytes) - s.bytes
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
		f, b := t.room(n)
		fits := f >= filters && b >= bytes
		if n == len(t.subs) {
			if !fits {
				break // nor into those after it: their ids are no shorter
			}
			t.subs = append(t.subs, liveSub{})
		}
		if fits && n != t.long && (!long || t.subs[n].filters == 0) {
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
func (t *subTable) enter(p part, at, sizes []int, long bool) {
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
func (t *subTable) leave(p part, at, sizes []int) {
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

// reset empties the table under a new budget and remembers what was sent. Subscriptions above the budget stay in
// the table, without filters, until changes closed them.
func (t *subTable) reset(b Budget) {
	t.budget, t.filters, t.long = b, 0, -1
	for n := range t.subs {
		t.subs[n] = liveSub{sent: t.subs[n].sent}
	}
}
