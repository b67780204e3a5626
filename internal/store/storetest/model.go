package storetest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// model is what a store is, without a database.
type model struct {
	ledger   map[event.ID]store.Explanation
	repos    map[event.Ref]sync.SaveRepo
	roots    map[event.Ref][]sync.SaveRoot
	relays   map[relayurl.URL]sync.SaveRelay
	coverage map[relayurl.URL]map[event.Ref]sync.SaveCoverage
	batches  map[relayurl.URL]map[uint64]sync.SaveBatch
	lacks    map[event.Ref]map[event.ID]sync.SaveLack
}

func newModel() *model {
	return &model{
		ledger: map[event.ID]store.Explanation{}, repos: map[event.Ref]sync.SaveRepo{}, roots: map[event.Ref][]sync.SaveRoot{},
		relays: map[relayurl.URL]sync.SaveRelay{}, coverage: map[relayurl.URL]map[event.Ref]sync.SaveCoverage{alpha: {}, beta: {}},
		batches: map[relayurl.URL]map[uint64]sync.SaveBatch{alpha: {}, beta: {}}, lacks: map[event.Ref]map[event.ID]sync.SaveLack{},
	}
}

func (m *model) set(e *event.Event, d relay.Disposition, reason string, source relayurl.URL, at time.Time, o relay.Offer) {
	x, found := m.ledger[e.ID]
	if !found {
		x = store.Explanation{ID: e.ID, Kind: e.Kind, CreatedAt: int64(e.CreatedAt), PubKey: e.PubKey, FirstSeen: at}
	}
	if x.Source == "" {
		x.Source = source
	}
	x.Disposition, x.Reason, x.Updated, x.Offer = d, reason, at, o
	m.ledger[e.ID] = x
}

func (m *model) unpark(id event.ID) {
	x := m.ledger[id]
	x.Waiting = nil
	if x.Disposition == relay.Parked || x.Disposition == relay.Held {
		delete(m.ledger, id)
	} else if x.Kind != 0 {
		m.ledger[id] = x
	}
}

func (m *model) dropRepo(ref event.Ref) {
	delete(m.repos, ref)
	delete(m.roots, ref)
	delete(m.lacks, ref)
	for _, c := range m.coverage {
		delete(c, ref)
	}
}

func (m *model) state() *sync.State {
	s := &sync.State{}
	byRef := func(a, b event.Ref) int { return cmp.Compare(a.String(), b.String()) }
	for _, ref := range slices.SortedFunc(maps.Keys(m.repos), byRef) {
		s.Repos = append(s.Repos, m.repos[ref])
		s.Roots = append(s.Roots, m.roots[ref]...)
		for _, id := range slices.SortedFunc(maps.Keys(m.lacks[ref]), func(a, b event.ID) int { return bytes.Compare(a[:], b[:]) }) {
			s.Lacks = append(s.Lacks, m.lacks[ref][id])
		}
	}
	for _, u := range []relayurl.URL{alpha, beta} {
		if r, ok := m.relays[u]; ok {
			s.Relays = append(s.Relays, r)
		}
		for _, ref := range slices.SortedFunc(maps.Keys(m.coverage[u]), byRef) {
			s.Coverage = append(s.Coverage, m.coverage[u][ref])
		}
		for _, n := range slices.Sorted(maps.Keys(m.batches[u])) {
			s.Batches = append(s.Batches, m.batches[u][n])
		}
	}
	return s
}

// ordered puts a loaded state into the model's order.
func ordered(s *sync.State) *sync.State {
	slices.SortStableFunc(s.Repos, func(a, b sync.SaveRepo) int { return cmp.Compare(a.Ref.String(), b.Ref.String()) })
	slices.SortStableFunc(s.Roots, func(a, b sync.SaveRoot) int { return cmp.Compare(a.Repo.String(), b.Repo.String()) })
	slices.SortStableFunc(s.Lacks, func(a, b sync.SaveLack) int { return cmp.Compare(a.Repo.String(), b.Repo.String()) })
	slices.SortStableFunc(s.Relays, func(a, b sync.SaveRelay) int { return cmp.Compare(a.URL, b.URL) })
	slices.SortStableFunc(s.Coverage, func(a, b sync.SaveCoverage) int {
		return cmp.Or(cmp.Compare(a.Relay, b.Relay), cmp.Compare(a.Repo.String(), b.Repo.String()))
	})
	slices.SortStableFunc(s.Batches, func(a, b sync.SaveBatch) int { return cmp.Compare(a.Relay, b.Relay) })
	return s
}

