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
	"github.com/ngit-sync/ngit-sync/relay/embedded"
)

// daemon is everything that `run` starts: the ring, and what it stands on. The demo runs the same, between relays of
// its own.
type daemon struct {
	ring     atomic.Pointer[ring] // the one that runs; a reload puts another in its place
	rewrite  func(relayurl.URL) (string, error)
	reloads  chan settings
	log      *zap.Logger
	started  time.Time
	registry *prometheus.Registry // of what stays over a reload
	reloaded prometheus.Gauge
	store    *store.Store
	embedded *embedded.Relay // nil: the operator has an own relay
	web      *web.Server
}

// newDaemon opens what can fail: database, embedded relay, listener. rewrite maps the names of remote relays to what is
// dialled; nil dials them as they are called.
func newDaemon(ctx context.Context, cfg config.Config, log *zap.Logger, rewrite func(relayurl.URL) (string, error)) (_ *daemon, err error) {
	d := &daemon{rewrite: rewrite, reloads: make(chan settings), log: log, started: time.Now(), registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	for _, sentence := range cfg.Warnings() {
		log.Warn("configuration", zap.String("warning", sentence))
	}
	d.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfoMetric(), d.reloadMetric())
	database := cfg.Database.URL.Reveal()
	if d.store, err = store.Open(ctx, database, store.Options{Log: log.Named("store"), Registerer: d.registry}); err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	set := settings{cfg: cfg, own: cfg.OwnRelay.URL, seed: uint64(d.started.UnixNano())}
	if set.own == "" {
		if d.embedded, err = openEmbedded(ctx, set, database, log); err != nil {
			return nil, fmt.Errorf("own_relay.embedded: %w; if a relay of yours listens there, name it by --own-relay", err)
		}
		if set.own, err = relayurl.Canonical(d.embedded.URL()); err != nil {
			return nil, err
		}
		log.Info("no own relay given: the embedded one is served", zap.String("url", d.embedded.URL()))
	}
	if set.login, err = set.readLogin(); err != nil {
		return nil, err
	}
	if err := d.build(ctx, set); err != nil {
		return nil, err
	}
	token, err := cfg.MakeToken()
	if err != nil {
		return nil, err
	}
	d.web, err = web.Listen(ctx, web.Options{
		Listen: cfg.HTTP.Listen, Hosts: cfg.HTTP.Hosts, Registry: prometheus.GathererFunc(d.gather), Snapshot: d.view, Conditions: d.conditions, Explain: d.explain, Token: token.Reveal(), Change: d.change,
		Log: log.Named("http"),
	})
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w; another port is given by --listen", err)
	}
	return d, nil
}

func openEmbedded(ctx context.Context, set settings, database string, log *zap.Logger) (*embedded.Relay, error) {
	e := set.cfg.OwnRelay.Embedded
	return embedded.Open(ctx, embedded.Options{
		Dir: beside(database, e.Data), Listen: e.Listen, Rules: set.rules(),
		Version: readBuildInfo().Version, Log: log.Named("embedded"),
	})
}

// beside puts a relative data directory next to a SQLite database.
func beside(database, data string) string {
	file, ok := strings.CutPrefix(database, "sqlite:")
	if !ok || filepath.IsAbs(data) {
		return data
	}
	return filepath.Join(filepath.Dir(file), data)
}

// run works until ctx ends or the database is lost for good, and closes what newDaemon opened: the ring first, then the
// page, the store and the embedded relay.
func (d *daemon) run(ctx context.Context) error {
	defer d.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	webCtx, stopWeb := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWeb()

	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		return d.web.Run(webCtx)
	})
	g.Go(func() error {
		defer cancel()
		select {
		case <-d.store.Done():
			return d.store.Err()
		case <-ctx.Done():
			d.log.Info("stopping")
			return nil
		}
	})
	g.Go(func() error {
		defer stopWeb()
		defer cancel()
		return d.runRings(ctx)
	})
	err := g.Wait()
	d.log.Info("stopped")
	return err
}

const (
	flushTimeout = 10 * time.Second
	closeTimeout = 10 * time.Second
)

// close ends what newDaemon opened, in the reverse order of use; it may be called once.
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
