package sync

import (
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// pass goes over what is confirmed at a relay and asks for it again. It forgets nothing. It goes twice over the wants: for what is
// confirmed of them, then for what lies around them, where it waits for the ledger at each. Batches are made as the connection has room for
// them.
type pass struct {
	kind    passKind
	since   time.Time // of its filters; zero: none
	started time.Time
	wants   []*want // as of its start
	at      int     // next want
	stage   stage
	second  bool     // the round around the wants
	partial *chunker // the next batch, when the ledger lets it wait
	from    uint32   // next number of that stage
	first   bool     // layer 1 was asked
	issued  bool     // every batch has been made
	open    int      // batches that have not ended well
	fills   bool     // of a daily one: it brings back what was lost, and looks around that when it has come
	calm    bool     // likewise: it has
	stored  int      // likewise: how much that was new the relay had brought before
	samples bool     // of a daily one: it looks whether the relay lists all that it serves
	failed  bool     // of a rotation: something of it was not answered

	moved map[filters.Value]bool // of a rotation: roots that have become live since the last one
	seen  map[filters.Value]bool // of moved: those that were asked
	late  time.Time              // of a rotation: something was confirmed meanwhile that was asked then
	all   bool                   // of a rotation: much has become live since the last one, so it asks for that too

	recall    *recall   // around the next want, once it was asked for
	notBefore time.Time // the ledger is not asked: it did not answer, or may not have everything yet
	authors   map[event.PubKey]bool
	replies   []event.ID     // still to be asked
	keys      []event.PubKey // likewise
	lacks     []event.ID     // likewise
}

// passKind says what a pass is for.
type passKind uint8

const (
	catchUp    passKind = iota // after a short absence or a change of what is live: since
	daily                      // everything, without since
	around                     // what was never asked around wants: replies to replies, deletions, ancestors
	rotateHot                  // what is not live, of the last day
	rotateWarm                 // likewise, of the last month
)

// stage is what a pass asks next of a want.
type stage uint8

const (
	passStates stage = iota
	passCoords
	passRoots
	passOver // to the next want; what lies around all of them is asked in a second round
	passRecall
	passReplies
	passDeletions
	passLacks
)

const (
	hot      = 24 * time.Hour      // a root is hot when something was said about it in this time
	warm     = 30 * 24 * time.Hour // likewise
	replyAge = 90 * 24 * time.Hour // of replies that every pass looks around (DESIGN §5, layer 3b)
)

// startPass begins a pass with since, or without, in place of unfinished ones that ask for no more: of a since at or after its own. A daily
// one, which may take hours, goes on beside those with since.
func (e *Engine) startPass(r *remote, since, now time.Time) {
	if r.pass != nil {
		e.dropPass(r, r.pass)
	}
	p := &pass{kind: catchUp, since: since, started: now, wants: r.sortedWants()}
	if since.IsZero() {
		p.kind, p.samples = daily, !now.Before(r.learned.Sampled)
		p.fills, p.stored = r.refill || r.lastFull.Equal(owed), r.stored
		r.full, r.refill, r.daily = true, false, p
	} else {
		r.pass, r.passSince, r.unsafe = p, since, true
	}
	e.touch(r)
}

// planAround looks around wants where that was never done, once nothing new is asked any more: before, the ledger does not know what
// lies there.
func (e *Engine) planAround(r *remote, now time.Time) {
	if r.look != nil || len(r.bare) == 0 || len(r.todo) > 0 || len(r.unread) > 0 || r.fetching() || now.Before(e.settledAt(r)) {
		return // roots that the own relay was taught make more to ask when they come back
	}
	wants := slices.DeleteFunc(r.bare, func(w *want) bool { return r.wants[w.repo.ref] != w || !w.listed || w.around })
	r.bare = nil
	if len(wants) > 0 {
		r.look = &pass{kind: around, started: now, wants: wants, second: true, stage: passRecall}
	}
}

// slot is where a relay keeps its pass of a kind.
func (r *remote) slot(k passKind) **pass {
	switch k {
	case around:
		return &r.look
	case rotateHot, rotateWarm:
		return &r.rotation(k).pass
	case daily:
		return &r.daily
	case catchUp:
	}
	return &r.pass
}

// passes are those that are not over.
func (r *remote) passes() []*pass {
	return slices.DeleteFunc([]*pass{r.pass, r.daily, r.look, r.heat.pass, r.warmth.pass}, func(p *pass) bool { return p == nil })
}

// dropPass ends an unfinished pass and its batches.
func (e *Engine) dropPass(r *remote, p *pass) {
	for _, b := range r.openBatches() {
		if b.pass == p {
			if r.conn != 0 {
				e.emit(Tell{r.conn, relay.CancelBatch{ID: b.ask}})
			}
			delete(e.asks, b.ask)
			delete(r.open, b)
		}
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(b *batch) bool { return b.pass == p })
	if p.recall != nil {
		p.recall.leave(p)
	}
	if *r.slot(p.kind) = nil; p.kind == around {
		r.bare = append(r.bare, p.wants...)
	}
}

// endPass records that a pass went over everything with success.
func (e *Engine) endPass(r *remote, p *pass) {
	*r.slot(p.kind) = nil
	switch p.kind {
	case catchUp:
		e.closeGap(r)
	case daily:
		if p.samples && r.reconciles {
			r.learned.Sampled = p.started.Add(e.cfg.SampleEvery)
		}
		if r.pass == nil { // else there is a gap that is younger
			e.closeGap(r)
		}
	case around:
		anew := map[*want]bool{} // listed again while the pass went on
		for _, w := range r.bare {
			anew[w] = true
		}
		for _, w := range p.wants {
			if r.wants[w.repo.ref] == w && w.listed && !anew[w] {
				w.around = true
				e.persist(w.row())
			}
		}
	case rotateHot, rotateWarm:
		r.endRotation(p)
	}
	r.unsafe = true
	e.touch(r)
}

// closeGap lets the cursor move again: what lay between it and now was asked for. A subscription that the relay has ended since is a
// gap of its own.
func (e *Engine) closeGap(r *remote) {
	if r.passSince.IsZero() || len(r.closedSubs) > 0 {
		return
	}
	r.passSince = time.Time{}
	if r.nextCursor.After(r.cursor) {
		r.cursor = r.nextCursor
	}
	r.nextCursor = time.Time{}
}

// fill adds what the pass asks next to a batch, until the batch is full, the ledger has to be asked, or the pass is issued.
func (e *Engine) fill(p *pass, c *chunker, r *remote, now time.Time) {
	if !p.first {
		p.first = true
		if p.kind == catchUp || (p.kind == daily && !r.sparse(now)) || (p.kind == rotateHot && r.live.Filters() == 0) {
			c.add(askAnnouncements, nil, Span{})
		}
	}
	for {
		for p.at < len(p.wants) {
			w := p.wants[p.at]
			if r.wants[w.repo.ref] == w && !e.fillWant(p, c, w, now) {
				return
			}
			p.next(p.at + 1)
		}
		if p.second {
			p.issued = true
			return
		}
		p.second = true
		p.next(0)
		if len(c.groups) > 0 {
			return // what is confirmed does not wait for the ledger
		}
	}
}

// next goes to the first stage of a want.
func (p *pass) next(want int) {
	p.at, p.stage, p.from, p.recall = want, passStates, 0, nil
	if p.second {
		p.stage = passRecall
	}
}

// fillWant reports whether all of the want fitted.
func (e *Engine) fillWant(p *pass, c *chunker, w *want, now time.Time) bool {
	for {
		done := true
		switch p.stage {
		case passStates:
			done = !e.asksStates(p, w) || c.add(askStates, w, Span{0, 1})
		case passCoords:
			done = p.fillSpans(c, w, askCoords, w.coords.confirmed, e.asksCoord(p, w))
		case passRoots:
			done = p.fillSpans(c, w, askRoots, w.roots.confirmed, e.asksRoot(p, w))
		case passOver:
			return true
		case passRecall:
			done = e.recallFor(p, w, now)
		case passReplies:
			p.replies = c.takeIDs(askReplies, p.replies)
			done = len(p.replies) == 0
		case passDeletions:
			p.keys = c.takeKeys(p.keys)
			done = len(p.keys) == 0
		case passLacks:
			p.lacks = c.takeIDs(askLacks, p.lacks)
			if len(p.lacks) == 0 {
				return true
			}
			done = false
		}
		if !done {
			return false
		}
		p.stage, p.from = p.stage+1, 0
	}
}

// asksStates reports whether the pass asks for the states of a want: a rotation does where they are not live.
func (e *Engine) asksStates(p *pass, w *want) bool {
	return w.states && (!p.rotates() || p.polls(w.remote, filters.States, e.names.identifiers.of[w.repo.ref.D]))
}

// asksCoord gives which coordinates of a want the pass asks for; nil: all.
func (e *Engine) asksCoord(p *pass, w *want) func(uint32) bool {
	if !p.rotates() {
		return nil
	}
	return func(n uint32) bool {
		v, ok := e.names.coords.of[w.repo.coords[n]]
		return ok && p.polls(w.remote, filters.Repos, v)
	}
}

// asksRoot gives which roots of a want the pass asks for; nil: all.
func (e *Engine) asksRoot(p *pass, w *want) func(uint32) bool {
	if !p.rotates() {
		return nil
	}
	return func(n uint32) bool {
		v := w.repo.roots[n]
		if e.gone(v) {
			return false
		}
		if p.moved[v] {
			if p.seen == nil {
				p.seen = map[filters.Value]bool{}
			}
			p.seen[v] = true
			return true
		}
		return p.tier(e.roots[v].active) && p.polls(w.remote, filters.Roots, v)
	}
}

func (p *pass) fillSpans(c *chunker, w *want, k kind, have Coverage, asks func(uint32) bool) bool {
	for _, s := range have.Spans() {
		s.From = max(s.From, p.from)
		for s.From < s.To {
			part := s
			if asks != nil {
				for part.From < part.To && !asks(part.From) {
					part.From++
				}
				for to := part.From; ; to++ {
					if to == part.To || !asks(to) {
						part.To = to
						break
					}
				}
			}
			if part.From < part.To {
				n := c.take(k, w, part)
				if n == 0 {
					return false
				}
				part.From += n
			}
			s.From = part.From
			p.from = s.From
		}
	}
	return true
}

// background reports a pass that nobody waits for: it takes at most a tenth of the request budget (DESIGN §5, manners).
func (p *pass) background() bool { return p.rotates() || p.kind == daily }
