package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
	"github.com/ngit-sync/ngit-sync/sync"
)

// database is what the ring needs of the store.
type database interface {
	Flush(ctx context.Context) error
	Rescope(ctx context.Context, digest []byte) error
	relay.Ledger
	sync.Store
	sync.Ledger
	Known(ctx context.Context, f nostr.Filter, yield func(createdAt int64, id event.ID)) error
	Stored(ctx context.Context, f nostr.Filter, yield func(createdAt int64, kind int, id event.ID)) error
}

// ring is the four rooms of docs/dataflow.md and the channels between them.
type ring struct {
	settings
	log       *zap.Logger
	publisher *relay.Publisher
	fleet     *relay.Fleet
	self      *selfsub.Subscriber
	selfFleet *relay.Fleet
	runner    *sync.Runner
	orders    chan sync.Order
	received  *relay.Metrics
	registry  *prometheus.Registry
	snapshot  atomic.Pointer[sync.Snapshot]
}

// newRing builds the rooms; nothing runs yet. ctx bounds every connection.
func newRing(ctx context.Context, set settings, dialer *relay.Dialer, db database, log *zap.Logger) (*ring, error) {
	reg := prometheus.NewRegistry()
	reports, facts := make(chan relay.Report, 1024), make(chan selfsub.Facts, 16)
	r := &ring{settings: set, log: log, orders: make(chan sync.Order), received: relay.NewMetrics(reg), registry: reg}
	r.publisher = relay.NewPublisher(set.publisher(relay.PublisherOptions{
		Dialer: dialer, Ledger: db, Reports: reports, Metrics: relay.NewPublisherMetrics(reg), Relays: r.received,
		Log: log.Named("publisher"),
	}))
	r.fleet = relay.NewFleet(ctx, relay.FleetOptions{Conn: set.conn(relay.ConnOptions{
		Dialer: dialer, Sink: r.publisher, Reports: reports, Metrics: r.received, Log: log.Named("relay"),
		Negentropy: set.cfg.Sync.Negentropy != "off", Known: db.Known,
	})})
	r.self = selfsub.New(selfsub.Options{
		URL: set.own, Window: set.cfg.Sync.BatchWindow, Observe: r.publisher.Observe, Facts: facts,
		Every: set.cfg.OwnRelay.PictureInterval,
		Held:  r.publisher.Held, Lost: r.publisher.Lost, Stored: db.Stored, Flush: db.Flush, Log: log.Named("selfsub"),
	})
	r.selfFleet = relay.NewFleet(ctx, relay.FleetOptions{Conn: set.conn(relay.ConnOptions{
		Dialer: dialer, Sink: r.self, Reports: r.self.Reports(), Login: set.login, Log: log.Named("selfsub"),
		Negentropy: set.cfg.Sync.Negentropy != "off", Unpaced: true,
	})})
	if err := db.Rescope(ctx, set.scope()); err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	state, err := db.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	engine, err := sync.New(set.engine(), state, log.Named("sync"), sync.NewMetrics(reg), time.Now())
	if err != nil {
		return nil, err
	}
	r.snapshot.Store(engine.Snapshot(time.Now()))
	r.runner = sync.NewRunner(sync.Runner{
		Engine: engine, Wire: r.fleet, Own: r.self, Store: db, Ledger: db,
		Facts: facts, Reports: reports, Orders: r.orders, Forget: r.received.Forget, Publish: func(s *sync.Snapshot) { r.snapshot.Store(s) },
	})
	return r, nil
}

// run works until ctx ends, then stops in the order of the ring: connections, publisher, engine. What is in flight
// gets the publisher's drain time. It returns when nothing of it runs any more.
func (r *ring) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	publisherCtx, stopPublisher := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPublisher()
	publisherDone, quiet := make(chan struct{}), make(chan struct{})

	var g errgroup.Group
	g.Go(func() error {
		defer close(publisherDone)
		defer cancel()
		return r.publisher.Run(publisherCtx)
	})
	g.Go(func() error {
		r.runner.Run(ctx, quiet)
		return nil
	})
	g.Go(func() error {
		r.self.Run(ctx, r.selfFleet)
		r.selfFleet.Wait()
		<-r.runner.Stopped()
		r.fleet.Wait()
		stopPublisher()
		<-publisherDone
		close(quiet)
		return nil
	})
	return g.Wait()
}
