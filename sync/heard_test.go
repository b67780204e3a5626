package sync

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// heard is what a listener who believes only the wire knows about one root: up to when everything that a relay said about it is known.
// It advances by what was live between a REQ and a mark, by a settled question without since, and by one with since only where that
// joins what is known. What does not join waits in apart.
type heard struct {
	upTo  int64 // unix nanoseconds
	live  int64 // since when it is live without a break, 0: it is not
	apart [][2]int64
}

// add records that all of from to to is known.
func (h *heard) add(from, to int64) {
	if to <= from {
		return
	}
	h.apart = append(h.apart, [2]int64{from, to})
	slices.SortFunc(h.apart, func(a, b [2]int64) int { return int(min(1, max(-1, a[0]-b[0]))) })
	kept := h.apart[:0]
	for _, x := range h.apart {
		switch last := len(kept) - 1; {
		case x[0] <= h.upTo:
			h.upTo = max(h.upTo, x[1])
		case last >= 0 && x[0] <= kept[last][1]:
			kept[last][1] = max(kept[last][1], x[1])
		default:
			kept = append(kept, x)
		}
	}
	h.apart = kept
}

// listener watches one relay of a script and plays its part.
type listener struct {
	s      *script
	u      relayurl.URL
	rng    *rand.Rand
	limits relay.Limits // the relay's own
	most   int          // live subscriptions that are allowed
	refuse bool         // ends every live subscription at once

	roots  map[string]*heard // wanted, by hex id
	since  map[string]time.Time
	active map[string]int64

	isUp     bool
	conn     relay.ConnID
	upAt     time.Time
	marked   time.Time
	subs     map[string]relay.Sub // open
	shut     map[string]bool      // of these, those that the relay has ended
	tell     []string             // ended, not yet told
	count    map[string]int       // open subscriptions by root
	asked    map[relay.BatchID]time.Time
	troubled time.Time // the last time that something went wrong
	widest   int
}

func listen(s *script, u relayurl.URL, l relay.Limits, seed uint64) *listener {
	m := &listener{
		s: s, u: u, limits: l, rng: rand.New(rand.NewPCG(seed, 7)),
		roots: map[string]*heard{}, since: map[string]time.Time{}, active: map[string]int64{},
		subs: map[string]relay.Sub{}, shut: map[string]bool{}, count: map[string]int{}, asked: map[relay.BatchID]time.Time{},
	}
	m.most = liveSubs(l)
	s.watch = m.see
	return m
}

// liveSubs is what DESIGN §5 leaves to live subscriptions: all but a quarter, at least two.
func liveSubs(l relay.Limits) int { return max(1, l.Subscriptions-max(2, l.Subscriptions/4)) }

// want says that the engine has learned of a root of a repo that the relay is named for.
func (m *listener) want(id event.ID, active int64) {
	v := id.String()
	if m.roots[v] == nil {
		m.roots[v], m.since[v] = &heard{}, m.s.now
		if m.count[v] > 0 {
			m.roots[v].live = m.s.now.UnixNano()
		}
	}
	m.active[v] = max(m.active[v], active)
}

func (m *listener) unwant(id event.ID) {
	v := id.String()
	delete(m.roots, v)
	delete(m.since, v)
}

// see takes in what the engine tells the connection.
func (m *listener) see(x Effect) {
	t, ok := x.(Tell)
	if !ok || t.ID != m.conn {
		return
	}
	switch c := t.Command.(type) {
	case relay.SetLive:
		m.setLive(c)
	case relay.SetLimits:
		m.most = liveSubs(c.Limits)
	case relay.AskBatch:
		m.asked[c.Batch.ID] = m.s.now
		for _, f := range c.Batch.Filters {
			requireSound(m.s.t, f)
		}
	case relay.CancelBatch:
		delete(m.asked, c.ID)
	}
}

