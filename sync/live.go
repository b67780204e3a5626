package sync

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/relay"
)

// offersKept bounds the roots that wait for a place among those that are live.
const offersKept = 4096

// liveBudget leaves a quarter of the subscriptions, at least two, to historic work (DESIGN §5).
func (r *remote) liveBudget(perFilter int, now time.Time) filters.Budget {
	free := max(2, r.limits.Subscriptions/4)
	b := filters.Budget{
		Subs:          max(1, r.limits.Subscriptions-free),
		FiltersPerREQ: r.limits.FiltersPerREQ,
		MessageBytes:  r.limits.MessageBytes,
		Values:        perFilter,
		StateKinds:    r.limits.StateKinds,
	}
	if r.deaf(now) {
		b.Subs = 0
	}
	return b
}

// deaf reports a relay where nothing is asked live: it refuses that, or allows only one subscription, which history needs.
func (r *remote) deaf(now time.Time) bool {
	return r.limits.Subscriptions < 2 || now.Before(r.learned.NoLive)
}

// layOut packs the live set anew for the limits of the connection: the wide filters stand in for what does not fit, and of the roots
// those that were active last come first.
func (e *Engine) layOut(r *remote, now time.Time) {
	if r.live == nil {
		r.live = filters.NewLiveSet(e.names.text)
	}
	b := r.liveBudget(e.cfg.TagsPerFilter, now)
	want := filters.Wants{Repos: e.liveCoords(r), States: e.liveStates(r), Roots: e.liveRoots(r)}
	r.left = r.live.Lay(b, want)
	if r.overflows() {
		b.Wide = b.Subs > 0 && !now.Before(r.learned.NoWide)
		sorted := slices.Collect(want.Roots)
		slices.SortStableFunc(sorted, func(a, b filters.Value) int { return cmp.Compare(e.roots[b].active, e.roots[a].active) })
		want.Roots = slices.Values(sorted)
		r.left = r.live.Lay(b, want)
	}
	r.wide, r.offers = b.Wide, nil
	b.Wide = false
	r.laidFor, r.laidAt = b, now
	r.laid, r.packed = r.live.Filters(), r.live.Packed()
	r.polled = r.polled || r.overflows()
	for _, x := range []*rotation{&r.heat, &r.warmth} {
		if x.pass != nil { // it has not come to all of what is live now
			x.pass.all = x.pass.all || r.polled
		}
	}
}

func (e *Engine) liveCoords(r *remote) iter.Seq[filters.Value] {
	return func(yield func(filters.Value) bool) {
		for _, w := range r.sortedWants() {
			if !w.listed {
				continue
			}
			for _, c := range w.repo.currentCoords() {
				if !r.refuses(c) && !yield(e.names.coords.of[c]) {
					return
				}
			}
		}
	}
}

func (e *Engine) liveStates(r *remote) iter.Seq[filters.Value] {
	return func(yield func(filters.Value) bool) {
		seen := map[string]bool{}
		for _, w := range r.sortedWants() {
			d := w.repo.ref.D
			if seen[d] || r.aside[d] {
				continue
			}
			seen[d] = true
			if !yield(e.names.identifiers.of[d]) {
				return
			}
		}
	}
}

func (e *Engine) liveRoots(r *remote) iter.Seq[filters.Value] {
	return func(yield func(filters.Value) bool) {
		seen := map[filters.Value]bool{}
		for _, w := range r.sortedWants() {
			if !w.listed {
				continue
			}
			for _, v := range w.repo.roots {
				if e.gone(v) {
					continue
				}
				if len(e.shared[v]) > 1 { // of several repos: once
					if seen[v] {
						continue
					}
					seen[v] = true
				}
				if !r.refuses(e.names.roots.names[v]) && !yield(v) {
					return
				}
			}
		}
	}
}

// overflows reports whether wanted values have no room in live filters.
func (r *remote) overflows() bool { return r.left != [3]int{} }

