package relay

import (
	"errors"
	"slices"
	"time"

	"github.com/coder/websocket"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// link is what the core knows of the connection to the own relay: what is in flight, how fast it may go, and why it
// stands still.
type link struct {
	up         bool
	draining   bool // nothing more is sent
	maxMessage int  // bytes of one message, 0: not stated

	flights  map[event.ID]*work
	isolated bool   // the one in flight is a suspect
	bytes    int    // of flights
	orders   uint64 // sendings so far
	overtook uint64 // the newest sending that was answered
	heardAt  time.Time
	checkAt  time.Time // flights are looked through, zero when there are none
	suspects []*work   // to be sent one at a time, in this order

	pace      pace
	halted    string // why the own relay takes nothing from us, empty when it does
	haltedAt  uint64 // sendings by then
	welcomeAt uint64 // sendings by the last login
	probeAt   time.Time
	probes    int
	last      class // of the last answer
}

func newLink(perSecond float64) link {
	return link{flights: make(map[event.ID]*work), pace: newPace(perSecond)}
}

// takes reports whether an event may be sent now, but for the pace. While there are suspects, and while the own relay is
// being probed, one event is in flight at a time.
func (l *link) takes(now time.Time, o *PublisherOptions) bool {
	switch {
	case !l.up || l.draining:
		return false
	case l.halted != "" && now.Before(l.probeAt):
		return false
	case l.halted != "" || len(l.suspects) > 0 || l.isolated:
		return len(l.flights) == 0
	}
	return len(l.flights) < o.Window && l.bytes < o.WindowBytes
}

// launch puts a work in flight; a suspect goes alone.
func (l *link) launch(now time.Time, w *work, alone bool, answerWait time.Duration) {
	l.orders++
	l.isolated, w.alone = alone, alone
	w.stage, w.order, w.sentAt, w.lifted = flying, l.orders, now, false
	l.flights[w.event.ID] = w
	l.bytes += w.event.Size
	if l.checkAt.IsZero() {
		l.checkAt = now.Add(answerWait)
	}
}

// land takes a work out of flight. It is up to the caller where it goes.
func (l *link) land(w *work) {
	w.stage = waiting
	delete(l.flights, w.event.ID)
	l.bytes -= w.event.Size
	if w.alone {
		l.isolated, w.alone = false, false
	}
	if len(l.flights) == 0 {
		l.checkAt = time.Time{}
	}
}

// overdue gives the flights that are not waited for any longer. A slow relay that answers one event after the other gets
// more time for what it was sent later; what others have overtaken gets none.
func (l *link) overdue(now time.Time, answerWait time.Duration) []*work {
	if l.checkAt.IsZero() || now.Before(l.checkAt) {
		return nil
	}
	var late []*work
	l.checkAt = now.Add(answerWait)
	for _, w := range l.flights {
		waited := now.Sub(w.sentAt)
		switch {
		case waited < answerWait:
			l.checkAt = earliest(l.checkAt, w.sentAt.Add(answerWait))
		case w.order < l.overtook, now.Sub(l.heardAt) >= answerWait, waited >= answerCeiling:
			late = append(late, w)
		default:
			l.checkAt = earliest(l.checkAt, now.Add(answerWait/10+time.Millisecond))
		}
	}
	slices.SortFunc(late, byOrder)
	return late
}

// lost gives what was in flight when the connection ended, in the order it was sent.
func (l *link) lost() []*work {
	var all []*work
	for _, w := range l.flights {
		all = append(all, w)
	}
	slices.SortFunc(all, byOrder)
	return all
}

func byOrder(a, b *work) int {
	if a.order < b.order {
		return -1
	}
	return 1
}

// halt stops sending but for a probe now and then.
func (l *link) halt(now time.Time, why string) {
	wait := haltBase
	for range l.probes {
		wait = min(2*wait, haltMax)
	}
	l.halted, l.haltedAt, l.probeAt = why, l.orders, now.Add(wait)
	l.probes++
}

func (l *link) resume() { l.halted, l.probeAt, l.probes = "", time.Time{}, 0 }

var errNoAnswer = errors.New("no answer in time")

// crashWithin is how soon the own relay ends the connection over an event that it cannot stand.
const crashWithin = 10 * time.Second

// blames reports ends of a connection that the one event in flight may have brought about: not our own time-outs and hang-ups, and
// not the relay's goodbye.
func blames(why error) bool {
	var f *health.Failure
	if errors.As(why, &f) && slices.Contains([]health.Cause{health.CauseTimeout, health.CauseLocal, health.CauseRateLimit}, f.Cause) {
		return false
	}
	switch websocket.CloseStatus(why) {
	case websocket.StatusGoingAway, websocket.StatusServiceRestart, websocket.StatusTryAgainLater:
		return false
	}
	return true
}
