package filters

import (
	"slices"

	"github.com/nbd-wtf/go-nostr"
)

// statedKinds is what a relay is asked for that refuses filters without kinds (DESIGN §5, dialect), and what
// an overfull second is narrowed by. Kind 1 is asked apart: it is what such relays guard.
var statedKinds = []int{
	5, 7, 62, 1111, 1617, 1618, 1619, 1621, 1622, 1624, 1630, 1631, 1632, 1633, 1985, 7321, 9735, 9841, 9842, 30617, 30618,
}

// Wide covers, with a few filters, most of what is said about any repository: for live use where the
// filters by value do not fit (DESIGN §5, beyond the budget). It brings foreign events too.
func Wide() []nostr.Filter {
	return []nostr.Filter{
		{Kinds: []int{1617, 1618, 1619, 1621, 1622, 1624, 1630, 1631, 1632, 1633, 7321}},
		{Kinds: []int{1111}, Tags: nostr.TagMap{"K": {"1617", "1618", "1619", "1621", "30617"}}},
		{Kinds: []int{5, 7}, Tags: nostr.TagMap{"k": slices.Clone(deletionTargets)}},
	}
}

// WithKinds gives, for a filter without kinds, the two that state them. A filter that has kinds is returned
// alone and unchanged. Lists are shared with f.
func WithKinds(f nostr.Filter) []nostr.Filter {
	if f.Kinds != nil {
		return []nostr.Filter{f}
	}
	notes := f
	f.Kinds, notes.Kinds = slices.Clone(statedKinds), []int{1}
	return []nostr.Filter{f, notes}
}
