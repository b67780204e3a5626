package sync

import (
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// Start makes every known relay due.
func (e *Engine) Start(now time.Time) {
	e.holdReview(now)
	e.election.review.last = time.Time{} // the picture changes much
	for _, r := range e.sortedRelays() {
		e.touch(r)
	}
	e.flush(now)
}

// Stop hangs up everywhere and asks nothing more; what settles afterwards still counts.
func (e *Engine) Stop() {
	e.stopped = true
	for _, r := range e.sortedRelays() {
		if r.conn != 0 {
			e.emit(Hangup{r.conn})
		}
	}
}

// Bounds of the announcements on the own relay that are out of scope, and remembered.
const (
	foreignKept  = 20_000
	foreignBytes = 64 << 20
)

// announcedKept bounds the memory for announcements that have come back.
const announcedKept = 200_000

// Facts takes in what the own relay said.
func (e *Engine) Facts(f selfsub.Facts, now time.Time) {
	e.ownUp, e.rests = f.Up, max(e.rests, f.Rests)
	f.Announcements = slices.DeleteFunc(slices.Clone(f.Announcements), e.withdrawn.covers)
	served := e.shown(f.Announcements)
	for _, a := range f.Announcements {
		e.seen[a.Ref] = f.Picture
		if len(e.announced) >= announcedKept {
			clear(e.announced) // at worst a relay waits for the settle delay
		}
		e.announced[a.ID] = true
	}
	e.reshape(e.apply(f.Announcements, nil))
	e.reshape(served)
	for _, a := range f.Announcements {
		e.cameBack(a.ID)
	}
	for _, root := range f.Roots {
		e.addRoot(root.ID, root.CreatedAt, root.Refs, now)
		e.cameBack(root.ID)
	}
	if f.Loaded {
		e.pictured(f.Picture, f.Steady)
	}
	if f.Answered {
		e.surveyAnswered(f.Lost, f.LostElsewhere, now)
	}
	e.flush(now)
}

func (e *Engine) unwant(ref event.Ref) {
	e.reshape(e.apply(nil, []event.Ref{ref}))
	if _, ok := e.saved[ref]; ok {
		delete(e.saved, ref)
		e.persist(DropRepo{ref})
	}
	delete(e.seen, ref)
	delete(e.held, ref)
	e.holdsNext(ref)
}

// await remembers what a batch taught the own relay, until it comes back through selfsub.
func (e *Engine) await(r *remote, ids []event.ID) {
	for _, id := range ids {
		if _, known := e.names.roots.of[id]; known || e.announced[id] || r.taught[id] {
			continue
		}
		r.taught[id] = true
		e.awaited[id] = append(e.awaited[id], r)
	}
}

func (e *Engine) cameBack(id event.ID) {
	for _, r := range e.awaited[id] {
		delete(r.taught, id)
		e.touch(r)
	}
	delete(e.awaited, id)
}

func (e *Engine) forgetAwaited(r *remote) {
	for id := range r.taught {
		rest := e.awaited[id][:0]
		for _, x := range e.awaited[id] {
			if x != r {
				rest = append(rest, x)
			}
		}
		if e.awaited[id] = rest; len(rest) == 0 {
			delete(e.awaited, id)
		}
	}
	clear(r.taught)
}

// Report takes in what a connection or the publisher said.
func (e *Engine) Report(rep relay.Report, now time.Time) {
	switch rep := rep.(type) {
	case relay.Settled:
		e.settled(rep, now)
		e.flush(now)
		return
	case relay.Accepted:
		e.rests = max(e.rests, rep.Seq)
		e.accepted(rep, now)
		e.flush(now)
		return
	case relay.Deleted:
		e.deleted(rep.Deletion)
		e.flush(now)
		return
	case relay.Holds:
		e.holds(rep)
		e.flush(now)
		return
	case relay.Released:
		e.released(rep)
		e.flush(now)
		return
	}
	r := e.conns[rep.Conn()]
	if r == nil {
		return // an older connection's
	}
	switch rep := rep.(type) {
	case relay.Up:
		e.up(r, rep, now)
	case relay.Down:
		e.down(r, rep, now)
	default:
		if r.phase.Open() {
			e.heard(r, rep, now)
		}
	}
	e.touch(r)
	e.flush(now)
}

// heard takes in what an open connection reports.
func (e *Engine) heard(r *remote, rep relay.Report, now time.Time) {
	switch rep := rep.(type) {
	case relay.LiveSettled:
		e.rests = max(e.rests, rep.Seq)
		r.credit(rep.New, now)
		e.liveSettled(r, rep)
	case relay.Closed:
		e.closed(r, rep, now)
	case relay.Limited:
		e.limited(r, rep, now)
	case relay.Evidence:
		e.evidence(r, rep, now)
	case relay.Foreign:
		e.foreign(r, now)
	case relay.Offended:
		e.offended(r, rep, now)
	}
}

func (e *Engine) settled(s relay.Settled, now time.Time) {
	e.rests = max(e.rests, s.Seq)
	a := e.asks[s.Batch]
	if a == nil {
		return
	}
	b := a.batch
	before := len(b.groups)
	e.settle(a, s, now)
	e.touch(b.remote)
	if !s.Final {
		return
	}
	delete(e.asks, s.Batch)
	switch {
	case b.ask != s.Batch: // asked again since
	case len(b.groups) == 0:
		e.finish(b)
	case !b.rotates() && !slices.ContainsFunc(s.Filters, func(f relay.FilterEnd) bool { return !f.Done || f.Failed }):
		e.again(b)
	case len(b.groups) < before:
		e.failed(b, "partial", s.Err, now)
	default:
		e.failed(b, "failed", s.Err, now)
	}
}

func (e *Engine) up(r *remote, up relay.Up, now time.Time) {
	if r.phase != Connecting {
		return
	}
	e.dialed()
	r.stated, r.name, r.everUp, r.reconciles = up.Limits, up.Name, true, false
	if up.Login {
		r.lastNote = "asks for a login, which remote relays do not get"
	}
	e.learn(r, now)
	e.dialEnded(r, health.CauseNone, now)
	e.judge(now)
	r.health = e.cfg.Health.Up(r.health, now)
	absent := now.Sub(r.disconnectedAt)
	first := r.disconnectedAt.IsZero() || r.cursor.IsZero()
	e.to(r, Syncing, "handshake done", now)

	r.closedSubs, r.reopenAt, r.reopened = nil, time.Time{}, 0
	r.heat.due, r.warmth.due = time.Time{}, time.Time{}
	e.layOut(r, now)
	e.emit(Tell{r.conn, relay.SetLive{Open: r.live.All()}})

	since := e.gapSince(r)
	switch {
	case !first && absent <= e.cfg.ReconnectWindow:
		e.resumeFull(r, now)
		e.startPass(r, since, now)
	case !first && !r.lastFull.IsZero() && now.Sub(r.lastFull) < e.cfg.FullInterval:
		r.full, r.nextFull = false, e.fullAfter(r.lastFull) // a full pass was made today
		if r.refill {
			r.nextFull = now
		}
		e.startPass(r, since, now)
	default:
		r.announcedSince = time.Time{}
		if !r.cursor.IsZero() {
			r.announcedSince = since
		}
		r.passSince, r.nextCursor, r.refill = time.Time{}, time.Time{}, false
		r.forget()
		r.heat.since, r.warmth.since = now, now // what is not live is asked from here on
		r.full, r.unsafe = true, true
		r.nextFull = e.fullAfter(now)
		e.persist(ClearCoverage{r.url})
	}
}

// resumeFull has a sync of everything that was cut off go on, and be one when it ends: what it has confirmed was asked without since, and
// the rest is. After a restart it shows in what is left of it; where nothing is, a full pass is owed that had not ended. Else the
// daily pass goes by the last full one.
func (e *Engine) resumeFull(r *remote, now time.Time) {
	left := len(r.waiting) > 0 || len(r.todo) > 0 || len(r.unread) > 0
	r.full = r.full || (r.lastFull.IsZero() && !r.refill && left)
	switch {
	case r.full && r.nextFull.IsZero(): // after a restart
		r.nextFull = e.fullAfter(now)
	case r.full: // it stays, or a relay that is never stable would have none
	case r.lastFull.IsZero(), r.refill:
		r.nextFull = now
	default:
		r.nextFull = e.fullAfter(r.lastFull)
	}
}

func (e *Engine) down(r *remote, down relay.Down, now time.Time) {
	delete(e.conns, r.conn)
	r.conn, r.leaving = 0, false
	why := "connection lost"
	if r.phase == Connecting {
		e.dialed()
		if down.Failure != nil {
			e.dialEnded(r, down.Failure.Cause, now)
		}
		why = "dial failed"
	} else {
		r.disconnectedAt = now
		if r.daily != nil { // it begins again
			r.full, r.refill = false, true
		}
		e.suspend(r)
		e.forgetAwaited(r)
		r.nextCursor = time.Time{}
		r.live, r.left, r.offers, r.moved, r.ancestors, r.wide = nil, [3]int{}, nil, nil, nil, false
	}
	if down.Failure != nil {
		r.lastNote = down.Failure.Error()
		why += ": " + down.Failure.Cause.String()
	}
	e.to(r, Disconnected, why, now)
	e.fail(r, down.Failure, now)
}

// liveSettled moves the cursor; it stands still while a pass with since is open, because a second absence would
// then be asked from too young a moment.
func (e *Engine) liveSettled(r *remote, m relay.LiveSettled) {
	if m.At.Sub(r.reopenedAt) > e.cfg.ReconnectWindow {
		r.reopened = 0
	}
	if !r.passSince.IsZero() {
		if m.At.After(r.nextCursor) {
			r.nextCursor = m.At
		}
		return
	}
	if m.At.After(r.cursor) {
		r.cursor, r.unsafe = m.At, true
	}
}

func sortedRefs(refs []event.Ref) []event.Ref {
	slices.SortFunc(refs, event.Ref.Compare)
	return refs
}
