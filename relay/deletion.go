package relay

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// A deletion counts for what its own author wrote (NIP-09), and memory knows no authors: the ledger is asked for those of the ids that it
// names, before it is judged (readAuthors). Once the own relay has it, what it covers is buried: in graves, for what is still to come,
// and in the rows of what is known (readWritten).

// Bounds of questions to the store about deletions.
const (
	askAuthors    = 256    // deletions whose targets are looked up at once
	inquestsKept  = 10_000 // accepted deletions and replaced versions whose rows are still to be found
	buriedInReply = 5_000  // ids of one report
)

// inquest asks which rows of the ledger a deletion covers, or which versions are replaced by a newer one.
type inquest struct {
	Deletion
	newer event.ID // not zero: the version that takes their place
	work  *work    // not nil: a request to vanish that is to be judged
}

// ruleDeletion judges a deletion request: it is in scope when its author wrote something that it names and that is accepted or a
// tombstone, or names a coordinate of his in scope. What is known to be by others does not count, what is not known is waited for.
func (c *core) ruleDeletion(w *work) (ruling, upon, string) {
	if on, open := c.openParent(w); open {
		return ruleWait, on, ""
	}
	unsure := false
	for _, ref := range w.refs.Refs {
		if c.scope.index.Covers(ref) || c.graves.names(ref) {
			return rulePublish, upon{}, ""
		}
		unsure = true
	}
	ask := false
	for _, id := range w.refs.IDs {
		d := c.known[id]
		author, asked := w.authors[id]
		switch {
		case d == Unknown:
			unsure = true
		case !asked:
			ask = true
		case author == event.PubKey{}: // shown by the own relay and not recorded
			unsure = true
		case author != w.event.PubKey:
		case d == Stored, d == Held, d == Tombstone:
			return rulePublish, upon{}, ""
		default:
			unsure = true
		}
	}
	switch {
	case ask:
		return ruleAsk, upon{}, ""
	case unsure:
		return ruleOrphan, upon{}, "names nothing of its author's that we know"
	case len(w.refs.IDs) == 0:
		return ruleForeign, upon{}, "names nothing that its author could delete"
	}
	return ruleForeign, upon{}, "names only what others wrote"
}

// ruleVanish judges a request to vanish: it must be meant for us, and its author must have something here.
func (c *core) ruleVanish(w *work) (ruling, upon, string) {
	switch {
	case !c.o.Rules.Vanishes(w.event):
		return ruleForeign, upon{}, "names no relay of ours"
	case !w.sought:
		return ruleAsk, upon{}, ""
	case !slices.ContainsFunc(w.written, func(id event.ID) bool {
		d := c.known[id]
		return d == Stored || d == Held || d == Superseded || d == Tombstone
	}):
		return ruleForeign, upon{}, "its author has nothing here"
	}
	return rulePublish, upon{}, ""
}

// openParent is something open that an event references.
func (c *core) openParent(w *work) (upon, bool) {
	for _, id := range w.refs.IDs {
		if open := c.works[id]; open != nil {
			return upon{work: open}, true
		}
		if r := c.pool.rows[id]; r != nil && r.cause.forRoom() && c.known[id] == Parked {
			return upon{row: r}, true
		}
	}
	for _, ref := range w.refs.Refs {
		// Only coordinates of these kinds are waited for: others could wait for each other.
		if on, open := c.open(ref); open {
			return on, true
		}
	}
	return upon{}, false
}

// buried gives the reason why an event is not to be published any more, empty when there is none.
func (c *core) buried(e *event.Event) string {
	by, ok := c.graves.covers(e)
	if !ok {
		return ""
	}
	return deletedBy(by)
}

func deletedBy(id event.ID) string { return "deleted by " + id.String() }

// entomb ends a work that lies under a deletion. Deletions that were parked because nothing was known of what they name count from here
// on, as the event would have been in scope.
func (c *core) entomb(w *work, reason string) {
	for _, r := range c.claims(w.event) {
		c.bury(Deletion{ID: r.id, Author: w.event.PubKey, Until: r.deletes.until, IDs: r.needs.IDs, Refs: r.needs.Refs})
		c.wakeDeletion(r)
	}
	c.conclude(w, Tombstone, reason)
}

