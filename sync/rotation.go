package sync

import (
	"maps"
	"time"

	"github.com/ngit-sync/ngit-sync/filters"
)

// rotation polls, again and again, what is not live: the roots, coordinates and states beyond the live budget, and the replies
// to replies that nobody subscribes to. What was active in the last day is polled every poll interval, what was in the last
// month every hour; the rest is left to the daily pass (DESIGN §5, beyond the budget).
type rotation struct {
	since time.Time     // start of the last whole settled one
	due   time.Time     // of the next one
	took  time.Duration // between the starts of the last two
	pass  *pass
}

const warmEvery = time.Hour

func (r *remote) rotation(k passKind) *rotation {
	if k == rotateWarm {
		return &r.warmth
	}
	return &r.heat
}

// goBack has the next rotation ask from a moment on: what is confirmed now was asked then, and no rotation has polled it since.
func (x *rotation) goBack(at time.Time) {
	if !x.since.IsZero() {
		x.since = earliest(x.since, at)
	}
	if x.pass != nil {
		x.pass.late = earliest(x.pass.late, at)
	}
}

func union(a, b map[filters.Value]bool) map[filters.Value]bool {
	if a == nil {
		return b
	}
	maps.Copy(a, b)
	return a
}

func (p *pass) rotates() bool { return p.kind == rotateHot || p.kind == rotateWarm }

// planRotation begins what is due. Before the hot one, roots change places: what is live no longer is polled from here on.
func (e *Engine) planRotation(r *remote, now time.Time) {
	for _, k := range []passKind{rotateHot, rotateWarm} {
		x := r.rotation(k)
		if x.due.IsZero() {
			x.due = now.Add(e.every(k))
			if !x.since.IsZero() { // the connections of some relays are shorter than that
				x.due = earliest(x.due, x.since.Add(e.every(k)))
			}
		}
		if x.pass != nil || now.Before(x.due) || r.limited(now) {
			continue
		}
		var moved map[filters.Value]bool
		if k == rotateHot {
			if r.overflows() {
				r.moved = union(r.moved, e.exchange(r))
				e.recount(r)
			}
			moved, r.moved = r.moved, nil
		}
		since := x.since
		if since.IsZero() {
			since = r.health.UpSince // what is confirmed now was asked after that, or confirmed before and asked since then
		}
		x.pass = &pass{
			kind: k, since: since.Add(-e.cfg.SinceOverlap), started: now, wants: r.activeWants(now, since),
			moved: moved, all: r.polled && x.since.Before(r.laidAt),
		}
		x.due = now.Add(e.every(k))
	}
}

func (e *Engine) every(k passKind) time.Duration {
	if k == rotateWarm {
		return max(warmEvery, e.cfg.PollInterval)
	}
	return e.cfg.PollInterval
}

// activeWants are the wants about whose repo something was said in the last month.
func (r *remote) activeWants(now, since time.Time) []*want {
	var out []*want
	for _, w := range r.sortedWants() {
		if w.repo.active >= earliest(now, since).Add(-warm).Unix() || r.overflows() || r.polled {
			out = append(out, w)
		}
	}
	return out
}

// endRotation records the end of a rotation. One that was not answered in full leaves its since to the next.
func (r *remote) endRotation(p *pass) {
	x := r.rotation(p.kind)
	if p.failed {
		r.moved = union(r.moved, p.moved)
		return
	}
	if !x.since.IsZero() {
		x.took = p.started.Sub(x.since)
	}
	x.since = earliest(p.started, p.late)
	for v := range p.moved {
		if !p.seen[v] && r.live.Has(filters.Roots, v) { // not confirmed yet
			r.moved = union(r.moved, map[filters.Value]bool{v: true})
		}
	}
	if p.kind == rotateWarm && p.all && !r.overflows() {
		r.polled = false
	}
	if p.kind == rotateHot && r.live.Filters() == 0 && r.passSince.IsZero() && p.started.After(r.cursor) {
		r.cursor = p.started // nothing is live here: this is what keeps up
	}
}

// polls reports whether a rotation asks for a value. Coordinates and states are few, and what comes by them makes roots active: the hot one
// asks for all of them that are not live.
func (p *pass) polls(r *remote, f filters.Family, v filters.Value) bool {
	if f != filters.Roots && p.kind != rotateHot {
		return false
	}
	return p.all || !r.live.Has(f, v)
}

// tier reports whether the pass asks about what was active at that moment last. A rotation does within its time; what has left that
// since the last one is polled once more, because nobody else has asked since then.
func (p *pass) tier(active int64) bool {
	switch p.kind {
	case rotateHot:
		return active >= p.since.Add(-hot).Unix()
	case rotateWarm:
		return active >= p.since.Add(-warm).Unix() && active < p.started.Add(-hot).Unix()
	case catchUp, daily, around:
	}
	return true
}
