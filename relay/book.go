package relay

import (
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// idBook bounds the ids that are known and that the own relay does not have, per source and in all, oldest out first: a stranger
// decides how many there are (DESIGN §6). It may name ids that have become something else since.
type idBook struct {
	perSource, total int
	lines            map[relayurl.URL][]event.ID // oldest first
	count            int
}

func newIDBook(perSource, total int) *idBook {
	return &idBook{perSource: perSource, total: total, lines: make(map[relayurl.URL][]event.ID)}
}

// enter adds an id and gives the one that has to go for it.
func (b *idBook) enter(source relayurl.URL, id event.ID) (event.ID, bool) {
	b.lines[source] = append(b.lines[source], id)
	b.count++
	switch {
	case source != "" && len(b.lines[source]) > b.perSource:
		return b.oldest(source), true
	case b.count > b.total:
		return b.oldest(b.longest()), true
	}
	return event.ID{}, false
}

func (b *idBook) oldest(source relayurl.URL) event.ID {
	line := b.lines[source]
	id := line[0]
	b.count--
	if b.lines[source] = line[1:]; len(line) == 1 {
		delete(b.lines, source)
	}
	return id
}

// longest is the source with the most ids. Sources are few and being over the total is rare, so it looks at each.
func (b *idBook) longest() relayurl.URL {
	var most relayurl.URL
	n := 0
	for source, line := range b.lines {
		if len(line) > n || (len(line) == n && source < most) {
			most, n = source, len(line)
		}
	}
	return most
}

// bookOf is the book that bounds a disposition; nil for those of which the own relay, or the pending table, sets the bound. Tombstones
// have one of their own, so that no flood of refusals drives them out.
func (c *core) bookOf(d Disposition) *idBook {
	switch d {
	case Irrelevant:
		return c.irrelevant
	case Rejected, OwnLimit, Superseded:
		return c.refusals
	case Tombstone:
		return c.tombs
	default:
		return nil
	}
}

// enterBook counts an id that was something else before, and forgets the one that has to go for it: should that come again, it is judged
// again. Its row stays as long as the store has no room to remove it.
func (c *core) enterBook(source relayurl.URL, id event.ID, before Disposition) {
	b := c.bookOf(c.known[id])
	if b == nil || b == c.bookOf(before) {
		return
	}
	old, full := b.enter(source, id)
	switch {
	case !full || c.bookOf(c.known[old]) != b:
	case c.o.Ledger.Full():
		c.unknow(old)
	default:
		c.forget(old)
	}
}

// loadBooked takes an id from the store that the own relay does not have, in the order in which they came there. What waits all the same,
// because the last end came between the two, goes on waiting.
func (c *core) loadBooked(id event.ID, d Disposition, source relayurl.URL) {
	if before := c.known[id]; before != Unknown && before != d {
		return
	}
	c.know(id, d)
	c.enterBook(source, id, Unknown)
}