// claims are the parked deletions by the author of an event that cover it, in the order of their ids.
func (c *core) claims(e *event.Event) []*row {
	if !event.Deletable(e.Kind) {
		return nil
	}
	var out []*row
	add := func(waiters map[event.ID]struct{}, until bool) {
		for id := range waiters {
			r := c.pool.rows[id]
			if r != nil && r.deletes != nil && r.deletes.author == e.PubKey && (!until || int64(e.CreatedAt) <= r.deletes.until) {
				out = append(out, r)
			}
		}
	}
	add(c.needs.ids[e.ID], false)
	if addressed(e.Kind) {
		add(c.needs.refs[e.Coordinate()], true)
	}
	slices.SortFunc(out, func(a, b *row) int { return slices.Compare(a.id[:], b.id[:]) })
	return out
}

// bury makes tombstones of what a deletion covers: of what comes from here on at once, of what is known when its rows have been found.
func (c *core) bury(d Deletion) {
	fresh, gone := c.graves.add(d.list()...)
	if len(fresh) == 0 {
		c.retell(d)
		return
	}
	c.seq = c.o.Ledger.Bury(fresh)
	if len(gone) > 0 {
		c.seq = c.o.Ledger.Exhume(gone)
	}
	var refs []event.Ref
	for _, a := range c.scope.index.By(d.Author) {
		if d.Covers(a.Ref, a.ID, a.CreatedAt) {
			refs = append(refs, a.Ref)
		}
	}
	c.scope.accept(nil, refs)
	c.inquire(inquest{Deletion: d})
}

// retell lets the engine know once more of a deletion that was buried before: it may not have heard of it then.
func (c *core) retell(d Deletion) {
	d.IDs = slices.DeleteFunc(slices.Clone(d.IDs), func(id event.ID) bool { return c.known[id] != Tombstone })
	if len(d.IDs)+len(d.Refs) > 0 || d.All {
		c.do(tell{Deleted{d}})
	}
}

// Covers reports whether it deletes a version of a coordinate of its author's.
func (d *Deletion) Covers(ref event.Ref, id event.ID, createdAt int64) bool {
	return slices.Contains(d.IDs, id) || createdAt <= d.Until && (d.All || slices.Contains(d.Refs, ref))
}

// replaced notes that a version of an addressable event is accepted: what the ledger has of older ones is superseded. Those that this
// core has seen are known; those from before the start are looked up, once.
func (c *core) replaced(ref event.Ref, v version) {
	old, ok := c.scope.renew(ref, v)
	switch {
	case !ok:
		c.inquire(inquest{Deletion: Deletion{Author: ref.PubKey, Until: v.createdAt, Refs: []event.Ref{ref}}, newer: v.id})
	case old != v:
		c.amend([]event.ID{old.id}, Superseded, "replaced by "+v.id.String())
	}
}

func (c *core) inquire(q inquest) {
	if len(c.inquests) >= inquestsKept && q.work == nil {
		c.log.Warn("rows of a deletion are not looked up, too many wait for that", zap.Stringer("by", q.ID))
		return
	}
	c.inquests = append(c.inquests, q)
}

// ask puts a deletion aside until the ledger has said what it has to do with.
func (c *core) ask(w *work) {
	w.stage = asking
	if w.event.Kind == event.KindVanish {
		c.inquire(inquest{Deletion: deletionOf(w.event), work: w})
		return
	}
	c.unasked = append(c.unasked, w)
}

// askLedger asks one question of each sort at a time.
func (c *core) askLedger() {
	if !c.askingAuthors && len(c.unasked) > 0 {
		n := min(len(c.unasked), askAuthors)
		works := c.unasked[:n:n]
		c.unasked = c.unasked[n:]
		var ids []event.ID
		for _, w := range works {
			for _, id := range w.refs.IDs {
				if _, asked := w.authors[id]; !asked && c.known[id] != Unknown {
					ids = append(ids, id)
				}
			}
		}
		c.askingAuthors = true
		c.do(readAuthors{works, ids})
	}
	if !c.inquiring && len(c.inquests) > 0 {
		c.inquiring = true
		c.do(readWritten{c.inquests[0].Deletion})
	}
}

