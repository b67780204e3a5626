package diff

import (
	"context"
	"fmt"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// The two connections.
const (
	own    relay.ConnID = 1
	remote relay.ConnID = 2
)

// wire is the two connections, and what they say.
type wire struct {
	fleets  map[relay.ConnID]*relay.Fleet
	names   map[relay.ConnID]string
	stop    context.CancelFunc
	inbox   chan message
	reports chan relay.Report
	up      map[relay.ConnID]bool
	down    map[relay.ConnID]*relay.Down
	batch   relay.BatchID
	gaps    bool // the remote relay has seconds with perhaps more events than it can be made to show
}

// message is what a connection hands over: an event, a mark, or ids of which it is to be told the unknown ones.
type message struct {
	event *relay.Delivery
	mark  *relay.Mark
	ids   []event.ID
	lack  chan<- []event.ID
}

func newWire(ctx context.Context, o Options) *wire {
	ctx, stop := context.WithCancel(ctx)
	w := &wire{
		fleets: map[relay.ConnID]*relay.Fleet{}, names: map[relay.ConnID]string{own: "the own relay", remote: string(o.Remote.URL)}, stop: stop,
		inbox: make(chan message, 256), reports: make(chan relay.Report, 16), up: map[relay.ConnID]bool{}, down: map[relay.ConnID]*relay.Down{},
	}
	for id, conn := range map[relay.ConnID]relay.ConnOptions{own: o.Own, remote: o.Remote} {
		conn.Sink, conn.Reports = w, w.reports
		w.fleets[id] = relay.NewFleet(ctx, relay.FleetOptions{Conn: conn})
		w.fleets[id].Dial(id, conn.URL, conn.Trust, conn.Learned)
	}
	return w
}

// close ends both connections and takes what they still say.
func (w *wire) close() {
	w.stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for _, f := range w.fleets {
			f.Wait()
		}
	}()
	for {
		select {
		case <-gone:
			return
		case m := <-w.inbox:
			if m.lack != nil {
				m.lack <- nil
			}
		case <-w.reports:
		}
	}
}

// opened waits until a relay is connected.
func (w *wire) opened(ctx context.Context, id relay.ConnID) error {
	for !w.up[id] {
		if err := w.gone(id); err != nil {
			return err
		}
		select {
		case r := <-w.reports:
			w.report(r)
		case <-w.inbox: // nothing was asked yet
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (w *wire) report(r relay.Report) {
	switch r := r.(type) {
	case relay.Up:
		w.up[r.ID] = true
	case relay.Down:
		w.up[r.ID], w.down[r.ID] = false, &r
	}
}

// gone is why a relay is not connected any more, nil while nobody has said so.
func (w *wire) gone(id relay.ConnID) error {
	d := w.down[id]
	switch {
	case d == nil:
		return nil
	case d.Failure != nil:
		return fmt.Errorf("%s: %w", w.names[id], d.Failure)
	default:
		return fmt.Errorf("%s: connection lost", w.names[id])
	}
}

// question is one batch of filters at one relay.
type question struct {
	to      relay.ConnID
	filters []nostr.Filter
	ours    relay.KnownIDs      // what need not be shown; nil: everything is
	knows   func(event.ID) bool // what is not to be fetched by id
	shown   func(*event.Event)
}

// partError says that a relay did not answer a question in full.
type partError struct{ relay, why string }

func (e *partError) Error() string {
	if e.why == "" {
		return e.relay + " did not answer in full"
	}
	return fmt.Sprintf("%s did not answer in full: %s", e.relay, e.why)
}

// ask puts a question and waits for the whole answer; its error is a *partError when the connection stands.
func (w *wire) ask(ctx context.Context, q question) error {
	if err := w.gone(q.to); err != nil {
		return err
	}
	w.batch++
	batch := w.batch
	w.fleets[q.to].Send(q.to, relay.AskBatch{Batch: relay.Batch{ID: batch, Filters: q.filters, Mode: relay.Historic, Ours: q.ours}})
	for {
		select {
		case m := <-w.inbox:
			switch {
			case m.lack != nil:
				m.lack <- unknown(m.ids, q.knows)
			case m.event != nil && m.event.Batch == batch:
				q.shown(m.event.Event)
			case m.mark != nil && m.mark.Final && m.mark.Batch == batch:
				return w.answered(q.to, *m.mark)
			}
		case r := <-w.reports:
			w.report(r)
			if err := w.gone(q.to); err != nil {
				return err
			}
		case <-ctx.Done(): // another question may follow
			w.fleets[q.to].Send(q.to, relay.CancelBatch{ID: batch})
			return ctx.Err()
		}
	}
}

// answered reads the end of a batch.
func (w *wire) answered(id relay.ConnID, m relay.Mark) error {
	for _, f := range m.Filters {
		if !f.Done || f.Failed {
			return &partError{w.names[id], m.Err}
		}
		w.gaps = w.gaps || (f.Gap && id == remote)
	}
	return nil
}

func unknown(ids []event.ID, knows func(event.ID) bool) []event.ID {
	var out []event.ID
	for _, id := range ids {
		if knows == nil || !knows(id) {
			out = append(out, id)
		}
	}
	return out
}

// Reserve grants at once: Compare takes what comes.
func (w *wire) Reserve(_ relay.ConnID, _ int, grant chan<- struct{}) { grant <- struct{}{} }

// Release has nothing to give back.
func (w *wire) Release(relay.ConnID, int) {}

// Room is there at once, for the same reason.
func (w *wire) Room(_ relay.ConnID, room chan<- struct{}) { room <- struct{}{} }

// Deliver hands over an event.
func (w *wire) Deliver(d relay.Delivery) { w.inbox <- message{event: &d} }

// Mark hands over the end of a page or batch.
func (w *wire) Mark(m relay.Mark) { w.inbox <- message{mark: &m} }

// Await asks which ids are to be fetched.
func (w *wire) Await(_ relay.ConnID, _ relay.BatchID, ids []event.ID, lack chan<- []event.ID) {
	w.inbox <- message{ids: ids, lack: lack}
}

// Gone needs no answer: Down follows.
func (w *wire) Gone(relay.ConnID) {}

var _ relay.Sink = (*wire)(nil)
