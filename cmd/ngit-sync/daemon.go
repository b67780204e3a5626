package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/internal/web"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/embedded"
	"github.com/ngit-sync/ngit-sync/selfsub"
	"github.com/ngit-sync/ngit-sync/sync"
)

// daemon is everything that `run` starts. The demo runs the same, between relays of its own.
type daemon struct {
	cfg       config.Config
	log       *zap.Logger
	registry  *prometheus.Registry
	store     *store.Store
	embedded  *embedded.Relay // nil: the operator has an own relay
	own       relayurl.URL
	web       *web.Server
	publisher *relay.Publisher
	fleet     *relay.Fleet
	self      *selfsub.Subscriber
	selfFleet *relay.Fleet
	runner    *sync.Runner
	reports   chan relay.Report
	facts     chan selfsub.Facts
	snapshot  atomic.Pointer[sync.Snapshot]
	started   time.Time
}

// newDaemon opens what can fail: database, embedded relay, listener. rewrite maps the names of relays to what is dialled; nil
// dials them as they are called.
func newDaemon(ctx context.Context, cfg config.Config, log *zap.Logger, rewrite func(relayurl.URL) (string, error)) (_ *daemon, err error) {
	d := &daemon{
		cfg: cfg, log: log, started: time.Now(), registry: prometheus.NewRegistry(),
		reports: make(chan relay.Report, 1024), facts: make(chan selfsub.Facts, 16),
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	d.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfoMetric())
	d.store, err = store.Open(ctx, cfg.Database.URL.Reveal(), store.Options{Log: log.Named("store"), Registerer: d.registry})
	if err != nil {
		return nil, err
	}
	if err = d.openOwn(ctx); err != nil {
		return nil, err
	}
	if err = d.build(ctx, rewrite); err != nil {
		return nil, err
	}
	d.web, err = web.Listen(ctx, web.Options{
		Listen: cfg.HTTP.Listen, Registry: d.registry, Snapshot: d.view, Conditions: d.conditions, Log: log.Named("http"),
	})
	return d, err
}

// openOwn starts the embedded relay when the operator has none.
func (d *daemon) openOwn(ctx context.Context) error {
	d.own = d.cfg.OwnRelay.URL
	if d.own != "" {
		return nil
	}
	e := d.cfg.OwnRelay.Embedded
	r, err := embedded.Open(ctx, embedded.Options{
		Dir: beside(d.cfg.Database.URL.Reveal(), e.Data), Listen: e.Listen, Rules: d.rules(),
		Version: readBuildInfo().Version, Log: d.log.Named("embedded"),
	})
	if err != nil {
		return err
	}
	d.embedded = r
	if d.own, err = relayurl.Canonical(r.URL()); err != nil {
		return fmt.Errorf("embedded relay: %w", err)
	}
	d.log.Info("no own relay given: the embedded one is served", zap.String("url", r.URL()))
	return nil
}

// beside puts a relative data directory next to a SQLite database.
func beside(database, data string) string {
	file, ok := strings.CutPrefix(database, "sqlite:")
	if !ok || filepath.IsAbs(data) {
		return data
	}
	return filepath.Join(filepath.Dir(file), data)
}

