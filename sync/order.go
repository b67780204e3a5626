package sync

import (
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Order is a change that the operator wants now. Done is told how it went, and has a buffer of one.
type Order struct {
	Verb Verb
	URL  relayurl.URL // zero with SyncNow: every relay
	Done chan<- error
}

// Verb says what an Order wants.
type Verb uint8

const (
	SyncNow Verb = iota // a full pass, and a dial if need be
	Pair                // pin a relay; kept in the store
	Unpair              // let go of a relay that was paired
)

// Errors of an Order.
var (
	ErrNotTracked = errors.New("this relay is not known; 'ngit-sync pair' makes it so")
	ErrNoPlace    = errors.New("this relay has no place among limits.max_relays; 'ngit-sync pair' gives it one")
	ErrOwnRelay   = errors.New("this is the own relay")
	ErrConfigured = errors.New("the configuration names this relay: take it out of sync.bootstrap or sync.pinned")
	ErrDenied     = errors.New("scope.deny_relays or scope.allow_relays keeps this relay out")
	ErrNotPaired  = errors.New("this relay was not paired")
)

// Order carries out what the operator wants.
func (e *Engine) Order(o Order, now time.Time) error {
	defer e.flush(now)
	switch o.Verb {
	case Pair:
		return e.pair(o.URL)
	case Unpair:
		return e.unpair(o.URL)
	case SyncNow:
	}
	if o.URL == "" {
		for _, r := range e.sortedRelays() {
			e.syncNow(r, now)
		}
		return nil
	}
	r := e.relays[o.URL]
	switch {
	case r == nil && e.election.candidates[o.URL] == nil:
		return ErrNotTracked
	case r == nil, !r.operator() && r.place.IsZero():
		return ErrNoPlace
	}
	e.syncNow(r, now)
	return nil
}

// syncNow makes a relay due for a full pass and for what has failed there, and for a dial unless it has named a later moment itself.
func (e *Engine) syncNow(r *remote, now time.Time) {
	e.passAgain(r, now)
	for _, b := range r.waiting {
		b.retryAt = time.Time{}
	}
	if r.phase == Disconnected {
		r.health = e.cfg.Health.Due(r.health, now)
	}
}

func (e *Engine) pair(u relayurl.URL) error {
	switch r := e.relays[u]; {
	case e.cfg.Own(u):
		return ErrOwnRelay
	case e.cfg.excluded(u):
		return ErrDenied
	case r == nil:
		leftOut := e.election.candidates[u] == nil
		if r = e.newRemote(u, Paired); leftOut {
			e.nameAgain(u)
		}
		e.employ(r)
	case r.operator():
		return nil // it is, or is configured
	default:
		e.stepBack(r)
		e.release(r)
		r.origin = Paired
		e.operator = append(e.operator, r)
		e.employ(r)
	}
	e.log.Info("relay paired", zap.String("relay", string(u)))
	return nil
}

// employ wants states of every repo from a relay of the operator, as from the others of his, and all of those that name it: one that had
// no place has no wants yet.
func (e *Engine) employ(r *remote) {
	c := e.candidate(r.url)
	for _, ref := range e.sortedRepos() {
		if repo := e.repos[ref]; repo.wants[r.url] == nil {
			e.join(repo, r, c.repos[repo])
		}
	}
	r.unsafe = true
	e.touch(r)
}

func (e *Engine) unpair(u relayurl.URL) error {
	r := e.relays[u]
	switch {
	case r == nil || r.origin == Discovered:
		return ErrNotPaired
	case r.origin != Paired:
		return ErrConfigured
	}
	r.origin = Discovered
	e.operator = slices.DeleteFunc(e.operator, func(x *remote) bool { return x == r })
	c := e.candidate(u)
	for _, w := range r.sortedWants() {
		if !c.repos[w.repo] {
			e.leave(w)
		}
	}
	e.election.fresh = append(e.election.fresh, c)
	r.unsafe = true
	e.touch(r)
	e.log.Info("relay unpaired", zap.String("relay", string(u)))
	return nil
}
