package sync

import (
	"context"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// Wire carries out the engine's effects on connections. Its methods never block.
type Wire interface {
	Dial(id relay.ConnID, u relayurl.URL, trust relay.Trust, learned relay.Learned)
	Send(id relay.ConnID, c relay.Command)
	Hangup(id relay.ConnID)
}

// Own reads from the own relay. Ask never blocks: the engine has at most one unanswered.
type Own interface {
	Ask(refs []event.Ref, roots []event.ID)
}

// Runner is the goroutine around an Engine.
type Runner struct {
	Engine  *Engine
	Wire    Wire
	Own     Own
	Store   Store
	Ledger  Ledger
	Facts   <-chan selfsub.Facts
	Reports <-chan relay.Report
	Orders  <-chan Order
	Forget  func(relayurl.URL) // deletes what others keep of a relay; never blocks
	Publish func(*Snapshot)    // called at most once a second, and once at the end

	stopped   chan struct{}
	questions []Recall // to the ledger, not yet asked
}

// NewRunner makes the goroutine's shell; Run starts it.
func NewRunner(r Runner) *Runner {
	r.stopped = make(chan struct{})
	return &r
}

// Stopped is closed once no more connections are dialled.
func (r *Runner) Stopped() <-chan struct{} { return r.stopped }

const snapshotEvery = time.Second

// Run owns the engine until done is closed. When ctx ends it hangs up everywhere and goes on taking reports, so that what
// is in flight settles; whoever closes done has waited for connections and publisher to end.
func (r *Runner) Run(ctx context.Context, done <-chan struct{}) {
	e := r.Engine
	clerk := startClerk(ctx, r.Ledger)
	defer clerk.stop()
	mender := startMender(ctx, r.Store)
	defer mender.stop()
	e.Start(time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	var published time.Time
	stale, stopping := true, ctx.Done()
	for {
		r.do(e.Take())
		now := time.Now()
		if stale && now.Sub(published) >= snapshotEvery {
			r.Publish(e.Snapshot(now))
			published, stale = now, false
		}
		next := e.Next()
		if stale {
			next = earliest(next, published.Add(snapshotEvery))
		}
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, next.Sub(now)))
		}
		var question Recall
		ask := clerk.questions
		if len(r.questions) > 0 {
			question = r.questions[0]
		} else {
			ask = nil
		}
		select {
		case ask <- question:
			r.questions = r.questions[1:]
		case a := <-clerk.answers:
			e.Recalled(a.number, a.Recalled, a.err, time.Now())
			stale = true
		case seq := <-mender.mended:
			e.Lost(time.Now())
			r.Store.Recover(seq) // before the rows that follow from that
			stale = true
		case f := <-r.Facts:
			e.Facts(f, time.Now())
			stale = true
		case rep := <-r.Reports:
			e.Report(rep, time.Now())
			stale = true
		case o := <-r.Orders:
			o.Done <- e.Order(o, time.Now())
			stale = true
		case <-timer.C:
			e.Tick(time.Now())
			stale = true
		case <-stopping:
			stopping = nil
			e.Stop()
			r.do(e.Take())
			close(r.stopped)
			stale = true
		case <-done:
			r.drain()
			return
		}
	}
}

// drain takes in what was reported before everyone else stopped.
func (r *Runner) drain() {
	for {
		select {
		case rep := <-r.Reports:
			r.Engine.Report(rep, time.Now())
		default:
			r.do(r.Engine.Take())
			r.Publish(r.Engine.Snapshot(time.Now()))
			return
		}
	}
}

func (r *Runner) do(effects []Effect) {
	for _, x := range effects {
		switch x := x.(type) {
		case Dial:
			r.Wire.Dial(x.ID, x.URL, x.Trust, x.Learned)
		case Tell:
			r.Wire.Send(x.ID, x.Command)
		case Hangup:
			r.Wire.Hangup(x.ID)
		case Persist:
			r.Store.Apply(x.Rows, x.Rests)
		case Forget:
			r.Forget(x.URL)
		case AskOwn:
			r.Own.Ask(x.Refs, x.Roots)
		case Recall:
			r.questions = append(r.questions, x)
		}
	}
}
