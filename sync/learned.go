package sync

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/relay"
)

// asideKept bounds the values that one relay may refuse.
const asideKept = 1000

// limited obeys a relay that asked for a pause.
func (e *Engine) limited(r *remote, l relay.Limited, now time.Time) {
	r.lastNote = l.Reason
	r.health = e.cfg.Health.Limited(r.health, now, &health.Failure{Cause: health.CauseRateLimit})
	if l.REQsPerMinute > 0 {
		r.learned.REQsPerMinute = relay.Cap{N: l.REQsPerMinute, Until: now.Add(e.cfg.LearnedFor)}
	}
	r.unsafe = true
}

// evidence obeys a relay that takes less than we thought, for a day.
func (e *Engine) evidence(r *remote, v relay.Evidence, now time.Time) {
	if v.Negentropy {
		r.reconciles = true
		return
	}
	if v.NoNegentropy == "" { // the mode's reason says it
		r.lastNote = v.Reason
	}
	k, until := &r.learned, now.Add(e.cfg.LearnedFor)
	for _, l := range []struct {
		cap  *relay.Cap
		seen int
	}{{&k.Subscriptions, v.Subscriptions}, {&k.FiltersPerREQ, v.FiltersPerREQ}, {&k.MessageBytes, v.MessageBytes}} {
		if l.seen > 0 {
			*l.cap = relay.Cap{N: l.seen, Until: until}
		}
	}
	if v.StateKinds {
		k.StateKinds = until
	}
	if v.Late {
		r.nextFull = now // what is confirmed may be less than what there is
		r.richAgain()
	}
	if v.NoNegentropy != "" {
		r.reconciles = false
		k.NoNegentropy, k.NoNegentropyWhy = until, v.NoNegentropy
		if v.Withholds {
			k.NoNegentropy = now.Add(e.cfg.SampleEvery)
			e.askAllAnew(r, now)
		}
	}
	if v.Value != "" && len(k.Aside) < asideKept && !slices.ContainsFunc(k.Aside, func(a relay.SetAside) bool { return a.Value == v.Value }) {
		k.Aside = append(k.Aside, relay.SetAside{Tag: v.Tag, Value: v.Value, Reason: v.Reason, Until: until})
		e.log.Warn("relay refuses a value, which is set aside for a day",
			zap.String("relay", string(r.url)), zap.String("tag", v.Tag), zap.String("value", v.Value), zap.String("reason", v.Reason))
	}
	r.unsafe = true
	e.relearn(r, now)
}

// askAllAnew begins the daily pass again: what was reconciled so far says nothing about what the relay has.
func (e *Engine) askAllAnew(r *remote, now time.Time) {
	if r.daily != nil {
		e.dropPass(r, r.daily)
	}
	r.richAgain()
	r.nextFull = now
	e.touch(r)
	if r.phase == Syncing {
		e.startPass(r, time.Time{}, now)
		r.nextFull = e.fullAfter(now)
	}
}

// foreign switches the wide filters of a relay off for a day: they bring more than they are worth.
func (e *Engine) foreign(r *remote, now time.Time) {
	if !r.wide {
		return
	}
	r.learned.NoWide, r.unsafe = now.Add(e.cfg.LearnedFor), true
	r.lastNote = "wide filters off: over five foreign events a second"
	e.relay(r, now)
}

// relearn applies what is learned of a connected relay, after it changed or expired.
func (e *Engine) relearn(r *remote, now time.Time) {
	before := r.limits
	back := e.learn(r, now) // to be live again
	if r.limits != before {
		e.emit(Tell{r.conn, relay.SetLimits{Limits: r.limits}})
	}
	if back || r.liveBudget(e.cfg.TagsPerFilter, now) != r.laidFor {
		e.relay(r, now)
		return
	}
	e.setAside(r)
}

// mode says how the history of the relay is asked, and why; why may be hostile text.
func (r *remote) mode(now time.Time) (mode, why string) {
	switch {
	case r.reconciles:
		return "negentropy", "it answers NIP-77"
	case now.Before(r.learned.NoNegentropy):
		return "paged", r.learned.NoNegentropyWhy
	}
	return "paged", "NIP-77 was not needed yet"
}

// learn forgets what has expired, and computes what holds now. It reports whether values are no longer set aside.
func (e *Engine) learn(r *remote, now time.Time) (back bool) {
	for _, a := range r.learned.Forget(now) {
		e.askAgain(r, a.Value)
		back, r.unsafe = true, true
	}
	r.limits = r.learned.Apply(r.stated, now)
	r.aside = nil
	for _, a := range r.learned.Aside {
		if a.Tag == "kinds" {
			continue // what we ask for does not depend on it
		}
		if r.aside == nil {
			r.aside = map[string]bool{}
		}
		r.aside[a.Value] = true
	}
	return back
}

// askAgain takes back that a value was asked: it was left out of whatever asked for it.
func (e *Engine) askAgain(r *remote, value string) {
	again := func(p *progress, w *want, n int) {
		if n >= 0 {
			span := Span{uint32(n), uint32(n) + 1}
			p.confirmed.Remove(span)
			p.asked.Remove(span)
			e.persist(w.row())
			e.queue(w)
		}
	}
	for f, v := range e.names.all(value) {
		switch f {
		case filters.Repos:
			ref := e.names.coords.names[v]
			for _, x := range e.tagged[ref] {
				if w := r.wants[x.ref]; w != nil && w.listed {
					again(&w.coords, w, slices.Index(x.coords, ref))
				}
			}
		case filters.Roots:
			for _, x := range e.homesOf(v) {
				if w := r.wants[x.ref]; w != nil && w.listed {
					again(&w.roots, w, slices.Index(x.roots, v))
				}
			}
		case filters.States:
			for _, w := range r.sortedWants() {
				if w.repo.ref.D == value {
					w.states, w.statesAsked = false, false
					e.persist(w.row())
					e.queue(w)
				}
			}
		}
	}
}

// refuses reports a value that is set aside.
func (r *remote) refuses(value fmt.Stringer) bool { return len(r.aside) > 0 && r.aside[value.String()] }

// taken are those of the values that the relay takes.
func taken[V fmt.Stringer](r *remote, values []V) []V {
	if len(r.aside) == 0 {
		return values
	}
	return slices.DeleteFunc(slices.Clone(values), func(v V) bool { return r.aside[v.String()] })
}

// setAside takes the values that the relay refuses out of the live set.
func (e *Engine) setAside(r *remote) {
	for value := range r.aside {
		for f, v := range e.names.all(value) {
			r.live.Remove(f, v)
		}
	}
}

// planLearned tries the relay again, where something that was learned has expired, as if it had not been said.
func (e *Engine) planLearned(r *remote, now time.Time) {
	if at := r.learned.Expires(); !at.IsZero() && !now.Before(at) {
		r.unsafe = true
		e.relearn(r, now)
	}
}
