package filters

import (
	"slices"

	"github.com/nbd-wtf/go-nostr"
)

// Sub is one live REQ: a stable id of at most 32 ASCII characters and the filters that share it.
type Sub struct {
	ID      string
	Filters []nostr.Filter // by value, announcements and deletions
	Wide    []nostr.Filter // of Wide: most of what they bring is foreign (DESIGN §5, beyond the budget)
}

// All is the filters of the REQ.
func (s Sub) All() []nostr.Filter { return slices.Concat(s.Filters, s.Wide) }
