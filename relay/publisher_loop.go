package relay

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// inputBurst is how many messages of one channel are taken before the others are looked at again.
const inputBurst = 64

// loop is the shell around the core: one goroutine, its channels and its helpers.
type loop struct {
	p    *Publisher
	core *core
	own  *own

	checks  checks
	jobs    chan *check
	results chan *check
	back    chan input    // from helpers
	quit    chan struct{} // closed when the loop ends: helpers drop what they have
	helpers sync.WaitGroup

	stop     <-chan struct{} // the daemon ends
	draining bool
	timer    *time.Timer
	armed    time.Time // what timer is set to, zero: stopped
}

func newLoop(p *Publisher, c *core) *loop {
	n := p.o.Verifiers
	l := &loop{
		p: p, core: c,
		jobs:    make(chan *check, n),
		results: make(chan *check, 4*n),
		back:    make(chan input),
		quit:    make(chan struct{}),
		timer:   time.NewTimer(time.Hour),
	}
	l.timer.Stop()
	l.own = &own{loop: l, log: p.o.Log.With(zap.String("relay", string(p.o.Own)))}
	return l
}

func (l *loop) run(ctx context.Context) {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx)) // of the helpers: they outlive ctx while answers are due
	defer l.helpers.Wait()
	defer cancel()
	defer close(l.quit)
	for range l.p.o.Verifiers {
		l.spawn(l.verify)
	}
	l.own.start(inner)
	defer l.own.close()
	defer l.timer.Stop()

	l.core.pruneAt = time.Now().Add(pruneFirst)
	l.core.tick(time.Now())
	stop := ctx.Done()
	l.stop = stop
	var drained <-chan time.Time
	for {
		l.carryOut(inner)
		if l.draining && l.core.idle() {
			return
		}
		jobs, job := l.nextJob()
		select {
		case <-stop:
			stop, l.draining = nil, true
			l.core.drain()
			drained = time.After(l.p.o.Drain)
		case <-drained:
			return
		case jobs <- job:
			l.checks.begin(job)
		case c := <-l.results:
			l.takeResults(c)
		case in := <-l.p.inbox:
			l.takeInbox(in)
		case in := <-l.back:
			in(l.core, time.Now())
		case f, ok := <-l.own.frames():
			l.own.frame(f, ok)
		case <-l.own.over():
			l.own.ended(inner)
		case now := <-l.timer.C:
			l.armed = time.Time{}
			l.core.tick(now)
		}
	}
}

func (l *loop) spawn(f func()) {
	l.helpers.Add(1)
	go func() {
		defer l.helpers.Done()
		f()
	}()
}

// answer brings a helper's result to the loop.
func (l *loop) answer(in input) {
	select {
	case l.back <- in:
	case <-l.quit:
	}
}

func (l *loop) takeInbox(in input) {
	now := time.Now()
	for n := 1; ; n++ {
		in(l.core, now)
		if n == inputBurst {
			return
		}
		select {
		case in = <-l.p.inbox:
		default:
			return
		}
	}
}

// carryOut does what the core wants, and shows how it stands.
func (l *loop) carryOut(ctx context.Context) {
	for _, a := range l.core.take() {
		switch a := a.(type) {
		case verify:
			l.checks.push(a)
		case publish:
			l.own.send(a.msg)
		case tell:
			l.tell(a.report)
		case grant:
			select {
			case a.to <- struct{}{}:
			default: // it has a buffer of one and a connection asks once at a time
			}
		case lacking:
			select {
			case a.to <- a.ids:
			default: // as above
			}
		case readWaiting:
			l.look(ctx, func(ctx context.Context) input {
				rows, err := l.p.o.Ledger.WaitingEvents(ctx, a.ids)
				return func(c *core, now time.Time) { c.read(now, a.ids, rows, err) }
			})
		case readRefused:
			l.look(ctx, func(ctx context.Context) input {
				ids, position, err := l.p.o.Ledger.Refused(ctx, a.before, a.beyond, readChunk)
				return func(c *core, now time.Time) { c.refusedBefore(now, ids, position, err) }
			})
		case readIrrelevant:
			l.look(ctx, func(ctx context.Context) input {
				ids, err := l.p.o.Ledger.IrrelevantAddressed(ctx, a.ref.PubKey, a.ref.D)
				return func(c *core, now time.Time) { c.found(now, ids, err) }
			})
		case readAuthors:
			l.look(ctx, func(ctx context.Context) input {
				authors, err := l.p.o.Ledger.Authors(ctx, a.ids)
				return func(c *core, now time.Time) { c.gotAuthors(now, a.works, a.ids, authors, err) }
			})
		case readWritten:
			l.look(ctx, func(ctx context.Context) input {
				ids, err := l.p.o.Ledger.Written(ctx, a.by)
				return func(c *core, now time.Time) { c.gotWritten(now, ids, err) }
			})
		}
	}
	l.fillJobs()
	l.arm(l.core.next())
	l.show()
}

// look reads the store in a helper, for storeWait at most: a database can be gone without a word.
func (l *loop) look(ctx context.Context, read func(context.Context) input) {
	l.spawn(func() {
		ctx, cancel := context.WithTimeout(ctx, storeWait)
		defer cancel()
		l.answer(read(ctx))
	})
}

// tell waits for the engine, which is prompt. When the daemon ends it may be gone already.
func (l *loop) tell(r Report) {
	select {
	case l.p.o.Reports <- r:
		return
	default:
	}
	if l.draining {
		return
	}
	select {
	case l.p.o.Reports <- r:
	case <-l.stop:
	}
}

func (l *loop) arm(at time.Time) {
	if at.Equal(l.armed) {
		return
	}
	l.armed = at
	if at.IsZero() {
		l.timer.Stop()
		return
	}
	l.timer.Reset(max(0, time.Until(at)))
}

// show sets the gauges and the state that others read.
func (l *loop) show() {
	c := l.core
	var oldest time.Time
	if front := c.queue.Front(); front != nil {
		oldest = front.Value.(*work).at
	}
	l.p.o.Metrics.sized(len(c.works), len(c.pool.rows), oldest)
	l.p.o.Metrics.standsStill(c.link.halted != "")
	s := l.own.state
	s.Halted = c.link.halted
	s.Limited = c.link.last == classLimited
	s.PerSecond = c.link.pace.rate
	s.Stored, s.Queue, s.Pending = c.storedCount, len(c.works), len(c.pool.rows)
	s.ToGive, s.Left = c.toGive(), c.left()
	if s != *l.p.state.Load() {
		l.p.state.Store(&s)
	}
}
