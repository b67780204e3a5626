package relay

import (
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// irrelevantBook bounds the ids that are known to be outside our scope, per source and in all, oldest out first: a
// stranger decides how many there are (DESIGN §6). It may name ids that have become something else since.
type irrelevantBook struct {
	perSource, total int
	lines            map[relayurl.URL][]event.ID // oldest first
	count            int
}

func newIrrelevantBook(perSource, total int) *irrelevantBook {
	return &irrelevantBook{perSource: perSource, total: total, lines: make(map[relayurl.URL][]event.ID)}
}

// enter adds an id and gives the one that has to go for it.
func (b *irrelevantBook) enter(source relayurl.URL, id event.ID) (event.ID, bool) {
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

func (b *irrelevantBook) oldest(source relayurl.URL) event.ID {
	line := b.lines[source]
	id := line[0]
	b.count--
	if b.lines[source] = line[1:]; len(line) == 1 {
		delete(b.lines, source)
	}
	return id
}

// longest is the source with the most ids. Sources are few and being over the total is rare, so it looks at each.
func (b *irrelevantBook) longest() relayurl.URL {
	var most relayurl.URL
	n := 0
	for source, line := range b.lines {
		if len(line) > n || (len(line) == n && source < most) {
			most, n = source, len(line)
		}
	}
	return most
}
