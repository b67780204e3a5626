package sync

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// memory applies rows as a database does, so that a script can restart the engine.
type memory struct {
	repos    map[event.Ref]SaveRepo
	roots    map[rootKey]SaveRoot
	lacks    []SaveLack
	relays   map[relayurl.URL]SaveRelay
	coverage map[pair]SaveCoverage
	batches  map[numbered]SaveBatch
}

type pair struct {
	relay relayurl.URL
	repo  event.Ref
}

type rootKey struct {
	repo event.Ref
	n    uint32
}

type numbered struct {
	relay relayurl.URL
	n     uint64
}

func newMemory() *memory {
	return &memory{map[event.Ref]SaveRepo{}, map[rootKey]SaveRoot{}, nil, map[relayurl.URL]SaveRelay{}, map[pair]SaveCoverage{}, map[numbered]SaveBatch{}}
}

func (m *memory) apply(rows []Row) {
	for _, row := range rows {
		switch row := row.(type) {
		case SaveRepo:
			row.Coordinates = slices.Clone(row.Coordinates)
			m.repos[row.Ref] = row
		case DropRepo:
			delete(m.repos, row.Ref)
			maps.DeleteFunc(m.roots, func(k rootKey, _ SaveRoot) bool { return k.repo == row.Ref })
			for p := range m.coverage {
				if p.repo == row.Ref {
					delete(m.coverage, p)
				}
			}
		case SaveRoot:
			k := rootKey{row.Repo, row.N}
			if old, ok := m.roots[k]; ok {
				old.Active, old.Gone = row.Active, row.Gone
				row = old
			}
			m.roots[k] = row
		case SaveLack:
			m.lacks = append(m.lacks, row)
		case DropLack:
			m.lacks = slices.DeleteFunc(m.lacks, func(l SaveLack) bool { return l.Repo == row.Repo && l.ID == row.ID })
		case SaveRelay:
			m.relays[row.URL] = row
		case DropRelay:
			delete(m.relays, row.URL)
			m.clear(row.URL)
			for n := range m.batches {
				if n.relay == row.URL {
					delete(m.batches, n)
				}
			}
		case SaveCoverage:
			row.Coords, row.Roots = row.Coords.clone(), row.Roots.clone()
			m.coverage[pair{row.Relay, row.Repo}] = row
		case ClearCoverage:
			m.clear(row.Relay)
		case SaveBatch:
			m.batches[numbered{row.Relay, row.Number}] = row
		case DropBatch:
			delete(m.batches, numbered{row.Relay, row.Number})
		}
	}
}

func (m *memory) clear(u relayurl.URL) {
	for p := range m.coverage {
		if p.relay == u {
			delete(m.coverage, p)
		}
	}
}

func (m *memory) state() *State {
	s := &State{Roots: slices.Collect(maps.Values(m.roots)), Lacks: slices.Clone(m.lacks)}
	for _, r := range m.repos {
		s.Repos = append(s.Repos, r)
	}
	for _, r := range m.relays {
		r.Health.UpSince = r.Health.UpSince.Truncate(0)
		s.Relays = append(s.Relays, r)
	}
	for _, c := range m.coverage {
		s.Coverage = append(s.Coverage, c)
	}
	for _, b := range m.batches {
		b.Spec = bytes.Clone(b.Spec)
		s.Batches = append(s.Batches, b)
	}
	slices.SortFunc(s.Repos, func(a, b SaveRepo) int { return a.Ref.Compare(b.Ref) })
	slices.SortFunc(s.Relays, func(a, b SaveRelay) int { return cmp.Compare(a.URL, b.URL) })
	slices.SortFunc(s.Batches, func(a, b SaveBatch) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortStableFunc(s.Roots, func(a, b SaveRoot) int { return cmp.Or(a.Repo.Compare(b.Repo), cmp.Compare(a.N, b.N)) })
	return s
}