// build makes the rooms and the channels between them.
func (d *daemon) build(ctx context.Context, rewrite func(relayurl.URL) (string, error)) error {
	l := d.cfg.Limits
	dialer := relay.NewDialer(relay.DialerOptions{
		UserAgent:    relay.UserAgent(readBuildInfo().Version, d.cfg.HTTP.Contact),
		AllowPrivate: d.cfg.Network.AllowPrivate, ConnectTimeout: l.ConnectTimeout,
		MessageBytes: max(int64(l.MessageBytes), int64(l.NegMessageBytes)), Rewrite: d.rewriteOthers(rewrite),
	})
	d.publisher = relay.NewPublisher(relay.PublisherOptions{
		Own: d.own, Dialer: dialer, Ledger: d.store, Reports: d.reports, Rules: d.rules(),
		Metrics: relay.NewPublisherMetrics(d.registry), Log: d.log.Named("publisher"),
		Window: d.cfg.OwnRelay.Window, EventsPerSecond: float64(d.cfg.OwnRelay.EventsPerSecond),
		PendingEvents: l.PendingEvents, PendingBytes: int64(l.PendingBytes), FutureSkew: l.FutureSkew, IrrelevantIDs: l.IrrelevantIDs,
	})
	d.fleet = relay.NewFleet(ctx, relay.FleetOptions{Conn: relay.ConnOptions{
		Dialer: dialer, Sink: d.publisher, Reports: d.reports, Metrics: relay.NewMetrics(d.registry), Log: d.log.Named("relay"),
		REQsPerMinute: l.ReqsPerMinute, Events: d.eventLimits(),
	}})
	d.self = selfsub.New(selfsub.Options{
		URL: d.own, Window: d.cfg.Sync.BatchWindow, Observe: d.publisher.Observe, Facts: d.facts, Log: d.log.Named("selfsub"),
	})
	d.selfFleet = relay.NewFleet(ctx, relay.FleetOptions{Conn: relay.ConnOptions{
		Dialer: dialer, Sink: d.self, Reports: d.self.Reports(), Log: d.log.Named("selfsub"), Events: d.eventLimits(),
	}})
	state, err := d.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("stored state: %w", err)
	}
	engine, err := sync.New(d.engineConfig(), state, d.log.Named("sync"), sync.NewMetrics(d.registry), time.Now())
	if err != nil {
		return err
	}
	d.snapshot.Store(engine.Snapshot(time.Now()))
	d.runner = &sync.Runner{
		Engine: engine, Wire: d.fleet, Own: d.self, Store: d.store,
		Facts: d.facts, Reports: d.reports, Publish: func(s *sync.Snapshot) { d.snapshot.Store(s) },
	}
	return nil
}

// rewriteOthers leaves the own relay's URL as it is: only remote relays are mapped.
func (d *daemon) rewriteOthers(rewrite func(relayurl.URL) (string, error)) func(relayurl.URL) (string, error) {
	if rewrite == nil {
		return nil
	}
	return func(u relayurl.URL) (string, error) {
		if u == d.own {
			return string(u), nil
		}
		return rewrite(u)
	}
}

// run works until ctx ends, then stops in the order of the ring: selfsub and connections, publisher, engine, store,
// embedded relay. What is in flight gets the publisher's drain time.
func (d *daemon) run(ctx context.Context) error {
	defer d.close()
	var g errgroup.Group
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	publisherCtx, stopPublisher := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPublisher()
	publisherDone, runnerDone := make(chan struct{}), make(chan struct{})
	fail := func(err error) error {
		cancel()
		return err
	}
	g.Go(func() error {
		defer close(publisherDone)
		return fail(d.publisher.Run(publisherCtx))
	})
	g.Go(func() error {
		d.runner.Run(ctx, runnerDone)
		return nil
	})
	g.Go(func() error {
		d.self.Run(ctx, d.selfFleet)
		return nil
	})
	webCtx, stopWeb := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWeb()
	g.Go(func() error { return fail(d.web.Run(webCtx)) })
	g.Go(func() error {
		select {
		case <-d.store.Done():
			return fail(d.store.Err())
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		<-ctx.Done()
		d.log.Info("stopping")
		d.selfFleet.Wait()
		d.fleet.Wait()
		stopPublisher()
		<-publisherDone
		close(runnerDone)
		stopWeb()
		return nil
	})
	err := g.Wait()
	d.log.Info("stopped")
	return err
}

const (
	flushTimeout = 10 * time.Second
	closeTimeout = 10 * time.Second
)

// close ends what newDaemon opened, in the reverse order; it may be called once.
func (d *daemon) close() {
	if d.store != nil {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		if err := d.store.Close(ctx); err != nil {
			d.log.Warn("store closed with rows unwritten; they are found again", zap.Error(err))
		}
		cancel()
	}
	if d.embedded != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		if err := d.embedded.Close(ctx); err != nil {
			d.log.Warn("embedded relay did not close cleanly", zap.Error(err))
		}
		cancel()
	}
}