// testModel gives random rows to a store and to a model, and compares them: unwritten, written, and after restarts.
func testModel(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	var events []*event.Event
	var repos []*event.Event
	for i := range 6 {
		events = append(events, note(t, i))
	}
	for i := range 3 {
		repos = append(repos, announcement(t, i, "repo"))
	}
	restarts := 0
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel()
		wipe := []sync.Row{sync.DropRelay{URL: alpha}, sync.DropRelay{URL: beta}}
		for _, r := range repos {
			wipe = append(wipe, sync.DropRepo{Ref: r.Coordinate()})
		}
		s.Apply(wipe, 0)
		s.Forget(ids(events...))

		clock := t0
		pick := func() *event.Event { return rapid.SampledFrom(events).Draw(rt, "event") }
		ref := func() event.Ref { return rapid.SampledFrom(repos).Draw(rt, "repo").Coordinate() }
		url := func() relayurl.URL { return rapid.SampledFrom([]relayurl.URL{alpha, beta}).Draw(rt, "relay") }
		number := func(label string, most uint32) uint32 { return rapid.Uint32Range(0, most).Draw(rt, label) }
		steps := rapid.IntRange(1, 40).Draw(rt, "steps")
		for range steps {
			clock = clock.Add(time.Second)
			switch rapid.IntRange(0, 18).Draw(rt, "what") {
			case 0, 1:
				e, d := pick(), relay.Disposition(number("disposition", 6)+1)
				r := recorded(e, d, d.String(), beta, clock)
				if d == relay.Rejected || d == relay.OwnLimit {
					r.Offer.Count = int(number("offers", 3))
				}
				if r.Offer.Count > 0 {
					r.Offer.Due = clock.Add(time.Hour)
				}
				m.set(e, d, d.String(), beta, clock, r.Offer)
				s.Record(r)
			case 2, 3:
				w := parked(pick(), relay.Cause(number("cause", 5)+1))
				w.Tries, w.Reason, w.Since = int(number("tries", 9)), "because", clock
				s.Park(w)
				d := relay.Parked
				if w.Cause == relay.CauseHeld {
					d = relay.Held
				}
				m.set(w.Event, d, w.Reason, w.Source, clock, relay.Offer{})
				x := m.ledger[w.ID]
				x.Waiting = &w
				m.ledger[w.ID] = x
			case 4, 5:
				e := pick()
				s.Unpark(e.ID)
				m.unpark(e.ID)
			case 6:
				e := pick()
				s.Forget(ids(e))
				delete(m.ledger, e.ID)
			case 7, 8:
				a := rapid.SampledFrom(repos).Draw(rt, "repo")
				row := sync.SaveRepo{Ref: a.Coordinate(), Announcement: a, Coordinates: []event.Ref{a.Coordinate()}}
				row.Full, row.Surveyed = rapid.Bool().Draw(rt, "full"), rapid.Bool().Draw(rt, "surveyed")
				s.Apply([]sync.Row{row}, 0)
				m.repos[row.Ref] = row
			case 9:
				r := ref()
				s.Apply([]sync.Row{sync.DropRepo{Ref: r}}, 0)
				m.dropRepo(r)
			case 10:
				if r := ref(); m.repos[r].Announcement != nil {
					row := sync.SaveRoot{Repo: r, N: uint32(len(m.roots[r])), ID: pick().ID, CreatedAt: clock.Unix(), Active: clock.Unix()}
					s.Apply([]sync.Row{row}, 0)
					m.roots[r] = append(m.roots[r], row)
				}
			case 11:
				row := sync.SaveRelay{URL: url(), Cursor: clock, Announcements: rapid.Bool().Draw(rt, "announcements"), PolledHot: clock, Gave: int(number("gave", 9)), GaveAt: clock, Place: clock}
				row.Learned.NoWide = clock
				s.Apply([]sync.Row{row}, 0)
				m.relays[row.URL] = row
			case 12:
				u := url()
				if number("drop or clear", 1) == 0 {
					s.Apply([]sync.Row{sync.DropRelay{URL: u}}, 0)
					delete(m.relays, u)
					clear(m.batches[u])
				} else {
					s.Apply([]sync.Row{sync.ClearCoverage{Relay: u}}, 0)
				}
				clear(m.coverage[u])
			case 13:
				if r := ref(); m.repos[r].Announcement != nil {
					row := sync.SaveCoverage{Relay: url(), Repo: r, Around: number("around", 1) == 1, Coords: coverage(number("coords", 1)), Roots: coverage(number("roots", uint32(len(m.roots[r]))))}
					s.Apply([]sync.Row{row}, 0)
					m.coverage[row.Relay][r] = row
				}
			case 14:
				u, n := url(), uint64(number("number", 3))
				if rapid.Bool().Draw(rt, "drop batch") {
					s.Apply([]sync.Row{sync.DropBatch{Relay: u, Number: n}}, 0)
					delete(m.batches[u], n)
				} else {
					row := sync.SaveBatch{Relay: u, Number: n, Spec: []byte(clock.String())}
					s.Apply([]sync.Row{row}, 0)
					m.batches[u][n] = row
				}
			case 15:
				if r := ref(); len(m.roots[r]) > 0 {
					row := &m.roots[r][number("root", uint32(len(m.roots[r])-1))]
					row.Active = clock.Unix()
					s.Apply([]sync.Row{*row}, 0)
				}
			case 17:
				e := pick()
				s.Amend([]event.ID{e.ID}, relay.Stored, "on the own relay", clock)
				if _, found := m.ledger[e.ID]; found {
					m.set(e, relay.Stored, "on the own relay", "", clock, relay.Offer{})
				}
			case 18:
				s.OfferRefused(clock)
				flush(t, s)
				for id, x := range m.ledger {
					if x.Disposition == relay.Rejected || x.Disposition == relay.OwnLimit {
						x.Offer.Due = clock
						m.ledger[id] = x
					}
				}
			case 16:
				r, id := ref(), pick().ID
				switch {
				case rapid.Bool().Draw(rt, "drop lack"):
					s.Apply([]sync.Row{sync.DropLack{Repo: r, ID: id}}, 0)
					delete(m.lacks[r], id)
				case m.repos[r].Announcement != nil:
					row := sync.SaveLack{Repo: r, ID: id, At: clock}
					s.Apply([]sync.Row{row}, 0)
					if m.lacks[r] == nil {
						m.lacks[r] = map[event.ID]sync.SaveLack{}
					}
					m.lacks[r][id] = row
				}
			}
		}
		compare(t, s, m, events)
		flush(t, s)
		compare(t, s, m, events)
		if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 && restarts < 20 {
			restarts++
			s = reopen(t, db, s)
			compare(t, s, m, events)
		}
		require.Equal(t, m.state(), ordered(load(t, s)))
		dispositions, rows, offers := map[event.ID]relay.Disposition{}, map[event.ID]relay.Waiting{}, map[event.ID]relay.Offer{}
		for id, x := range m.ledger {
			dispositions[id] = x.Disposition
			if !x.Offer.Due.IsZero() {
				offers[id] = x.Offer
			}
			if x.Waiting != nil {
				rows[id] = indexOnly(*x.Waiting)
			}
		}
		require.Equal(t, dispositions, known(t, s))
		require.Equal(t, rows, waiting(t, s))
		require.Equal(t, offers, offered(t, s))
	})
}

// compare asks every lookup.
func compare(t *testing.T, s *store.Store, m *model, events []*event.Event) {
	t.Helper()
	var want []relay.Waiting
	for _, e := range events {
		expected, there := m.ledger[e.ID]
		got, found := explain(t, s, e.ID)
		require.Equal(t, there, found)
		require.Equal(t, expected, got)
		if expected.Waiting != nil {
			want = append(want, *expected.Waiting)
		}
	}
	require.Equal(t, want, withEvents(t, s, ids(events...)...))
}