func (m *listener) setLive(c relay.SetLive) {
	t := m.s.t
	touched := map[string]bool{}
	drop := func(id string) {
		if sub, ok := m.subs[id]; ok && !m.shut[id] {
			m.tally(sub, -1, touched)
		}
		delete(m.subs, id)
		delete(m.shut, id)
	}
	for _, id := range c.Close {
		drop(id)
	}
	for _, sub := range c.Open {
		for _, f := range sub.All() {
			requireSound(t, f)
			require.True(t, f.LimitZero && f.Since == nil && f.Until == nil, "a live filter has limit 0 and no times")
		}
		require.LessOrEqual(t, len(sub.All()), m.limits.FiltersPerREQ)
		require.LessOrEqual(t, filters.MessageBytes(sub.ID, sub.All()), filters.Usable(m.limits.MessageBytes))
		drop(sub.ID)
		m.subs[sub.ID] = sub
		if m.refuse {
			m.shut[sub.ID] = true
			m.tell = append(m.tell, sub.ID)
			m.troubled = m.s.now
		} else {
			m.tally(sub, 1, touched)
		}
	}
	require.LessOrEqual(t, len(m.subs), m.most, "live subscriptions beyond the budget")
	m.widest = max(m.widest, len(m.subs))
	now := m.s.now.UnixNano()
	for v := range touched {
		h := m.roots[v]
		switch {
		case h == nil:
		case m.count[v] == 0 && h.live != 0:
			h.add(h.live, now)
			h.live = 0
		case m.count[v] > 0 && h.live == 0:
			h.live = now
		}
	}
}

func (m *listener) tally(sub relay.Sub, n int, touched map[string]bool) {
	for _, f := range sub.Filters {
		for _, v := range f.Tags["e"] {
			m.count[v] += n
			touched[v] = true
		}
	}
}

// requireSound says that a filter has no empty list and no value that a freed number would leave.
func requireSound(t require.TestingT, f nostr.Filter) {
	if fault := unsound(f); fault != "" {
		require.Fail(t, fault, "%s", f)
	}
}

func unsound(f nostr.Filter) string {
	if (f.Kinds != nil && len(f.Kinds) == 0) || (f.IDs != nil && len(f.IDs) == 0) || (f.Authors != nil && len(f.Authors) == 0) {
		return "an empty list"
	}
	if f.Kinds == nil && f.IDs == nil && f.Authors == nil && len(f.Tags) == 0 {
		return "a filter for everything"
	}
	for _, v := range slices.Concat(f.IDs, f.Authors, f.Tags["e"], f.Tags["E"]) {
		if len(v) != 64 || v == noID {
			return "no id"
		}
	}
	for name, list := range f.Tags {
		if len(list) == 0 || slices.Contains(list, "") || slices.Contains(list, noID) {
			return "an empty list, or nothing in it"
		}
		if name == "a" || name == "A" {
			for _, v := range list {
				if _, err := event.ParseRef(v); err != nil {
					return "no coordinate"
				}
			}
		}
	}
	return ""
}

var noID = event.ID{}.String()

// mark tells the engine that all that is live has arrived.
func (m *listener) mark() {
	if !m.isUp || len(m.shut) > 0 || len(m.tell) > 0 {
		return
	}
	m.marked = m.s.now
	m.s.mark(m.u)
}

// up takes the connection that the engine has dialled, if it has.
func (m *listener) up() {
	for _, d := range slices.Backward(m.s.dials) {
		if d.URL == m.u && d.ID != m.conn && m.s.phase(m.u) == Connecting {
			m.conn, m.isUp, m.upAt, m.troubled = d.ID, true, m.s.now, m.s.now
			m.most = liveSubs(d.Learned.Apply(m.limits, m.s.now))
			m.s.upWith(m.u, m.limits)
			return
		}
	}
}

// lose ends the connection. What was asked may settle later, or never.
func (m *listener) lose() {
	m.cut()
	m.s.down(m.u)
}

// cut forgets what a connection that is gone had open.
func (m *listener) cut() {
	marked := m.marked.UnixNano()
	for _, h := range m.roots {
		if h.live != 0 {
			h.add(h.live, marked)
			h.live = 0
		}
	}
	clear(m.subs)
	clear(m.shut)
	clear(m.count)
	m.tell, m.isUp, m.troubled = nil, false, m.s.now
	for id := range m.asked {
		if m.rng.IntN(2) == 0 {
			delete(m.asked, id)
		}
	}
}

// end has the relay end a live subscription.
func (m *listener) end(id string) {
	sub, ok := m.subs[id]
	if !ok || m.shut[id] {
		return
	}
	touched := map[string]bool{}
	m.tally(sub, -1, touched)
	for v := range touched {
		if h := m.roots[v]; h != nil && h.live != 0 && m.count[v] == 0 {
			h.add(h.live, m.marked.UnixNano())
			h.live = 0
		}
	}
	m.shut[id], m.troubled = true, m.s.now
	m.s.report(relay.Closed{ID: m.conn, At: m.s.now, Sub: id, Reason: "error: too old"})
}

// tellEnded reports the subscriptions that the relay has ended since the last call.
func (m *listener) tellEnded() {
	tell := m.tell
	m.tell = nil
	for _, id := range tell {
		if m.shut[id] {
			m.s.report(relay.Closed{ID: m.conn, At: m.s.now, Sub: id, Reason: "blocked: no live subscriptions"})
		}
	}
}

