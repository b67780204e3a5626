package relay

import (
	"maps"
	"slices"
	"strings"
	"time"

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
	cuts     int       // pages of it that ended before their EOSE
	later    int       // rate signals in a row that its pages were refused for
	limited  time.Time // the last of them
	hasty    bool      // a stored event came behind the end of one of its pages
	redo     bool      // it asks once more, because of that

	above []int64 // of a window, for each filter: what is at or above it was delivered before; nil for other groups

	neg *reconciliation // in place of the pager, nil when the group is paged

	trial      *trial         // that it is an undecided part of
	plain      []nostr.Filter // what was refused, of which it states the kinds
	again      bool           // it waits for the others of its batch, to be asked once more
	suspect    bool           // refused with a single value, and not judged yet
	confirmed  bool           // it was asked once more after it was a suspect
	controlled bool           // another value was asked, to judge it
	aside      bool           // its value is not taken, which was reported: it counts as done
}

const (
	// pageExtra is the room that a pager wants beyond its limits.
	pageExtra = 64
	// groupFilters is how many filters share a REQ at most.
	groupFilters = 20
	// pageEvents is what a page may bring in all. Its credit is held until EOSE, from all other connections too; and a page that has not
	// settled as a whole is fetched again after a crash.
	pageEvents = 1000
)

func (c *Conn) newGroup(b *batchRun, fs []nostr.Filter, index []int) *group {
	g := &group{
		batch: b, index: index, asked: fs, limits: c.history.limits,
		pager: filters.NewPager(fs, pageLimit(c.limits.PageLimit)),
	}
	g.pager.Most(pageEvents)
	if !c.history.doubted {
		g.pager.Trust(c.history.proven)
	}
	return g
}

// pageLimit is the limit of a filter that has a page for itself.
func pageLimit(limit int) int { return max(1, min(limit, pageEvents)) }

// ends says how far each filter has got.
func (g *group) ends() []FilterEnd {
	if g.aside || g.neg != nil {
		return slices.Repeat([]FilterEnd{{Done: g.aside || g.neg.stage == negDone}}, len(g.asked))
	}
	var out []FilterEnd
	lost := g.hasty && g.redo
	for i, e := range g.pager.Ends() {
		if e.Until == 0 && !e.Done && g.above != nil {
			e.Until = g.above[i]
		}
		out = append(out, FilterEnd{Done: e.Done && !lost, Failed: e.Failed || lost, Until: e.Until, Gap: e.Gap})
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
	perREQ, bytes := min(c.limits.FiltersPerREQ, groupFilters), filters.Usable(c.limits.MessageBytes)
	first, notes := c.pieces(fs, index, perREQ, bytes)
	return append(c.packed(b, first), c.packed(b, notes)...)
}

// packed lays pieces into REQs within the limits.
func (c *Conn) packed(b *batchRun, pieces []piece) (out []*group) {
	apart(pieces)
	single := make([][]nostr.Filter, len(pieces))
	for i, p := range pieces {
		single[i] = []nostr.Filter{p.filter}
	}
	for _, req := range filters.Pack(single, min(c.limits.FiltersPerREQ, groupFilters), filters.Usable(c.limits.MessageBytes)) {
		own := make([]int, len(req))
		for i := range own {
			own[i] = pieces[i].index
		}
		pieces = pieces[len(req):]
		out = append(out, c.newGroup(b, req, own))
	}
	return out
}

// piece is a filter, or a part of one, that fits a message.
type piece struct {
	filter nostr.Filter
	index  int
	tags   string
}

// pieces are the filters as the relay takes them. Those of kind 1, which relays guard that want kinds stated, share no REQ with
// the others.
func (c *Conn) pieces(fs []nostr.Filter, index []int, perREQ, bytes int) (first, notes []piece) {
	add := func(to []piece, f nostr.Filter, i int) []piece {
		for _, req := range filters.Pack([][]nostr.Filter{{f}}, perREQ, bytes) {
			for _, part := range req {
				to = append(to, piece{filter: part, index: i, tags: tagNames(part)})
			}
		}
		return to
	}
	for i, f := range fs {
		if !c.states(f) {
			first = add(first, f, index[i])
			continue
		}
		both := stated(f)
		first, notes = add(first, both[0], index[i]), add(notes, both[1], index[i])
	}
	return first, notes
}

// apart has those that ask by the same tag stand together. A comment tags its root by e and by E: in a page of both it shows
// nothing about either, and they are asked alone afterwards, one after the other.
func apart(pieces []piece) {
	slices.SortStableFunc(pieces, func(a, b piece) int { return strings.Compare(a.tags, b.tags) })
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
func (c *Conn) nextOf(b *batchRun) *group {
	for _, g := range b.groups {
		switch {
		case g.over || g.page != nil || g.suspect || (g.again && b.unanswered()) || (g.neg != nil && !c.fetchable(g)):
			continue
		case g.neg != nil:
		case b.trial == nil || g.answered:
		case g.trial != b.trial || b.trial.busy():
			continue
		}
		return g
	}
	return nil
}
