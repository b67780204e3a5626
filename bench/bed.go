package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	ledger "github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
)

// bed is the daemon without its engine, in this process: a database, the publisher and one connection to a remote relay.
type bed struct {
	store     *ledger.Store
	dialer    *relay.Dialer
	publisher *relay.Publisher
	reports   chan relay.Report
	settled   chan relay.Settled // final ones
	up, down  chan struct{}
	commands  chan relay.Command
	cancel    context.CancelFunc
	ended     chan error // of the publisher and of the connection
}

// makeBed opens the database and connects both relays. With negentropy the history is reconciled.
func makeBed(ctx context.Context, database, own, remote string, negentropy bool) (_ *bed, err error) {
	b := &bed{
		dialer: relay.NewDialer(relay.DialerOptions{}), reports: make(chan relay.Report, 1024), settled: make(chan relay.Settled, 16),
		up: make(chan struct{}), down: make(chan struct{}), commands: make(chan relay.Command, 16), ended: make(chan error, 2),
	}
	if b.store, err = ledger.Open(ctx, database, ledger.Options{}); err != nil {
		return nil, err
	}
	var urls [2]relayurl.URL
	for i, u := range []string{own, remote} {
		if urls[i], err = relayurl.Canonical(u); err != nil {
			return nil, errors.Join(err, b.store.Close(ctx))
		}
	}
	ctx, b.cancel = context.WithCancel(ctx)
	b.publisher = relay.NewPublisher(relay.PublisherOptions{
		Own: urls[0], Dialer: b.dialer, Ledger: b.store, Reports: b.reports,
		Rules: nip34.Rules{Domains: []string{domain}}, PublishAtOnce: true,
	})
	conn := relay.NewConn(relay.ConnOptions{
		ID: 1, URL: urls[1], Trust: relay.Operator, Dialer: b.dialer, Sink: b.publisher, Reports: b.reports, Commands: b.commands,
		Negentropy: negentropy, Known: b.store.Known,
	})
	go b.hear()
	go func() { b.ended <- b.publisher.Run(ctx) }()
	go func() {
		failure := conn.Run(ctx)
		if ctx.Err() != nil {
			failure = nil // we hung up
		}
		b.ended <- failure
	}()
	if err := connect(ctx, b.publisher); err != nil {
		return nil, errors.Join(err, b.close())
	}
	select {
	case <-b.up:
		return b, nil
	case <-b.down:
		err = errors.New("no connection to the remote relay")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, b.close())
}

// hear takes the reports, as the engine does, until close.
func (b *bed) hear() {
	for r := range b.reports {
		switch r := r.(type) {
		case relay.Up:
			close(b.up)
		case relay.Down:
			close(b.down)
		case relay.Settled:
			if r.Final {
				b.settled <- r
			}
		}
	}
}

// ask asks one batch and waits for its end. A filter that failed is an error.
func (b *bed) ask(ctx context.Context, id relay.BatchID, fs ...nostr.Filter) error {
	b.commands <- relay.AskBatch{Batch: relay.Batch{ID: id, Filters: fs}}
	select {
	case s := <-b.settled:
		if s.Batch != id || s.Err != "" {
			return fmt.Errorf("batch %d of %d: %s", s.Batch, id, s.Err)
		}
		return nil
	case <-b.down:
		return errors.New("the connection to the remote relay is lost")
	case <-ctx.Done():
		return fmt.Errorf("the batch does not end: %w", ctx.Err())
	}
}

// close hangs up, and closes the database.
func (b *bed) close() error {
	b.cancel()
	err := errors.Join(<-b.ended, <-b.ended)
	close(b.reports)
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	return errors.Join(err, b.store.Close(ctx))
}

// ledgerChunk is how many rows are given to the store before they are waited for: its queue is bounded.
const ledgerChunk = 20_000

// fillLedger makes a database in which events stand as stored on the own relay. yield is called with an event at a time.
func fillLedger(ctx context.Context, database string, events func(yield func(*event.Event) error) error) (err error) {
	s, err := ledger.Open(ctx, database, ledger.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	n, now := 0, time.Now()
	err = events(func(e *event.Event) error {
		s.Record(relay.Entry{Event: e, Disposition: relay.Stored, Source: "ws://bench.invalid", At: now})
		if n++; n%ledgerChunk == 0 {
			return s.Flush(ctx)
		}
		return nil
	})
	return errors.Join(err, s.Flush(ctx))
}

// copyFile gives a run its own copy of a database that was closed.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