// answer settles what was asked at least that long ago; of the questions, one in fails fails in part.
func (m *listener) answer(after time.Duration, fails int) (some bool) {
	for _, id := range slices.Clone(m.s.order) {
		at, mine := m.asked[id]
		q, open := m.s.asked[id]
		if !mine || !open || m.s.now.Sub(at) < after {
			continue
		}
		some = true
		m.settle(id, q, at, fails > 0 && m.rng.IntN(fails) == 0)
	}
	m.s.order = slices.DeleteFunc(m.s.order, func(id relay.BatchID) bool {
		_, open := m.s.asked[id]
		return !open
	})
	return some
}

func (m *listener) settle(id relay.BatchID, q question, at time.Time, failing bool) {
	delete(m.asked, id)
	delete(m.s.asked, id)
	ends := make([]relay.FilterEnd, len(q.batch.Filters))
	type look struct{ value, from, to string }
	done := map[look]int{}
	for i, f := range q.batch.Filters {
		values := f.Tags["e"]
		for _, name := range []string{"E", "q"} {
			values = append(values[:len(values):len(values)], f.Tags[name]...)
		}
		from, to := int64(0), at.UnixNano()
		if f.Since != nil {
			from = f.Since.Time().UnixNano()
		}
		if f.Until != nil {
			to = f.Until.Time().UnixNano()
		}
		reach := m.fate(values, f.Since, failing)
		switch {
		case reach == 0:
			ends[i] = relay.FilterEnd{Done: true}
		case reach > 0:
			ends[i] = relay.FilterEnd{Failed: true, Until: reach}
			from = time.Unix(reach, 0).UnixNano()
		default:
			ends[i] = relay.FilterEnd{Failed: true}
			continue
		}
		if f.Kinds != nil {
			continue
		}
		for _, v := range values {
			k := look{v, fmt.Sprint(from), fmt.Sprint(to)}
			if done[k]++; done[k] == 3 && m.roots[v] != nil {
				m.roots[v].add(from, to)
			}
		}
	}
	err := ""
	if failing {
		err, m.troubled = "closed", m.s.now
	}
	m.s.report(relay.Settled{ID: q.conn, Batch: id, At: m.s.now, Final: true, Filters: ends, Err: err})
}

// fate is how far a filter of a question gets: 0 to its end, more down to that second, less nowhere. It is the same for the filters
// of one list.
func (m *listener) fate(values []string, since *nostr.Timestamp, failing bool) int64 {
	if !failing || len(values) == 0 {
		return 0
	}
	switch sum := values[0][0] % 3; {
	case sum == 0:
		return 0
	case sum == 1 && since == nil:
		return m.s.now.Add(-365 * 24 * time.Hour).Unix()
	}
	return -1
}

// upTo is the moment up to which everything about a root is known.
func (m *listener) upTo(v string) time.Time {
	h := m.roots[v]
	at := h.upTo
	if h.live != 0 && at >= h.live {
		at = max(at, m.marked.UnixNano())
	}
	return time.Unix(0, at)
}

// behind lists the roots of which more is missing than their activity allows: a root that was active in the last day may lack what
// was said in the last poll interval, one of the last month in the last hour, and the rest in the last day. Slack is added to each.
func (m *listener) behind(slack time.Duration) (out []string) {
	s := m.s
	connected, calm := s.now.Sub(m.upAt), s.now.Sub(m.troubled)
	for v := range m.roots {
		most := 26 * time.Hour
		switch age := s.now.Sub(time.Unix(m.active[v], 0)); {
		case age < hot && connected > s.cfg.PollInterval+slack:
			most = s.cfg.PollInterval
		case age < warm && calm > 2*warmEvery+slack: // a rotation with a failure is left to the next one
			most = warmEvery
		}
		if since := m.since[v]; s.now.Sub(since) <= most+slack {
			if s.now.Sub(since) <= slack {
				continue
			}
			most = s.now.Sub(since) - slack // it was asked from the top when it came
		}
		if lag := s.now.Sub(m.upTo(v)); lag > most+slack {
			out = append(out, fmt.Sprintf("%s lacks %s (active %s ago, known %s, allowed %s, live %v)", v[:8], lag,
				s.now.Sub(time.Unix(m.active[v], 0)), s.now.Sub(m.since[v]), most+slack, m.roots[v].live != 0))
		}
	}
	slices.Sort(out)
	return out
}
