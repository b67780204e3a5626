package relay

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// Publisher is the one writer to the own relay and the Sink of all connections. Run owns everything in it: a goroutine that
// takes what comes in one after the other, lets core decide, and carries out what core wants. It waits for nothing but
// its inbox and the engine's promptness; signatures are checked, the store is read and the own relay is dialled by
// helpers whose results come back as messages.
//
// What is published rests on scope, and scope on what the own relay says it holds: until Observed.Loaded events are
// verified and queued, but neither judged nor sent (PublisherOptions.PublishAtOnce lifts that).
type Publisher struct {
	o     PublisherOptions
	inbox chan input
	ended chan struct{} // closed when Run has returned
	state atomic.Pointer[OwnState]
}

// input is a message to the core, run by its owner.
type input func(c *core, now time.Time)

var _ Sink = (*Publisher)(nil)

// NewPublisher makes a Publisher. Its methods may be called before Run; they wait for it when the inbox is full.
func NewPublisher(o PublisherOptions) *Publisher {
	p := &Publisher{o: o.withDefaults(), inbox: make(chan input, 256), ended: make(chan struct{})}
	p.state.Store(&OwnState{})
	return p
}

// Run loads what the store knows, keeps a connection to the own relay and publishes until ctx ends. Then it sends
// nothing new, waits up to PublisherOptions.Drain for the answers that are due, and returns nil. What is queued then is dropped:
// nothing that rests on it was reported as settled, so it is fetched again. The only error is that of the store at
// the start, after a minute of trying. Run is called once.
func (p *Publisher) Run(ctx context.Context) error {
	defer close(p.ended)
	c, err := p.loaded(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	l := newLoop(p, c)
	l.run(ctx)
	return nil
}

// loaded gives a core that knows what the store knows. A store that does not answer is asked again: a database that is started anew is
// away for moments, and the rest of the daemon runs already.
func (p *Publisher) loaded(ctx context.Context) (*core, error) {
	for try := 1; ; try++ {
		c := newCore(p.o)
		err := p.load(ctx, c)
		if err == nil || try == loadTries {
			return c, err
		}
		p.o.Log.Warn("the store cannot be read, it is asked again", zap.Error(err), zap.Duration("in", storeRetry))
		select {
		case <-time.After(storeRetry):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (p *Publisher) load(ctx context.Context, c *core) error {
	var rows []Waiting
	if err := p.o.Ledger.LoadWaiting(ctx, func(w Waiting) { rows = append(rows, w) }); err != nil {
		return fmt.Errorf("load pending events: %w", err)
	}
	var graves []Grave
	if err := p.o.Ledger.LoadGraves(ctx, func(g Grave) { graves = append(graves, g) }); err != nil {
		return fmt.Errorf("load graves: %w", err)
	}
	var err error
	c.load(func(yield func(event.ID, Disposition)) { err = p.o.Ledger.LoadKnown(ctx, yield) }, rows, graves)
	if err != nil {
		return fmt.Errorf("load known events: %w", err)
	}
	var held []event.ID
	for _, w := range rows {
		if w.Cause == CauseHeld {
			held = append(held, w.ID)
		}
	}
	var as []*nip34.Announcement
	for ids := range slices.Chunk(held, readChunk) {
		events, err := p.o.Ledger.WaitingEvents(ctx, ids)
		if err != nil {
			return fmt.Errorf("load held events: %w", err)
		}
		as = append(as, c.loadHeld(events)...)
	}
	c.tellHeld(as, true)
	if err := p.o.Ledger.LoadBooked(ctx, c.loadBooked); err != nil {
		return fmt.Errorf("load refused and irrelevant events: %w", err)
	}
	if err := p.o.Ledger.LoadOffers(ctx, c.setOffer); err != nil {
		return fmt.Errorf("load refused events: %w", err)
	}
	return nil
}

// put hands a message to the loop, and drops it when that has ended.
func (p *Publisher) put(in input) {
	select {
	case p.inbox <- in:
	case <-p.ended:
	}
}

// Reserve asks for room for n historic events; see Sink.
func (p *Publisher) Reserve(id ConnID, n int, granted chan<- struct{}) {
	p.put(func(c *core, now time.Time) { c.reserve(now, request{id, n, granted}) })
}

// Release gives back reserved room; see Sink.
func (p *Publisher) Release(id ConnID, n int) {
	p.put(func(c *core, now time.Time) { c.release(now, id, n) })
}

// Room asks for room in bytes; see Sink.
func (p *Publisher) Room(id ConnID, to chan<- struct{}) {
	p.put(func(c *core, now time.Time) { c.askRoom(now, room{id, to}) })
}

// Deliver hands over one event; see Sink.
func (p *Publisher) Deliver(d Delivery) {
	p.put(func(c *core, now time.Time) { c.deliver(now, d) })
}

// Mark follows the events that it counts; see Sink.
func (p *Publisher) Mark(m Mark) {
	p.put(func(c *core, now time.Time) { c.mark(now, m) })
}

// Gone ends a connection; see Sink.
func (p *Publisher) Gone(id ConnID) {
	p.put(func(c *core, now time.Time) { c.gone(now, id) })
}

// Observe hands over facts of the own relay. It may be called from any goroutine and waits for the loop at most.
func (p *Publisher) Observe(o Observed) {
	p.put(func(c *core, now time.Time) { c.observed(now, o) })
}

// Held hands over events that the own relay has shown in a survey, with over the last of them. It waits for the loop, and gives the
// number of the last row in the ledger's queue, theirs included; false when the loop has ended.
func (p *Publisher) Held(events []*event.Event, over bool) (Seq, bool) {
	done := make(chan Seq, 1)
	p.put(func(c *core, now time.Time) {
		c.surveyed(now, events, over)
		done <- c.seq
	})
	select {
	case seq := <-done:
		return seq, true
	case <-p.ended:
		return 0, false
	}
}

// Lost hands over events that the own relay had and has no longer: they are published again when they come again. It waits for the loop, and
// gives how many of them were known as stored.
func (p *Publisher) Lost(ids []event.ID) int {
	done := make(chan int, 1)
	p.put(func(c *core, now time.Time) { done <- c.lost(now, ids) })
	select {
	case n := <-done:
		return n
	case <-p.ended:
		return 0
	}
}

// OwnState is how the publisher stands with the own relay.
type OwnState struct {
	Up        bool
	Since     time.Time // of Up or of its end, zero before the first
	Err       string    // why it is not up; hostile text
	Halted    string    // why it takes nothing from us, empty when it does; hostile text
	Limited   bool      // its last answer was rate-limited
	PerSecond float64   // the rate kept to, 0: none
	Stored    int       // events it took newly since the start
	Queue     int       // events without an outcome
	Pending   int       // rows of the pending table
	ToGive    int       // events in both that only wait for it to take them

	// Left is how long giving them takes at the rate at which it took events so far, 0 when that is not known. While it is not up,
	// from the moment that it is.
	Left time.Duration
}

// Ready reports whether events get through: the socket is open, and the last answer was neither auth nor limited.
func (s OwnState) Ready() bool { return s.Up && s.Halted == "" && !s.Limited }

// Own gives the newest state. It may be called from any goroutine.
func (p *Publisher) Own() OwnState { return *p.state.Load() }
