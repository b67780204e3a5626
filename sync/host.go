package sync

import (
	"slices"
	"time"
)

const (
	perHost  = 2             // connections to one host (DESIGN §5, manners)
	turnTime = time.Hour     // a relay that has caught up makes way after that when others of its host wait
	longTurn = 6 * time.Hour // likewise one that has not
)

// host is what is open, and who waits, at one host. Relays that the operator named are not counted.
type host struct {
	conns   int
	waiting []*remote // due, first come first served
}

// admitted reports whether the relay may be dialled now; if not it waits for its turn at its host.
func (e *Engine) admitted(r *remote) bool {
	if r.operator() {
		return true
	}
	name := r.url.Hostname()
	h := e.hosts[name]
	if h == nil {
		h = &host{}
		e.hosts[name] = h
	}
	at := slices.Index(h.waiting, r)
	if h.conns < perHost && (at == 0 || len(h.waiting) == 0) {
		h.waiting = slices.DeleteFunc(h.waiting, func(x *remote) bool { return x == r })
		return true
	}
	if at < 0 {
		h.waiting = append(h.waiting, r)
	}
	return false
}

// occupy counts a connection to a host, and leave one less; then the next is due.
func (e *Engine) occupy(r *remote, n int) {
	if n > 0 {
		r.counted = !r.operator() // as long as the connection lasts, whatever the operator says meanwhile
	}
	if !r.counted {
		return
	}
	name := r.url.Hostname()
	h := e.hosts[name]
	h.conns += n
	if len(h.waiting) > 0 && h.conns < perHost {
		e.touch(h.waiting[0])
	}
	if h.conns == 0 && len(h.waiting) == 0 {
		delete(e.hosts, name)
	}
}

// waits reports whether the relay waits for its turn.
func (e *Engine) waits(r *remote) bool {
	h := e.hosts[r.url.Hostname()]
	return h != nil && slices.Contains(h.waiting, r)
}

// stepBack takes a relay that is not to be dialled out of the queue of its host. It may have been its turn.
func (e *Engine) stepBack(r *remote) {
	if h := e.hosts[r.url.Hostname()]; h != nil {
		h.waiting = slices.DeleteFunc(h.waiting, func(x *remote) bool { return x == r })
		if len(h.waiting) > 0 && h.conns < perHost {
			e.touch(h.waiting[0])
		}
		if h.conns == 0 && len(h.waiting) == 0 {
			delete(e.hosts, r.url.Hostname())
		}
	}
}

// turnEnds is when the relay makes way for others of its host, zero when nobody waits.
func (e *Engine) turnEnds(r *remote) time.Time {
	h := e.hosts[r.url.Hostname()]
	switch {
	case h == nil || len(h.waiting) == 0 || r.operator():
	case r.phase == Connected || r.phase == ConnectedDegraded:
		return r.health.UpSince.Add(turnTime)
	case r.phase == Syncing:
		return r.health.UpSince.Add(longTurn)
	}
	return time.Time{}
}

// planTurn hangs up when others have waited long enough.
func (e *Engine) planTurn(r *remote, now time.Time) {
	if at := e.turnEnds(r); !at.IsZero() && !now.Before(at) && !r.leaving {
		r.leaving = true
		e.emit(Hangup{r.conn})
	}
}
