package relay

import (
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// foreignWindow counts the foreign events that the wide filters of one connection brought, in windows of
// PublisherOptions.ForeignWindow. The next one begins with the first such event after the end of the last.
type foreignWindow struct {
	ends  time.Time
	count int
	told  bool
}

// add counts one, and reports when they have become too many, once per window.
func (f *foreignWindow) add(now time.Time, o *PublisherOptions) bool {
	if !now.Before(f.ends) {
		*f = foreignWindow{ends: now.Add(o.ForeignWindow)}
	}
	f.count++
	if f.told || float64(f.count) <= float64(o.ForeignPerSecond)*o.ForeignWindow.Seconds() {
		return false
	}
	f.told = true
	return true
}

// countForeign counts a foreign event of a wide filter.
func (c *core) countForeign(conn ConnID) {
	f := c.foreign[conn]
	if f == nil {
		f = new(foreignWindow)
		c.foreign[conn] = f
	}
	if f.add(c.now, &c.o) {
		c.do(tell{Foreign{ID: conn, At: c.now}})
	}
}

// stray reports references of which none leads to what is ours, or may yet turn out to be: no repo that is in scope or in
// the queue, and no event that is accepted, parked or in the queue. It takes no signature to tell.
func (c *core) stray(refs event.References) bool {
	if c.related(refs) {
		return false
	}
	return !slices.ContainsFunc(refs.IDs, func(id event.ID) bool {
		return c.works[id] != nil || c.known[id] == Parked || c.known[id] == Tombstone // its deletion may be news
	}) &&
		!slices.ContainsFunc(refs.Refs, func(ref event.Ref) bool { return len(c.versions[ref]) > 0 })
}

// discard ends a work that only wide filters brought, without a record: before the first picture of the own relay, or while
// what it references was in the queue, nobody could tell that it is foreign.
func (c *core) discard(w *work) {
	c.o.Metrics.dropped(dropForeign)
	for _, t := range w.joins {
		if !t.series.gone {
			c.countForeign(t.series.conn)
		}
	}
	c.close(w)
}
