package sync

import (
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// literalOwners is how many owners have to name a relay that is an address in place of a name: one of them alone could have us knock at any
// machine (DESIGN §11).
const literalOwners = 2

// doubtful reports a relay that is an address which too few owners name. What the operator has named, or allows, is his word.
func (e *Engine) doubtful(r *remote) bool {
	if _, literal := r.url.Address(); !literal || r.operator() || e.cfg.AllowRelays[r.url] || e.cfg.AllowAddress(r.url) {
		return false
	}
	owners := map[event.PubKey]bool{}
	for _, w := range r.wants {
		for _, c := range w.repo.currentCoords() {
			if a, ok := e.index.Newest(c); ok && slices.Contains(a.Relays, r.url) {
				if owners[c.PubKey] = true; len(owners) >= literalOwners {
					return false
				}
			}
		}
	}
	return true
}
