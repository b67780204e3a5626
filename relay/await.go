package relay

import (
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// lacking answers Sink.Await.
type lacking struct {
	to  chan<- []event.ID
	ids []event.ID
}

func (lacking) action() {}

// Await says which listed ids have to be fetched; see Sink.
func (p *Publisher) Await(id ConnID, batch BatchID, ids []event.ID, lack chan<- []event.ID) {
	p.put(func(c *core, now time.Time) { c.await(now, id, batch, ids, lack) })
}

// await makes a batch wait for the outcome of those ids that are in the works, as if it had brought them, and gives back those
// that nobody has. An event whose signature is not checked yet may turn out to be forged: it is fetched, and joins then, unless
// the same connection brought it, which would bring it again.
func (c *core) await(now time.Time, conn ConnID, batch BatchID, ids []event.ID, lack chan<- []event.ID) {
	c.now = now
	t := c.tallies.current(conn, batch)
	var fetch []event.ID
	for _, id := range ids {
		w := c.works[id]
		switch _, known := c.knows(id); {
		case known:
			t.seq = c.seq // its row was given to the ledger at some time before
		case w == nil || w.stage == verifying && !w.from(conn):
			fetch = append(fetch, id)
		case !slices.Contains(w.joins, t):
			w.wide = false // foreign or not, its outcome is recorded
			w.joins = append(w.joins, t)
			t.open++
		}
	}
	c.do(lacking{lack, fetch})
	c.pump()
}

// from reports whether a connection brought the event, with the signature that counts.
func (w *work) from(conn ConnID) bool {
	return slices.ContainsFunc(w.joins, func(t *tally) bool { return t.series.conn == conn })
}
