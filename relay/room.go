package relay

import (
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// sweepEvery is how often rows are looked at whose parents were not seen to be accepted.
const sweepEvery = 10 * time.Minute

// lane is where a row stands among those that wait for room.
func (r *row) lane() (class int, source relayurl.URL, repo uint64) {
	if r.behind {
		return behindClass, r.source, r.repo
	}
	return sendClass(r.kind, r.live), r.source, r.repo
}

func (r *row) number() uint64 { return r.n }

func (r *row) leftLane(class int) bool { return r.queued != class }

// ref is the coordinate of an announcement or a state; false for anything else.
func (r *row) ref() (event.Ref, bool) {
	if !addressed(r.kind) || len(r.needs.Refs) == 0 {
		return event.Ref{}, false
	}
	ref := r.needs.Refs[0]
	ref.Kind = r.kind
	return ref, true
}

// enroom lines a row up that waits for room.
func (p *pool) enroom(r *row, w Waiting) {
	if r.age != nil {
		p.ages.Remove(r.age)
		r.age = nil
	}
	source, ok := p.sources[w.Source]
	if !ok {
		if len(p.sources) >= sourcesKept {
			clear(p.sources)
		}
		source = w.Source
		p.sources[source] = source
	}
	p.n++
	r.lined = true
	r.n, r.kind, r.source, r.needs = p.n, w.Kind, source, w.Needs
	r.behind = !addressed(w.Kind) && rests(w.Needs)
	p.waiting++
	if ref, ok := r.ref(); ok {
		p.refs[ref] = append(p.refs[ref], r)
		if ref.Kind == event.KindAnnouncement {
			p.repos[ref.D] = append(p.repos[ref.D], r)
		}
	}
}

// lineUp gives a row that waits for room its turn.
func (p *pool) lineUp(r *row) {
	if class, _, _ := r.lane(); r.queued != class {
		r.queued = class
		p.room.push(r)
	}
}

// unroom takes a row out that waited for room: it is in the queue, or gone.
func (p *pool) unroom(r *row) {
	if !r.lined {
		return
	}
	p.waiting--
	r.lined, r.queued = false, -1
	if ref, ok := r.ref(); ok {
		without(p.refs, ref, r)
		if ref.Kind == event.KindAnnouncement {
			without(p.repos, ref.D, r)
		}
	}
}

// behindReady reports whether rows that are behind may be taken up now: all of them once, every now and then.
func (p *pool) behindReady(now time.Time) bool {
	if p.sweep == 0 && !now.Before(p.sweepAt) {
		p.sweep, p.sweepAt = p.room.counts[behindClass], now.Add(sweepEvery)
	}
	return p.sweep > 0
}

// lift tells a row that something it needs has been accepted.
func (p *pool) lift(r *row) {
	switch {
	case !r.cause.forRoom():
		p.wake(r)
	case r.behind && !r.woken && !r.gone:
		r.behind = false
		p.lineUp(r)
	}
}

// takeRoom gives the ids of up to n rows of one class that come next, of no more than about so many bytes, and takes them out of turn.
func (p *pool) takeRoom(class, n int, bytes int64) []event.ID {
	var ids []event.ID
	if class == behindClass {
		n = min(n, p.sweep)
	}
	for len(ids) < n && bytes > 0 {
		r := p.room.popClass(class)
		if r == nil {
			p.sweep = 0
			break
		}
		r.queued, r.woken = -1, true
		if class == behindClass {
			p.sweep--
		}
		bytes -= int64(r.size)
		ids = append(ids, r.id)
	}
	return ids
}

// without takes an entry off an index.
func without[K, V comparable](m map[K][]V, key K, v V) {
	rest := slices.DeleteFunc(m[key], func(o V) bool { return o == v })
	if len(rest) == 0 {
		delete(m, key)
		return
	}
	m[key] = rest
}

// same reports whether a row of the table says what w would make it say.
func (r *row) same(w *Waiting) bool {
	return r.cause.forRoom() && w.Cause.forRoom() && r.tries == w.Tries && rests(r.needs) == rests(w.Needs)
}

// unjudged reports a row whose event was not found in scope before it was parked.
func (r *row) unjudged() bool { return r.cause.forRoom() && rests(r.needs) }

func rests(refs event.References) bool { return len(refs.IDs)+len(refs.Refs) > 0 }
