package filters

import (
	"slices"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// DefaultValues is how many values a filter's list holds when the caller states no number (DESIGN §5).
const DefaultValues = 100

// sharedValueBytes is the longest value that shares a filter with others. Some relays refuse a whole REQ for one
// value over 255 bytes, so such a value goes into a chunk of its own (DESIGN §5, poison).
const sharedValueBytes = 255

var deletionTargets = []string{
	"1111", "1617", "1618", "1619", "1621", "1622", "1624", "1985", "7", "30617", "30618",
}

// Announcements asks for every repository announcement (layer 1).
func Announcements() nostr.Filter {
	return nostr.Filter{Kinds: []int{event.KindAnnouncement}}
}

// StatesOf asks for repository states by identifier (layer 1), at most per identifiers in a filter.
func StatesOf(ids []string, per int) []nostr.Filter {
	var out []nostr.Filter
	for _, values := range chunk(ids, per) {
		out = append(out, statesFilter(values))
	}
	return out
}

// AnnouncementsBy asks for the announcements of these authors under these identifiers, at most per identifiers and authors
// in a filter.
func AnnouncementsBy(authors []event.PubKey, ids []string, per int) []nostr.Filter {
	keys := make([]string, len(authors))
	for i, pk := range authors {
		keys[i] = pk.String()
	}
	var out []nostr.Filter
	for _, a := range chunk(keys, per) {
		for _, d := range chunk(ids, per) {
			out = append(out, nostr.Filter{Kinds: []int{event.KindAnnouncement}, Authors: a, Tags: nostr.TagMap{"d": d}})
		}
	}
	return out
}

// AboutRepos asks for what tags the coordinates (layer 2), at most per coordinates in a chunk. The
// filters of a chunk belong together and share their value list.
func AboutRepos(refs []event.Ref, per int) [][]nostr.Filter {
	values := make([]string, len(refs))
	for i, ref := range refs {
		values[i] = ref.String()
	}
	var out [][]nostr.Filter
	for _, v := range chunk(values, per) {
		out = append(out, tagged(v, "a", "A", "q"))
	}
	return out
}

// AboutRoots asks for what tags the root events (layer 3), at most per ids in a chunk. The filters of a
// chunk belong together and share their value list.
func AboutRoots(ids []event.ID, per int) [][]nostr.Filter {
	var out [][]nostr.Filter
	for _, v := range chunk(hexIDs(ids), per) {
		out = append(out, tagged(v, "e", "E", "q"))
	}
	return out
}

// Replies asks for what tags accepted events that are not roots (layer 3b), at most per ids in a
// chunk. Historic only.
func Replies(ids []event.ID, per int) [][]nostr.Filter {
	var out [][]nostr.Filter
	for _, v := range chunk(hexIDs(ids), per) {
		fs := tagged(v, "e", "q")
		for i := range fs {
			fs[i].Kinds = []int{1, 5, 7, 1111, 1985, 9735}
		}
		out = append(out, fs)
	}
	return out
}

// IDs asks for the events themselves, at most per ids in a filter.
func IDs(ids []event.ID, per int) []nostr.Filter {
	var out []nostr.Filter
	for _, v := range chunk(hexIDs(ids), per) {
		out = append(out, nostr.Filter{IDs: v})
	}
	return out
}

// Deletions asks for deletion requests that name a kind we keep. For live use; historic deletions go by author.
func Deletions() nostr.Filter {
	return nostr.Filter{Kinds: []int{event.KindDeletion}, Tags: nostr.TagMap{"k": slices.Clone(deletionTargets)}}
}

// DeletionsBy asks for the deletion requests (NIP-09) and requests to vanish (NIP-62) of authors, at most
// per authors in a filter.
func DeletionsBy(authors []event.PubKey, per int) []nostr.Filter {
	values := make([]string, len(authors))
	for i, pk := range authors {
		values[i] = pk.String()
	}
	var out []nostr.Filter
	for _, v := range chunk(values, per) {
		out = append(out, nostr.Filter{Kinds: []int{event.KindDeletion, event.KindVanish}, Authors: v})
	}
	return out
}

// AsLive is f as a live filter: limit 0, neither since nor until. Clients sign before they publish; a
// live since would hide those events (DESIGN §5). Lists are shared with f.
func AsLive(f nostr.Filter) nostr.Filter {
	f.Since, f.Until = nil, nil
	f.Limit, f.LimitZero = 0, true
	return f
}

func statesFilter(ids []string) nostr.Filter {
	return nostr.Filter{Kinds: []int{event.KindState}, Tags: nostr.TagMap{"d": ids}}
}

// tagged gives one filter per tag name; the filters share values.
func tagged(values []string, names ...string) []nostr.Filter {
	fs := make([]nostr.Filter, len(names))
	for i, name := range names {
		fs[i].Tags = nostr.TagMap{name: values}
	}
	return fs
}

// chunk cuts values into lists of at most per, in order. A long value gets a list of its own.
func chunk(values []string, per int) [][]string {
	if per <= 0 {
		per = DefaultValues
	}
	var out [][]string
	open := -1
	for _, v := range values {
		if len(v) > sharedValueBytes {
			out = append(out, []string{v})
			continue
		}
		if open < 0 || len(out[open]) >= per {
			out = append(out, nil)
			open = len(out) - 1
		}
		out[open] = append(out[open], v)
	}
	return out
}

func hexIDs(ids []event.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}
