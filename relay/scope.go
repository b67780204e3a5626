package relay

import (
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// scope is what the own relay accepted of announcements and states: whose repos are ours, and which version of each is the
// newest (DESIGN §6, Scope).
type scope struct {
	index  *nip34.Index
	newest map[event.Ref]version // stays when the event goes: an older version is obsolete all the same

	// foreign are announcements that the own relay holds and that are not in scope, oldest first: one of them counts when
	// a later announcement names its author. A plain relay may hold the whole world's.
	foreign    []event.Ref
	maxForeign int
}

// version names one version of a replaceable event.
type version struct {
	createdAt int64
	id        event.ID
}

func newScope(rules nip34.Rules, maxForeign int) *scope {
	return &scope{index: nip34.NewIndex(rules), newest: make(map[event.Ref]version), maxForeign: maxForeign}
}

// obsolete reports whether a newer version than e is accepted.
func (s *scope) obsolete(e *event.Event) bool {
	v, ok := s.newest[e.Coordinate()]
	return ok && v.id != e.ID && !e.Supersedes(v.createdAt, v.id)
}

// renew notes an accepted version, and gives the one that it takes the place of: v itself if none, false when no version was known.
func (s *scope) renew(ref event.Ref, v version) (version, bool) {
	old, ok := s.newest[ref]
	if !ok || v.createdAt > old.createdAt || (v.createdAt == old.createdAt && string(v.id[:]) < string(old.id[:])) {
		s.newest[ref] = v
		return old, ok
	}
	return v, ok
}

// accept takes announcements that the own relay has, and forgets those it has no longer. It gives the coordinates that
// are covered now and were not.
func (s *scope) accept(have []*nip34.Announcement, gone []event.Ref) []event.Ref {
	slim := make([]*nip34.Announcement, len(have))
	var fresh []event.Ref
	for i, a := range have {
		slim[i] = a.Slim()
		if _, known := s.index.Newest(a.Ref); !known {
			fresh = append(fresh, a.Ref)
		}
	}
	joined := s.index.Apply(slim, gone).Joined
	s.foreign = append(s.foreign, slices.DeleteFunc(fresh, s.index.Covers)...)
	for len(s.foreign) > s.maxForeign {
		if ref := s.foreign[0]; !s.index.Covers(ref) {
			s.index.Remove(ref)
		}
		s.foreign = s.foreign[1:]
	}
	return joined
}

// covers reports whether one of the references is a coordinate of an accepted repo.
func (s *scope) covers(refs []event.Ref) bool {
	for _, ref := range refs {
		if s.index.Covers(ref) {
			return true
		}
	}
	return false
}
