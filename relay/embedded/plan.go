package embedded

import (
	"strconv"
	"strings"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// plan answers one filter: one statement, run once for each driver. A driver is a value (or pair) that an index leads
// straight to, newest first, so each run reads little more than what it gives.
type plan struct {
	text    string
	drivers [][]any
	rest    []any // arguments that all runs share
}

// maxPairs bounds how many runs author and kind are multiplied to.
const maxPairs = 500

// planFilter gives false for a filter that matches nothing.
func planFilter(f nostr.Filter) (plan, bool) {
	if f.IDs != nil && len(f.IDs) == 0 || f.Authors != nil && len(f.Authors) == 0 || f.Kinds != nil && len(f.Kinds) == 0 {
		return plan{}, false
	}
	for _, values := range f.Tags {
		if values != nil && len(values) == 0 {
			return plan{}, false
		}
	}
	name, rank := narrowest(f.Tags)
	switch {
	case f.IDs != nil:
		return byID(f)
	case name != "" && (rank < broad || f.Authors == nil):
		return byTag(f, name)
	case f.Authors != nil:
		return byAuthor(f)
	case f.Kinds != nil:
		p := plan{}
		for _, kind := range f.Kinds {
			p.drivers = append(p.drivers, []any{kind})
		}
		b := newBuilder("event x", "x.kind = ?")
		b.tags(f.Tags, "")
		return b.finish(p, f), true
	default:
		return newBuilder("event x", "1").finish(plan{drivers: [][]any{nil}}, f), true
	}
}

func byID(f nostr.Filter) (plan, bool) {
	p := plan{}
	for _, hex := range f.IDs {
		if id, err := event.ParseID(hex); err == nil {
			p.drivers = append(p.drivers, []any{id[:]})
		}
	}
	b := newBuilder("event x", "x.id = ?")
	b.kinds(f.Kinds)
	b.authors(f.Authors)
	b.tags(f.Tags, "")
	return b.finish(p, f), len(p.drivers) > 0
}

func byTag(f nostr.Filter, name string) (plan, bool) {
	p := plan{}
	for _, value := range f.Tags[name] {
		p.drivers = append(p.drivers, []any{name, tagValue(value)})
	}
	b := newBuilder("tag x", "x.name = ? AND x.value = ?")
	b.kinds(f.Kinds)
	if f.Authors != nil {
		pks := keys(f.Authors)
		b.where(" AND EXISTS (SELECT 1 FROM event e WHERE e.id = x.id AND e.pubkey IN ("+marks(len(pks))+"))", pks...)
	}
	b.tags(f.Tags, name)
	return b.finish(p, f), true
}

func byAuthor(f nostr.Filter) (plan, bool) {
	p := plan{}
	pairs := f.Kinds != nil && len(f.Kinds)*len(f.Authors) <= maxPairs
	for _, pk := range keys(f.Authors) {
		if !pairs {
			p.drivers = append(p.drivers, []any{pk})
			continue
		}
		for _, kind := range f.Kinds {
			p.drivers = append(p.drivers, []any{pk, kind})
		}
	}
	b := newBuilder("event x", "x.pubkey = ?")
	if pairs {
		b.where(" AND x.kind = ?")
	} else {
		b.kinds(f.Kinds)
	}
	b.tags(f.Tags, "")
	return b.finish(p, f), len(p.drivers) > 0
}

// broad and worse are tag names that lead to large parts of the store.
const broad = 3

// narrowest picks the tag to be led by: one that names single events or repositories before one that names people or
// kinds.
func narrowest(tags nostr.TagMap) (name string, rank int) {
	rank = broad + 1
	for n, values := range tags {
		if values == nil {
			continue
		}
		r := 2
		switch n {
		case "e", "E", "q":
			r = 0
		case "a", "A", "d":
			r = 1
		case "k", "K", "p", "P", "t", "l", "L":
			r = broad
		}
		if r < rank || r == rank && n < name {
			name, rank = n, r
		}
	}
	return name, rank
}

type builder struct {
	text strings.Builder
	args []any
}

func newBuilder(table, driver string) *builder {
	b := &builder{}
	b.text.WriteString("SELECT x.created_at, x.id FROM " + table + " WHERE " + driver)
	return b
}

func (b *builder) where(text string, args ...any) {
	b.text.WriteString(text)
	b.args = append(b.args, args...)
}

func (b *builder) kinds(kinds []int) {
	if kinds == nil {
		return
	}
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = strconv.Itoa(k)
	}
	b.where(" AND x.kind IN (" + strings.Join(list, ",") + ")")
}

func (b *builder) authors(authors []string) {
	if authors != nil {
		pks := keys(authors)
		b.where(" AND x.pubkey IN ("+marks(len(pks))+")", pks...)
	}
}

func (b *builder) tags(tags nostr.TagMap, without string) {
	for name, values := range tags {
		if name == without || values == nil {
			continue
		}
		args := []any{name}
		for _, v := range values {
			args = append(args, tagValue(v))
		}
		b.where(" AND EXISTS (SELECT 1 FROM tag t WHERE t.name = ? AND t.value IN ("+marks(len(values))+
			") AND t.created_at = x.created_at AND t.id = x.id)", args...)
	}
}

func (b *builder) finish(p plan, f nostr.Filter) plan {
	if f.Since != nil {
		b.where(" AND x.created_at >= ?", int64(*f.Since))
	}
	if f.Until != nil {
		b.where(" AND x.created_at <= ?", int64(*f.Until))
	}
	p.text = b.text.String() + " ORDER BY x.created_at DESC, x.id LIMIT ?"
	p.rest = b.args
	return p
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// keys leaves out what is no key: the server has refused it before.
func keys(authors []string) []any {
	out := make([]any, 0, len(authors))
	for _, hex := range authors {
		if pk, err := event.ParsePubKey(hex); err == nil {
			out = append(out, pk[:])
		}
	}
	return out
}
