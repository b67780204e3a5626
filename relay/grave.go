package relay

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Bounds of graves: an author names what he likes in a deletion, also what does not exist. Rows of the ledger that say tombstone do
// not count, they have a bound of their own.
const (
	gravesKept     = 100_000
	gravesOfAuthor = 10_000
)

// Deletion is what one deletion request (NIP-09) or request to vanish (NIP-62) says of its author's events.
type Deletion struct {
	ID     event.ID
	Author event.PubKey
	Until  int64       // its created_at, Unix seconds; Refs and All cover versions up to it
	IDs    []event.ID  // by whoever: they count as far as Author wrote them
	Refs   []event.Ref // the author's own
	All    bool        // NIP-62: everything of the author
}

func deletionOf(e *event.Event) Deletion {
	d := Deletion{ID: e.ID, Author: e.PubKey, Until: int64(e.CreatedAt), All: e.Kind == event.KindVanish}
	if e.Kind == event.KindDeletion {
		refs := e.Deletes()
		d.IDs, d.Refs = refs.IDs, refs.Refs
	}
	return d
}

// refsOf is what an event hangs on: what a deletion names and its author may delete, the references of anything else.
func refsOf(e *event.Event) event.References {
	if e.Kind == event.KindDeletion {
		return e.Deletes()
	}
	return e.References()
}

// Grave says that something of an author is deleted and never published again.
type Grave struct {
	Author event.PubKey
	Target [32]byte // an event id, the SHA-256 of a coordinate, or zero: everything of the author
	Until  int64    // Unix seconds; of coordinates and of everything: the newest version that it covers
	By     event.ID // the deletion
}

// everything is the target of a request to vanish.
var everything [32]byte

func coordinateTarget(ref event.Ref) [32]byte { return sha256.Sum256([]byte(ref.String())) }

// list gives the graves that a deletion makes.
func (d *Deletion) list() []Grave {
	out := make([]Grave, 0, len(d.IDs)+len(d.Refs)+1)
	dig := func(target [32]byte) { out = append(out, Grave{d.Author, target, d.Until, d.ID}) }
	for _, id := range d.IDs {
		dig(id)
	}
	for _, ref := range d.Refs {
		dig(coordinateTarget(ref))
	}
	if d.All {
		dig(everything)
	}
	return out
}

// graves are those in memory, bounded: of each author, and in all.
type graves struct {
	plots map[event.PubKey]*plot
	count int
}

// plot is what one author has deleted.
type plot struct {
	at    map[[32]byte]Grave
	order [][32]byte // oldest first
}

func newGraves() graves { return graves{plots: make(map[event.PubKey]*plot)} }

// add digs graves. fresh are those that were not there, or reached less far; gone are those that had to make room.
func (g *graves) add(graves ...Grave) (fresh, gone []Grave) {
	for _, x := range graves {
		p := g.plots[x.Author]
		if p == nil {
			p = &plot{at: make(map[[32]byte]Grave, 1)}
			g.plots[x.Author] = p
		}
		old, there := p.at[x.Target]
		if there && old.Until >= x.Until {
			continue
		}
		p.at[x.Target] = x
		fresh = append(fresh, x)
		if there {
			continue
		}
		p.order = append(p.order, x.Target)
		g.count++
		switch {
		case len(p.order) > gravesOfAuthor:
			gone = append(gone, g.clear(x.Author, p))
		case g.count > gravesKept:
			gone = append(gone, g.clear(g.largest()))
		}
	}
	return fresh, gone
}

// clear removes the oldest of an author.
func (g *graves) clear(author event.PubKey, p *plot) Grave {
	x := p.at[p.order[0]]
	delete(p.at, x.Target)
	p.order = p.order[1:]
	g.count--
	if len(p.order) == 0 {
		delete(g.plots, author)
	}
	return x
}

// largest is the author with the most. Being over the total is rare, so it looks at each.
func (g *graves) largest() (event.PubKey, *plot) {
	var author event.PubKey
	var most *plot
	for pk, p := range g.plots {
		if most == nil || cmp.Or(cmp.Compare(len(p.order), len(most.order)), bytes.Compare(author[:], pk[:])) > 0 {
			author, most = pk, p
		}
	}
	return author, most
}

// covers gives the deletion that an event lies under.
func (g *graves) covers(e *event.Event) (event.ID, bool) {
	p := g.plots[e.PubKey]
	if p == nil || e.Kind == event.KindVanish {
		return event.ID{}, false
	}
	if x, ok := p.at[everything]; ok && int64(e.CreatedAt) <= x.Until {
		return x.By, true
	}
	if !event.Deletable(e.Kind) {
		return event.ID{}, false
	}
	if x, ok := p.at[e.ID]; ok {
		return x.By, true
	}
	if !event.IsReplaceable(e.Kind) {
		return event.ID{}, false
	}
	x, ok := p.at[coordinateTarget(e.Coordinate())]
	return x.By, ok && int64(e.CreatedAt) <= x.Until
}

// names reports whether the author has deleted versions of a coordinate of his.
func (g *graves) names(ref event.Ref) bool {
	p := g.plots[ref.PubKey]
	if p == nil {
		return false
	}
	_, ok := p.at[coordinateTarget(ref)]
	return ok
}

// load fills empty graves with those of the store, oldest first.
func (g *graves) load(all []Grave) (gone []Grave) {
	slices.SortStableFunc(all, func(a, b Grave) int { return cmp.Compare(a.Until, b.Until) })
	_, gone = g.add(all...)
	return gone
}
