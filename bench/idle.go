package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// namedMost is how many relays are taken of one repository (limits.relays_per_repo).
const namedMost = 20

// idle holds many connections open and measures what that costs. Every relay has an address of its own, and two owners
// name it.
func (l *lab) idle() (err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	c, err := cached(spec{Repos: l.repos, Roots: l.roots})
	if err != nil {
		return err
	}
	var hosts []string
	for i := range l.relays {
		hosts = append(hosts, fmt.Sprintf("127.0.%d.%d", 1+i/200, 1+i%200))
	}
	events := newStore()
	src, err := newSource(ctx, events, hosts...)
	if err != nil {
		return err
	}
	defer src.close()
	var wanted []string
	for repo := range c.Repos {
		a, err := announcement(repo, named(src.urls(), repo, l.named))
		if err != nil {
			return err
		}
		events.add(a)
		wanted = append(wanted, a.event.ID)
	}
	for _, e := range c.stored {
		events.add(e)
		wanted = append(wanted, e.event.ID)
	}
	own, err := newSink(ctx, wanted)
	if err != nil {
		return err
	}
	defer own.close()
	profile, err := l.profileDir("idle")
	if err != nil {
		return err
	}
	d, err := l.daemon(ctx, own.urls()[0], src.urls()[:1], profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	start := time.Now()
	if err := l.await(ctx, own, d); err != nil {
		return err
	}
	if err := d.connected(ctx, l.relays); err != nil {
		return err
	}
	ready := time.Since(start)
	if err := rest(ctx, l.rest); err != nil {
		return err
	}
	if err := d.profileFrom(profile); err != nil {
		return err
	}
	before, err := d.usage()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := rest(ctx, l.watch); err != nil {
		return err
	}
	after, err := d.usage()
	if err != nil {
		return err
	}
	took := time.Since(began)
	if err := d.profileTo(profile); err != nil {
		return err
	}
	m, err := d.metrics(ctx)
	if err != nil {
		return err
	}
	add := func(what, unit string, v float64, m *must) { l.figures.add("idle", what, unit, v, m) }
	add("relays connected", "", m.sum("ngit_sync_relays_connected_total"), nil)
	add("repositories", "", m.sum("ngit_sync_repos"), nil)
	add("root events", "", m.sum("ngit_sync_root_events"), nil)
	add("from the start to all of them complete", "s", ready.Seconds(), nil)
	add("RSS", "MiB", float64(after.rss)/(1<<20), atMost(80))
	add("peak RSS", "MiB", float64(after.peak)/(1<<20), nil)
	add("heap in use", "MiB", m.sum("go_memstats_heap_inuse_bytes")/(1<<20), nil)
	add("CPU", "% of a core", 100*(after.cpu-before.cpu).Seconds()/took.Seconds(), atMost(1))
	add("context switches", "1/s", float64(after.switches-before.switches)/took.Seconds(), nil)
	add("goroutines", "", m.sum("go_goroutines"), nil)
	return nil
}

// rest lets time pass.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// named are the relays that a repository's announcement names: the repositories go round over all relays, each pair of
// them over the same ones.
func named(urls []string, repo, n int) []string {
	n = min(n, len(urls))
	out := make([]string, n)
	for i := range out {
		out[i] = urls[(repo/2*n+i)%len(urls)]
	}
	return out
}