// gotAuthors brings who wrote the events that some deletions name.
func (c *core) gotAuthors(now time.Time, works []*work, ids []event.ID, authors map[event.ID]event.PubKey, err error) {
	c.now = now
	c.askingAuthors = false
	defer c.pump()
	if err != nil {
		c.storeFailed("authors cannot be read", err)
		c.unasked = append(works, c.unasked...)
		return
	}
	asked := make(map[event.ID]bool, len(ids))
	for _, id := range ids {
		asked[id] = true
	}
	for _, w := range works {
		if w.stage != asking {
			continue // concluded meanwhile
		}
		if w.authors == nil {
			w.authors = make(map[event.ID]event.PubKey)
		}
		for _, id := range w.refs.IDs {
			if asked[id] {
				w.authors[id] = authors[id]
			}
		}
		w.stage = shelved
		c.again = append(c.again, w)
	}
}

// gotWritten brings the rows that the first inquest asked for.
func (c *core) gotWritten(now time.Time, ids []event.ID, err error) {
	c.now = now
	c.inquiring = false
	defer c.pump()
	if err != nil {
		c.storeFailed("rows of an author cannot be read", err)
		return
	}
	q := c.inquests[0]
	c.inquests[0] = inquest{}
	c.inquests = c.inquests[1:]
	switch {
	case q.work != nil:
		if w := q.work; w.stage == asking {
			w.written, w.sought, w.stage = ids, true, shelved
			c.again = append(c.again, w)
		}
	case q.newer != event.ID{}:
		c.amend(slices.DeleteFunc(ids, func(id event.ID) bool { return id == q.newer }), Superseded, "replaced by "+q.newer.String())
	default:
		c.amend(ids, Tombstone, deletedBy(q.ID))
		c.tellDeleted(q.Deletion, ids)
	}
}

// tellDeleted lets the engine know what is not wanted any more.
func (c *core) tellDeleted(d Deletion, ids []event.ID) {
	d.IDs = ids[:min(len(ids), buriedInReply)]
	c.do(tell{Deleted{d}})
	for len(ids) > buriedInReply {
		ids = ids[buriedInReply:]
		c.do(tell{Deleted{Deletion{ID: d.ID, Author: d.Author, Until: d.Until, IDs: ids[:min(len(ids), buriedInReply)]}}})
	}
}

// amend changes what is known of rows of the ledger. What is in the queue is judged by itself; what waits in the pending table waits no
// more. Only what was accepted can be superseded.
func (c *core) amend(ids []event.ID, to Disposition, reason string) {
	var changed []event.ID
	was := make(map[event.ID]Disposition)
	for _, id := range ids {
		d := c.known[id]
		if c.works[id] != nil || d == to || (to == Superseded && d != Stored && d != Held) {
			continue
		}
		changed, was[id] = append(changed, id), d
		c.know(id, to)
		c.setOffer(id, Offer{})
	}
	if len(changed) == 0 {
		return
	}
	c.seq = c.o.Ledger.Amend(changed, to, reason, c.now)
	for _, id := range changed {
		if r := c.pool.rows[id]; r != nil {
			c.unpark(r)
		}
		c.wakeDeletions(id)
	}
	for _, id := range changed {
		c.enterBook("", id, was[id]) // who brought it is in its row
	}
}

// wakeDeletions has parked deletions judged again that name an event which has become a tombstone.
func (c *core) wakeDeletions(id event.ID) {
	for waiter := range c.needs.ids[id] {
		if r := c.pool.rows[waiter]; r != nil && r.deletes != nil {
			c.wakeDeletion(r)
		}
	}
}

// wakeDeletion has a parked deletion judged again; one that waits for room comes in its turn.
func (c *core) wakeDeletion(r *row) {
	if r.cause == CauseParent {
		c.pool.wake(r)
	}
}

// expired notes that an event which was accepted has run out (NIP-40): the own relay need not have it any more.
func (c *core) expired(e *event.Event) {
	if d := c.known[e.ID]; d == Stored || d == Held {
		c.amend([]event.ID{e.ID}, Tombstone, "expired (NIP-40)")
	}
}
