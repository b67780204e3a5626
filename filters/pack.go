package filters

import "github.com/nbd-wtf/go-nostr"

// pageBytes is what since, until and limit may add to a filter after it was packed.
const pageBytes = len(`,"since":1700000000,"until":1700000000,"limit":5000`)

// Pack lays groups of filters into REQs of at most perREQ filters and at most maxBytes of message
// (Usable of the relay's limit). Order is kept and a group stays in one REQ where it fits; a
// group alone over the limits is split, and a filter alone over maxBytes is halved by its longest list until it fits or has
// single values. Room for since, until, limit and a long id is kept free in every REQ. Lists are shared with the input.
func Pack(groups [][]nostr.Filter, perREQ, maxBytes int) [][]nostr.Filter {
	p := packer{perREQ: max(1, perREQ), room: maxBytes - reqEnvelope - maxSubID}
	for _, group := range groups {
		p.add(group)
	}
	p.flush()
	return p.out
}

type packer struct {
	perREQ, room int
	out          [][]nostr.Filter
	open         []nostr.Filter
	used         int // bytes of open, a comma after each filter included
}

func (p *packer) add(group []nostr.Filter) {
	size := 0
	for i := range group {
		size += packedBytes(&group[i])
	}
	if len(p.open)+len(group) > p.perREQ || p.used+size > p.room {
		p.flush()
	}
	for _, f := range group {
		p.addOne(f)
	}
}

func (p *packer) addOne(f nostr.Filter) {
	size := packedBytes(&f)
	if len(p.open) >= p.perREQ || p.used+size > p.room {
		p.flush()
	}
	if size > p.room {
		if a, b, ok := Halve(f); ok {
			p.addOne(a)
			p.addOne(b)
			return
		}
	}
	p.open = append(p.open, f)
	p.used += size
}

func (p *packer) flush() {
	if len(p.open) > 0 {
		p.out = append(p.out, p.open)
	}
	p.open, p.used = nil, 0
}

func packedBytes(f *nostr.Filter) int { return filterBytes(f) + pageBytes + len(",") }

// Halve splits a filter into two that together match the same events, by its longest list of ids, authors or tag
// values (the first tag name in order, on a tie). ok is false when every such list has at most one
// value. Lists are shared with f.
func Halve(f nostr.Filter) (a, b nostr.Filter, ok bool) {
	const ids, authors = "ids", "authors"
	longest, n := "", 1
	isTag := false
	if len(f.IDs) > n {
		longest, n = ids, len(f.IDs)
	}
	if len(f.Authors) > n {
		longest, n = authors, len(f.Authors)
	}
	for name, values := range f.Tags {
		if len(values) > n || (isTag && len(values) == n && name < longest) {
			longest, n, isTag = name, len(values), true
		}
	}
	a, b = f, f
	switch half := n / 2; {
	case n < 2:
		return f, f, false
	case isTag:
		values := f.Tags[longest]
		a.Tags = withTag(f.Tags, longest, values[:half:half])
		b.Tags = withTag(f.Tags, longest, values[half:])
	case longest == ids:
		a.IDs, b.IDs = f.IDs[:half:half], f.IDs[half:]
	default:
		a.Authors, b.Authors = f.Authors[:half:half], f.Authors[half:]
	}
	return a, b, true
}

func withTag(tags nostr.TagMap, name string, values []string) nostr.TagMap {
	out := make(nostr.TagMap, len(tags))
	for k, v := range tags {
		out[k] = v
	}
	out[name] = values
	return out
}
