package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// reconcileAll lets the daemon ask about many repositories. Its database knows what the own relay holds, from a daemon that
// was kept away from the remote relay.
func (l *lab) reconcileAll(ctx context.Context) error {
	missing := l.common / missingShare
	roots := l.common / rootShare
	c, err := cached(spec{Repos: l.spread, Roots: roots, Comments: l.common + missing - roots})
	if err != nil {
		return err
	}
	common, lacking := divide(c, missing)
	events := newStore()
	src, err := newSource(ctx, events, loopback)
	if err != nil {
		return err
	}
	defer src.close()
	src.speaks = true
	own, err := newSink(ctx, nil)
	if err != nil {
		return err
	}
	defer own.close()
	for repo := range c.Repos {
		a, err := announcement(repo, src.urls())
		if err != nil {
			return err
		}
		events.add(a)
		own.store.add(a)
	}
	for _, e := range common {
		events.add(e)
		own.store.add(e)
	}
	p := passes{l: l, src: src, own: own}
	if p.database, err = p.survey(ctx, own.store.size()); err != nil {
		return fmt.Errorf("survey of the own relay: %w", err)
	}
	same, err := p.run(ctx, true, nil)
	if err != nil {
		return fmt.Errorf("identical sets: %w", err)
	}
	for _, e := range lacking {
		events.add(e)
	}
	by, err := p.run(ctx, true, lacking)
	if err != nil {
		return fmt.Errorf("negentropy: %w", err)
	}
	own.forget(idsOf(lacking))
	paged, err := p.run(ctx, false, lacking)
	if err != nil {
		return fmt.Errorf("paged: %w", err)
	}
	l.compare(fmt.Sprintf("daemon, %d repos", l.spread), same, by, paged, nil, nil, nil)
	return nil
}

// passes are runs of the daemon against the same two relays.
type passes struct {
	l        *lab
	src      *source
	own      *sink
	database string
}

// survey has a daemon learn what the own relay holds, n events, and gives its database.
func (p *passes) survey(ctx context.Context, n int) (_ string, err error) {
	d, err := p.l.daemonFrom(ctx, daemonOptions{own: p.own.urls()[0], env: []string{"NGIT_SYNC_SCOPE_DENY_RELAYS=" + p.src.urls()[0]}})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		m, err := d.metrics(ctx)
		if err != nil {
			return "", err
		}
		if stored := m[`ngit_sync_ledger_events{disposition="stored"}`]; stored >= float64(n) {
			return d.database, nil
		}
		select {
		case <-tick.C:
		case <-d.exited:
			return "", fmt.Errorf("the daemon ended: %w\n%s", d.err, &d.log)
		case <-ctx.Done():
			return "", fmt.Errorf("%d events are expected: %w\n%s", n, ctx.Err(), &d.log)
		}
	}
}

// run gives what a new daemon's first pass at the remote relay takes. Its clock starts with the first question.
func (p *passes) run(ctx context.Context, negentropy bool, lacking []entry) (_ passCost, err error) {
	o := daemonOptions{own: p.own.urls()[0], from: p.database}
	name := "negentropy"
	if !negentropy {
		o.env, name = []string{"NGIT_SYNC_SYNC_NEGENTROPY=off"}, "paged"
	}
	if o.profile, err = p.l.profileDir("reconcile-" + name); err != nil {
		return passCost{}, err
	}
	p.own.expect(idsOf(lacking))
	p.src.first.Store(0)
	m := measure(p.src)
	d, err := p.l.daemonFrom(ctx, o)
	if err != nil {
		return passCost{}, err
	}
	defer func() { err = errors.Join(err, d.stop(), os.Remove(d.database)) }()
	if err := p.l.await(ctx, p.own, d); err != nil {
		return passCost{}, err
	}
	if err := d.connected(ctx, 1); err != nil {
		return passCost{}, err
	}
	end := time.Now() // of the pass; pollEvery late at most
	if at := p.own.arrivals(); len(at) > 0 {
		end = at[len(at)-1]
	}
	c := m.since(lacking)
	c.took = end.Sub(time.Unix(0, p.src.first.Load()))
	if err := d.profileTo(o.profile); err != nil {
		return passCost{}, err
	}
	return c, checkMode(c, negentropy)
}
