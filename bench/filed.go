package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/badline"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// noLedger is a relay.Ledger that remembers nothing: what the publisher reaches with it, no database can slow down.
type noLedger struct{ seq relay.Seq }

func (l *noLedger) next() relay.Seq { l.seq++; return l.seq }

func (l *noLedger) Record(relay.Entry) relay.Seq         { return l.next() }
func (l *noLedger) Park(relay.Waiting) (relay.Seq, bool) { return l.next(), true }
func (l *noLedger) Unpark(event.ID) relay.Seq            { return l.next() }
func (l *noLedger) Forget([]event.ID) relay.Seq          { return l.next() }
func (l *noLedger) OfferRefused(time.Time) relay.Seq     { return l.next() }
func (*noLedger) Full() bool                             { return false }

func (*noLedger) LoadKnown(context.Context, func(event.ID, relay.Disposition)) error { return nil }
func (*noLedger) LoadOffers(context.Context, func(event.ID, relay.Offer)) error      { return nil }
func (*noLedger) LoadWaiting(context.Context, func(relay.Waiting)) error             { return nil }

func (*noLedger) LoadBooked(context.Context, func(event.ID, relay.Disposition, relayurl.URL)) error {
	return nil
}

func (*noLedger) Refused(context.Context, time.Time, int64, int) ([]event.ID, int64, error) {
	return nil, 0, nil
}

func (*noLedger) WaitingEvents(context.Context, []event.ID) ([]relay.Waiting, error) {
	return nil, errors.New("nothing was kept")
}

func (l *noLedger) Amend([]event.ID, relay.Disposition, string, time.Time) relay.Seq { return l.next() }
func (l *noLedger) Bury([]relay.Grave) relay.Seq                                     { return l.next() }
func (l *noLedger) Exhume([]relay.Grave) relay.Seq                                   { return l.next() }

func (*noLedger) LoadGraves(context.Context, func(relay.Grave)) error { return nil }

func (*noLedger) Authors(context.Context, []event.ID) (map[event.ID]event.PubKey, error) {
	return nil, nil
}

func (*noLedger) Written(context.Context, relay.Deletion) ([]event.ID, error) { return nil, nil }

func (*noLedger) IrrelevantAddressed(context.Context, event.PubKey, string) ([]event.ID, error) {
	return nil, nil
}

// publishFile gives a corpus to a publisher of its own, with a window of events without an answer (0: its default), in this process and
// without network but for the sink, which the proxy may stand before, and
// gives the rate in events a second and the CPU time of
// one event in microseconds, the sink's included. Events are parsed as a connection does.
func publishFile(ctx context.Context, c *corpus, window int, delay time.Duration) (rate, cost float64, err error) {
	events := newStore()
	wanted, err := fill(events, c, []string{"ws://" + loopback + ":1"})
	if err != nil {
		return 0, 0, err
	}
	own, err := newSink(ctx, wanted)
	if err != nil {
		return 0, 0, err
	}
	defer own.close()
	address := own.urls()[0]
	if delay > 0 {
		far, err := badline.Listen(ctx, badline.Options{Target: own.addresses[0], Weather: badline.Weather{Delay: delay}})
		if err != nil {
			return 0, 0, err
		}
		defer far.Close()
		address = far.URL()
	}
	url, err := relayurl.Canonical(address)
	if err != nil {
		return 0, 0, err
	}
	reports := make(chan relay.Report, 1024)
	p := relay.NewPublisher(relay.PublisherOptions{
		Own: url, Dialer: relay.NewDialer(relay.DialerOptions{}), Ledger: &noLedger{}, Reports: reports,
		Rules: nip34.Rules{Domains: []string{domain}}, PublishAtOnce: true, Window: window,
	})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-ended)
	}()
	settled := make(chan struct{})
	go drain(ctx, reports, settled)

	if err := connect(ctx, p); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	before, err := ownTime()
	if err != nil {
		return 0, 0, err
	}
	if err := feed(ctx, p, events); err != nil {
		return 0, 0, err
	}
	for _, done := range []<-chan struct{}{settled, own.done()} {
		select {
		case <-done:
		case <-ctx.Done():
			return 0, 0, fmt.Errorf("%d events are missing: %w", len(own.missing()), ctx.Err())
		}
	}
	after, err := ownTime()
	if err != nil {
		return 0, 0, err
	}
	arrivals, n := own.arrivals(), float64(len(wanted))
	return n / arrivals[len(arrivals)-1].Sub(start).Seconds(), float64((after - before).Microseconds()) / n, nil
}

// connect waits until the publisher has its socket.
func connect(ctx context.Context, p *relay.Publisher) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !p.Own().Up {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the publisher does not connect: %s: %w", p.Own().Err, ctx.Err())
		}
	}
	return nil
}

// drain takes reports, as the engine does, and closes settled when the batch is.
func drain(ctx context.Context, reports <-chan relay.Report, settled chan<- struct{}) {
	for {
		select {
		case r := <-reports:
			if s, ok := r.(relay.Settled); ok && s.Final {
				close(settled)
			}
		case <-ctx.Done():
			return
		}
	}
}

// feed delivers all events of a store as one historic batch, the oldest first, with credit as a connection has it.
func feed(ctx context.Context, p *relay.Publisher, s *store) error {
	const conn, batch = 1, 1
	granted := make(chan struct{}, 1)
	room := 0
	for i, e := range s.entries {
		if room == 0 {
			room = min(relay.MaxReserve, len(s.entries)-i)
			p.Reserve(conn, room, granted)
			select {
			case <-granted:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		room--
		parsed, err := event.Parse(e.raw, event.DefaultLimits())
		if err != nil {
			return err
		}
		p.Deliver(relay.Delivery{
			Conn: conn, Source: "ws://bench.invalid", Batch: batch, Mode: relay.Historic, Event: parsed, At: time.Now(),
		})
	}
	p.Mark(relay.Mark{Conn: conn, Batch: batch, Final: true})
	return nil
}
