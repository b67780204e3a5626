package sync

import (
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/relay"
)

// Lost takes in that the store dropped rows, and that it takes rows again. Nothing counts as confirmed any more, because it may rest on
// those, and everything is asked afresh over the connections that stand. That is rare, and mostly cheap: what the publisher knows
// is not downloaded where a relay reconciles. What the store may lack of repos and ancestors is given again; of a repo that misses
// a root it takes leave when it is loaded.
func (e *Engine) Lost(now time.Time) {
	e.log.Warn("the database has dropped rows: everything is asked for again", zap.Int("relays", len(e.relays)))
	for _, ref := range sortedRefs(slices.Collect(maps.Keys(e.saved))) {
		e.saved[ref] = savedRepo{}
		e.saveAnnouncement(ref)
	}
	for _, ref := range sortedRefs(slices.Collect(maps.Keys(e.repos))) {
		for id, at := range e.repos[ref].lacks {
			e.persist(SaveLack{Repo: ref, ID: id, At: at})
		}
	}
	for _, r := range e.sortedRelays() {
		e.unconfirm(r, now)
	}
	e.flush(now)
}

// unconfirm has everything asked again at a relay, from the top: progress of batches and passes may rest on what was lost, too.
func (e *Engine) unconfirm(r *remote, now time.Time) {
	for _, p := range r.passes() {
		e.dropPass(r, p)
	}
	for _, b := range slices.Concat(r.openBatches(), r.waiting) {
		if b.ask != 0 && r.conn != 0 {
			e.emit(Tell{r.conn, relay.CancelBatch{ID: b.ask}})
		}
		if b.saved {
			e.persist(DropBatch{Relay: r.url, Number: b.number})
		}
		b.ended = true
	}
	maps.DeleteFunc(e.asks, func(_ relay.BatchID, a *ask) bool { return a.batch.remote == r })
	clear(r.open)
	r.waiting = nil
	if len(r.closedSubs) == 0 { // else there is a gap in what is live
		r.passSince, r.nextCursor = time.Time{}, time.Time{}
	}
	r.richAgain()
	r.forget()
	r.unsafe = true
	e.persist(ClearCoverage{r.url})
	if r.phase.Open() {
		r.heat.since, r.warmth.since = now, now // what is not live is asked from here on
		r.full, r.nextFull = true, e.fullAfter(now)
		if r.phase != Syncing {
			e.to(r, Syncing, "rows of the database were lost", now)
		}
	}
	e.touch(r)
}
