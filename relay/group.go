package relay

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
)

// group is the filters of a batch that share a REQ, and their pager.
type group struct {
	batch    *batchRun
	index    []int // of each filter, in the batch; empty when they answer for none
	asked    []nostr.Filter
	limits   int // by which limits it was packed
	pager    *filters.Pager
	page     *page // that is asked, nil between pages
	answered bool  // a page of it, so that the relay takes these filters
	over     bool
	bad      bool // an offence was counted
	loose    *filters.Set

	trial      *trial        // that it is an undecided part of
	plain      *nostr.Filter // what was refused, of which it states the kinds
	suspect    bool          // refused with a single value, and not judged yet
	controlled bool          // another value was asked, to judge it
	aside      bool          // its value is not taken, which was reported: it counts as done
}

const (
	// pageExtra is the room that a pager wants beyond its limits.
	pageExtra = 64
	// groupFilters is how many filters share a REQ at most.
	groupFilters = 20
	// pageEvents is what a page of several filters may bring in all: its credit is held until EOSE, from all other
	// connections too, and most of such pages bring little.
	pageEvents = 1000
)

func (c *Conn) newGroup(b *batchRun, fs []nostr.Filter, index []int) *group {
	g := &group{
		batch: b, index: index, asked: fs, limits: c.history.limits,
		pager: filters.NewPager(fs, pageLimit(c.limits.PageLimit, len(fs))),
	}
	g.pager.Alone(pageLimit(c.limits.PageLimit, 1))
	if !c.history.doubted {
		g.pager.Trust(c.history.proven)
	}
	return g
}

// pageLimit is the limit of each of n filters that share a page.
func pageLimit(limit, n int) int {
	most := pageEvents
	if n == 1 {
		most = MaxReserve - pageExtra
	}
	return max(1, min(limit, most/n))
}

// ends says how far each filter has got.
func (g *group) ends() []FilterEnd {
	if g.aside {
		return slices.Repeat([]FilterEnd{{Done: true}}, len(g.asked))
	}
	var out []FilterEnd
	for _, e := range g.pager.Ends() {
		out = append(out, FilterEnd{Done: e.Done, Failed: e.Failed, Until: e.Until, Gap: e.Gap})
	}
	return out
}

// timeless matches whatever the group asks for, at any time.
func (g *group) timeless() *filters.Set {
	if g.loose == nil {
		fs := slices.Clone(g.asked)
		for i := range fs {
			fs[i].Since, fs[i].Until = nil, nil
		}
		g.loose = filters.Compile(fs)
	}
	return g.loose
}

// groups lays filters into REQs within the limits. The index of a filter says which one of the batch it answers for.
func (c *Conn) groups(b *batchRun, fs []nostr.Filter, index []int) []*group {
	var out []*group
	perREQ, bytes := min(c.limits.FiltersPerREQ, groupFilters), filters.Usable(c.limits.MessageBytes)
	for _, pieces := range apart(c.pieces(fs, index, perREQ, bytes)) {
		single := make([][]nostr.Filter, len(pieces))
		for i, p := range pieces {
			single[i] = []nostr.Filter{p.filter}
		}
		for _, req := range filters.Pack(single, perREQ, bytes) {
			own := make([]int, len(req))
			for i := range own {
				own[i] = pieces[i].index
			}
			pieces = pieces[len(req):]
			out = append(out, c.newGroup(b, req, own))
		}
	}
	return out
}

// piece is a filter, or a part of one, that fits a message.
type piece struct {
	filter nostr.Filter
	index  int
	name   string // of its tags
	class  pieceClass
}

// pieceClass tells filters that had better not share a page.
type pieceClass uint8

const (
	plainPiece pieceClass = iota
	upperPiece            // of a tag in upper case, without since
	notesPiece            // of kind 1 alone: what relays guard that want kinds stated
)

func (c *Conn) pieces(fs []nostr.Filter, index []int, perREQ, bytes int) []piece {
	var out []piece
	for i, f := range fs {
		stated := []nostr.Filter{f}
		if c.limits.StateKinds {
			stated = filters.WithKinds(f)
		}
		for j, s := range stated {
			class := classOf(s)
			if j > 0 {
				class = notesPiece
			}
			for _, req := range filters.Pack([][]nostr.Filter{{s}}, perREQ, bytes) {
				for _, part := range req {
					out = append(out, piece{filter: part, index: index[i], name: tagNames(part), class: class})
				}
			}
		}
	}
	return out
}

// apart gives the order in which filters are packed, and breaks where no REQ should be shared. A comment tags its root by e and
// by E: in a page of both it shows nothing about either, and they are asked alone afterwards, one after the other. So filters that
// ask by the same tag stand together, and those by a tag in upper case share no REQ with the others: one REQ more for a
// small batch, unless it asks for a short time only, which brings little.
func apart(pieces []piece) [][]piece {
	slices.SortStableFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.class, b.class), strings.Compare(a.name, b.name))
	})
	var out [][]piece
	for len(pieces) > 0 {
		n := slices.IndexFunc(pieces, func(p piece) bool { return p.class != pieces[0].class })
		if n < 0 {
			n = len(pieces)
		}
		out = append(out, pieces[:n])
		pieces = pieces[n:]
	}
	return out
}

func classOf(f nostr.Filter) pieceClass {
	for name := range f.Tags {
		if f.Since == nil && name >= "A" && name <= "Z" {
			return upperPiece
		}
	}
	return plainPiece
}

func tagNames(f nostr.Filter) string { return strings.Join(slices.Sorted(maps.Keys(f.Tags)), "") }

// refit packs a group that was not answered yet by the limits of now. It reports that others have taken its place.
func (c *Conn) refit(g *group) bool {
	g.limits = c.history.limits
	switch {
	case len(g.index) == 0:
		return false
	case g.trial != nil:
		return c.refitPart(g)
	}
	g.batch.replace(g, c.groups(g.batch, g.asked, g.index)...)
	return true
}

// replace puts groups in the place of one.
func (b *batchRun) replace(g *group, by ...*group) {
	g.over = true
	i := slices.Index(b.groups, g)
	b.groups = slices.Replace(b.groups, i, i+1, by...)
	b.open += len(by) - 1
}

// add puts a group behind the others.
func (b *batchRun) add(g *group) {
	b.groups = append(b.groups, g)
	b.open++
}

// next is the first group between two pages. While it is found out why a REQ was refused, one part of it is asked at a time,
// and nothing else that may be refused for the same reason.
func (b *batchRun) next() *group {
	for _, g := range b.groups {
		switch {
		case g.over || g.page != nil || g.suspect:
			continue
		case b.trial == nil || g.answered:
		case g.trial != b.trial || b.trial.busy():
			continue
		}
		return g
	}
	return nil
}