// listen asks for values live, but for those that the relay refuses. A root that does not fit waits for the next exchange.
func (e *Engine) listen(r *remote, f filters.Family, values ...filters.Value) {
	if r.live == nil {
		return
	}
	if len(r.aside) > 0 {
		values = slices.DeleteFunc(slices.Clone(values), func(v filters.Value) bool { return r.aside[e.names.text(f, v)] })
	}
	left := r.live.Add(f, values...)
	r.left[f] += len(left)
	if f == filters.Roots {
		r.offer(left...)
	}
}

// ignore stops asking for values live.
func (r *remote) ignore(f filters.Family, values ...filters.Value) {
	if r.live == nil {
		return
	}
	for _, v := range values {
		if r.live.Has(f, v) {
			r.live.Remove(f, v)
		} else {
			r.left[f] = max(0, r.left[f]-1)
		}
	}
}

// offer proposes roots for a place among those that are live.
func (r *remote) offer(values ...filters.Value) {
	r.offers = append(r.offers, values[:min(len(values), offersKept-len(r.offers))]...)
}

// exchange gives the places of roots that have been silent longest to those that were offered and are more active. What moves, either way,
// is polled by the rotation that follows; it gives what has become live.
func (e *Engine) exchange(r *remote) (moved map[filters.Value]bool) {
	offers := slices.DeleteFunc(r.offers, func(v filters.Value) bool {
		return r.live.Has(filters.Roots, v) || !slices.ContainsFunc(e.homesOf(v), func(x *repo) bool { return r.wants[x.ref] != nil })
	})
	r.offers = nil
	if len(offers) == 0 {
		return nil
	}
	active := func(a, b filters.Value) int {
		return cmp.Or(cmp.Compare(e.roots[a].active, e.roots[b].active), cmp.Compare(a, b))
	}
	slices.SortFunc(offers, active)
	offers = slices.Compact(offers)
	slices.Reverse(offers)
	moved = map[filters.Value]bool{}
	for _, v := range offers {
		moved[v] = true
	}
	offers = r.live.Add(filters.Roots, offers...) // room that was freed
	live := slices.SortedFunc(r.live.Values(filters.Roots), active)
	n := 0
	for n < min(len(offers), len(live)) && e.roots[offers[n]].active > e.roots[live[n]].active {
		n++
	}
	r.live.Remove(filters.Roots, live[:n]...)
	r.live.Add(filters.Roots, offers[:n]...)
	return moved
}

// recount counts what is wanted and not live: the running count does not know what several repos share.
func (e *Engine) recount(r *remote) {
	for _, x := range []struct {
		family filters.Family
		values iter.Seq[filters.Value]
	}{{filters.Repos, e.liveCoords(r)}, {filters.States, e.liveStates(r)}, {filters.Roots, e.liveRoots(r)}} {
		r.left[x.family] = 0
		for v := range x.values {
			if !r.live.Has(x.family, v) {
				r.left[x.family]++
			}
		}
	}
}

// planLive sends what has changed of the live set.
func (e *Engine) planLive(r *remote, now time.Time) {
	switch {
	case !r.wide && r.overflows() && !r.deaf(now) && !now.Before(r.learned.NoWide):
		e.relay(r, now)
	case r.wide && !r.overflows():
		e.relay(r, now)
	case !r.busy() && r.scattered(e.cfg.MaxFilters):
		// consolidation, phase two: everything new has settled
		e.relay(r, now)
	}
	if !r.reopenAt.IsZero() && !now.Before(r.reopenAt) {
		e.reopen(r, now)
	}
	open, closed := r.live.Changes()
	if len(open) > 0 || len(closed) > 0 {
		e.emit(Tell{r.conn, relay.SetLive{Open: open, Close: closed}})
	}
}

