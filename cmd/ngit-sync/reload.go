package main

import (
	"context"
	"fmt"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/relay"
)

// A reload puts a new ring in the place of the one that runs, on the same database, page and embedded relay. That is what a restart
// does, without its gap: what was settled stays settled, and remote relays see a quick reconnect.

func (d *daemon) reloadMetric() prometheus.Collector {
	d.reloaded = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "ngit_sync", Name: "config_last_reload_successful", Help: "1 when the configuration was read without fault the last time.",
	})
	d.reloaded.Set(1)
	return d.reloaded
}

// gather gives the metrics of what stays and those of the ring. Counters of a new ring begin at 0.
func (d *daemon) gather() ([]*dto.MetricFamily, error) {
	return prometheus.Gatherers{d.registry, d.ring.Load().registry}.Gather()
}

// build makes a ring of settings, which takes the place of the one before.
func (d *daemon) build(ctx context.Context, set settings) error {
	r, err := newRing(ctx, set, relay.NewDialer(set.dialer(d.rewrite)), d.store, d.log)
	if err == nil {
		d.ring.Store(r)
	}
	return err
}

// runRings runs the ring, and after each reload the next one, until ctx ends.
func (d *daemon) runRings(ctx context.Context) error {
	for {
		inner, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- d.ring.Load().run(inner) }()
		select {
		case err := <-done:
			stop()
			return err
		case set := <-d.reloads:
			stop()
			if err := <-done; err != nil || ctx.Err() != nil {
				return err
			}
			if err := d.store.Flush(ctx); err != nil {
				return fmt.Errorf("reload: %w", err)
			}
			if d.embedded != nil {
				d.embedded.SetRules(set.rules())
			}
			if err := d.build(ctx, set); err != nil {
				return fmt.Errorf("reload: %w", err)
			}
			d.log.Info("configuration reloaded")
		}
	}
}

// reload reads the configuration again and lets take effect what can change without a restart. A configuration with faults changes
// nothing.
func (d *daemon) reload(ctx context.Context, load func() (config.Config, error), level zap.AtomicLevel) {
	running := d.ring.Load().settings
	next, err := load()
	if err == nil && !d.store.Up() {
		err = fmt.Errorf("the database is away; try again when it is back")
	}
	if err == nil {
		err = level.UnmarshalText([]byte(next.Log.Level))
	}
	if err != nil {
		d.reloaded.Set(0)
		d.log.Error("the configuration is not reloaded, what was read before holds on", zap.Error(err))
		return
	}
	d.reloaded.Set(1)
	if keys := config.NeedRestart(running.cfg, next); len(keys) > 0 {
		d.log.Warn("some keys have changed that need a restart", zap.Strings("keys", keys))
	}
	set := running
	set.cfg.Scope, set.cfg.Sync, set.cfg.Health, set.cfg.Limits, set.cfg.Log = next.Scope, next.Sync, next.Health, next.Limits, next.Log
	if was := running.cfg; reflect.DeepEqual([]any{was.Scope, was.Sync, was.Health, was.Limits}, []any{next.Scope, next.Sync, next.Health, next.Limits}) {
		d.log.Info("configuration reloaded; nothing but perhaps the level of the log has changed")
		return
	}
	select {
	case d.reloads <- set:
	case <-ctx.Done():
	}
}
