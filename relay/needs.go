package relay

import "github.com/ngit-sync/ngit-sync/internal/event"

// needs finds the events that wait for an id or a coordinate to be accepted: those parked for a missing parent, and those
// in flight that may yet be refused for one (DESIGN §3, device 4).
type needs struct {
	ids  map[event.ID]map[event.ID]struct{}
	refs map[event.Ref]map[event.ID]struct{}
}

func newNeeds() needs {
	return needs{ids: make(map[event.ID]map[event.ID]struct{}), refs: make(map[event.Ref]map[event.ID]struct{})}
}

func (n needs) add(waiter event.ID, of event.References) {
	for _, id := range of.IDs {
		enter(n.ids, id, waiter)
	}
	for _, ref := range of.Refs {
		if addressed(ref.Kind) {
			enter(n.refs, ref, waiter)
		}
	}
}

func (n needs) remove(waiter event.ID, of event.References) {
	for _, id := range of.IDs {
		leave(n.ids, id, waiter)
	}
	for _, ref := range of.Refs {
		if addressed(ref.Kind) {
			leave(n.refs, ref, waiter)
		}
	}
}

func enter[K comparable](m map[K]map[event.ID]struct{}, key K, waiter event.ID) {
	set := m[key]
	if set == nil {
		set = make(map[event.ID]struct{}, 1)
		m[key] = set
	}
	set[waiter] = struct{}{}
}

func leave[K comparable](m map[K]map[event.ID]struct{}, key K, waiter event.ID) {
	delete(m[key], waiter)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}