// relay lays the live set out anew. Values move between subscriptions: what passes by meanwhile is asked for.
func (e *Engine) relay(r *remote, now time.Time) {
	e.layOut(r, now)
	r.closedSubs, r.reopenAt = nil, time.Time{} // all are sent anew
	e.startPass(r, e.gapSince(r), now)
}

// scattered reports a live set that packing would make smaller by a fifth, and by at least ten filters (DESIGN §5, consolidation).
func (r *remote) scattered(most int) bool {
	have := r.live.Filters()
	if have <= most || r.pass != nil || r.daily != nil {
		return false
	}
	saved := have - r.live.Packed()*r.laid/max(1, r.packed)
	return saved >= 10 && 5*saved >= have
}

// gapSince is the since of a pass that closes a gap in what was live.
func (e *Engine) gapSince(r *remote) time.Time {
	from := r.cursor
	switch {
	case !r.passSince.IsZero():
		return r.passSince
	case from.IsZero():
		from = r.health.UpSince
	}
	return from.Add(-e.cfg.SinceOverlap)
}

// closed opens a live subscription that the relay ended again after a while, and asks for what was missed.
func (e *Engine) closed(r *remote, c relay.Closed, now time.Time) {
	r.lastNote = c.Reason
	if r.deaf(now) {
		return
	}
	r.closedSubs = append(r.closedSubs, c.Sub)
	if r.reopenAt.IsZero() {
		r.reopenAt = now.Add(health.Doubled(e.cfg.RetryBase, r.reopened, e.cfg.RetryMax))
	}
	if since := e.gapSince(r); !since.Equal(r.passSince) {
		r.passSince, r.unsafe = since, true
	}
}

// doubtAfter is how often in a row live subscriptions are opened again as they are.
const doubtAfter = 3

// reopen asks again for subscriptions that the relay has ended. What it ends again and again is asked in smaller REQs, and in the end
// not live at all.
func (e *Engine) reopen(r *remote, now time.Time) {
	r.reopenAt = time.Time{}
	r.reopened, r.reopenedAt = r.reopened+1, now // each time costs a pass
	ended := r.closedSubs
	r.closedSubs = nil
	if r.reopened%doubtAfter == 0 && e.doubt(r, now) {
		return
	}
	open, closed := r.live.Changes() // All counts everything as sent
	for _, s := range r.live.All() {
		if slices.Contains(ended, s.ID) && !slices.ContainsFunc(open, func(o relay.Sub) bool { return o.ID == s.ID }) {
			open = append(open, s)
		}
	}
	if len(open) > 0 || len(closed) > 0 {
		e.emit(Tell{r.conn, relay.SetLive{Open: open, Close: closed}})
	}
	e.startPass(r, e.gapSince(r), now)
}

const (
	fewestFilters = 3 // those of one chunk
	fewestBytes   = 8 << 10
)

// doubt learns from a relay that ends live subscriptions whatever we do, and reports whether that changed anything.
func (e *Engine) doubt(r *remote, now time.Time) bool {
	until := now.Add(e.cfg.LearnedFor)
	switch l := r.limits; {
	case r.health.Cooldowns > 0: // it is the pace
		return false
	case l.FiltersPerREQ > fewestFilters:
		r.learned.FiltersPerREQ = relay.Cap{N: max(fewestFilters, l.FiltersPerREQ/2), Until: until}
	case l.MessageBytes > fewestBytes:
		r.learned.MessageBytes = relay.Cap{N: max(fewestBytes, l.MessageBytes/2), Until: until}
	default:
		r.learned.NoLive = until
	}
	r.unsafe = true
	e.relearn(r, now)
	return true
}

// notLive counts the values that are wanted and not live.
func (r *remote) notLive() int {
	return r.left[filters.Repos] + r.left[filters.States] + r.left[filters.Roots]
}

// byID counts the values that are live.
func (r *remote) byID() int {
	return r.live.Len(filters.Repos) + r.live.Len(filters.States) + r.live.Len(filters.Roots)
}
