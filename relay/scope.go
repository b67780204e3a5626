package relay

import (
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// scope is what the own relay accepted of announcements and states: whose repos are ours, and which version of each is the
// newest (DESIGN §6, Scope).
type scope struct {
	index  *nip34.Index
	newest map[event.Ref]version // stays when the event goes: an older version is obsolete all the same

	foreign nip34.Foreign // announcements that the own relay holds and that are not in scope
}

// version names one version of a replaceable event.
type version struct {
	createdAt int64
	id        event.ID
}

func newScope(rules nip34.Rules, foreign int, foreignBytes int64) *scope {
	return &scope{index: nip34.NewIndex(rules), newest: make(map[event.Ref]version), foreign: nip34.NewForeign(foreign, foreignBytes)}
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
	for i, a := range have {
		slim[i] = a.Slim()
	}
	changed := s.index.Apply(slim, gone)
	s.foreign.Trim(s.index, slim, changed.Left)
	return changed.Joined
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
