package relay

import (
	"hash/maphash"
	"strconv"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// past remembers, roughly and in little room, what a subscription id asked for in sets that count no more. Some relays serve a
// REQ that was replaced for as long as the id is open (khatru): what matches it is of no use, and no offence. It holds a hash
// of every value that went, two generations of them.
type past struct{ young, old map[uint64]struct{} }

const pastGeneration = 1 << 12

var pastSeed = maphash.MakeSeed()

func pastKey(list, value string) uint64 {
	var h maphash.Hash
	h.SetSeed(pastSeed)
	_, _ = h.WriteString(list)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(value)
	return h.Sum64()
}

// Names of lists, beside those of tags.
const (
	listIDs     = "ids"
	listAuthors = "authors"
	listKinds   = "kinds"
)

// pastKeys calls f for what an event has to show to match: the values of a filter, or else its kinds.
func pastKeys(fs []nostr.Filter, f func(uint64)) {
	for i := range fs {
		all := func(list string, values []string) {
			for _, v := range values {
				f(pastKey(list, v))
			}
		}
		all(listIDs, fs[i].IDs)
		all(listAuthors, fs[i].Authors)
		for name, values := range fs[i].Tags {
			all("#"+name, values)
		}
		if len(fs[i].IDs)+len(fs[i].Authors)+len(fs[i].Tags) > 0 {
			continue
		}
		for _, k := range fs[i].Kinds {
			f(pastKey(listKinds, strconv.Itoa(k)))
		}
	}
}

// add takes filters that are gone, but for what those that replaced them ask for too.
func (p *past) add(gone, current []nostr.Filter) {
	asked := map[uint64]struct{}{}
	pastKeys(current, func(k uint64) { asked[k] = struct{}{} })
	pastKeys(gone, func(k uint64) {
		if _, ok := asked[k]; ok {
			return
		}
		if len(p.young) >= pastGeneration || p.young == nil {
			p.old, p.young = p.young, map[uint64]struct{}{}
		}
		p.young[k] = struct{}{}
	})
}

// has reports an event that may have been asked for.
func (p *past) has(e *event.Event) bool {
	if len(p.young) == 0 {
		return false
	}
	has := func(list, value string) bool {
		k := pastKey(list, value)
		_, young := p.young[k]
		_, old := p.old[k]
		return young || old
	}
	if has(listIDs, e.ID.String()) || has(listAuthors, e.PubKey.String()) || has(listKinds, strconv.Itoa(e.Kind)) {
		return true
	}
	for _, tag := range e.Tags {
		if len(tag) >= 2 && has("#"+tag[0], tag[1]) {
			return true
		}
	}
	return false
}
