package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	ledger "github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/sync"
)

const (
	startRepos = 1000
	startRoots = 50 // of each
)

// start measures how long a daemon with much to remember takes to ask its first question.
func (l *lab) start() (err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	src, err := newSource(ctx, newStore(), loopback)
	if err != nil {
		return err
	}
	defer src.close()
	own, err := newSink(ctx, nil)
	if err != nil {
		return err
	}
	defer own.close()
	file := filepath.Join(l.dir, fmt.Sprintf("start-%d.db", l.run))
	if err := l.fillStart(ctx, "sqlite:"+file, src.urls()[0]); err != nil {
		return err
	}
	began := time.Now()
	d, err := l.daemonFrom(ctx, daemonOptions{own: own.urls()[0], from: file})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for src.first.Load() == 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no question comes: %w", ctx.Err())
		}
	}
	u, err := d.usage()
	if err != nil {
		return err
	}
	l.figures.add("start", "ledger rows", "", float64(l.ids), nil)
	l.figures.add("start", "from the start to the first question", "s", time.Unix(0, src.first.Load()).Sub(began).Seconds(), atMost(1))
	l.figures.add("start", "RSS then", "MiB", float64(u.rss)/(1<<20), nil)
	return nil
}

// fillStart writes what the daemon remembers.
func (l *lab) fillStart(ctx context.Context, database, relay string) error {
	err := fillLedger(ctx, database, func(yield func(*event.Event) error) error {
		return l.manyEvents(func(e *event.Event, _ bool) error { return yield(e) })
	})
	if err != nil {
		return err
	}
	s, err := ledger.Open(ctx, database, ledger.Options{})
	if err != nil {
		return err
	}
	for repo := range startRepos {
		a, err := announcement(repo, []string{relay})
		if err != nil {
			return errors.Join(err, s.Close(ctx))
		}
		e, err := event.Wrap(*a.event)
		if err != nil {
			return errors.Join(err, s.Close(ctx))
		}
		ref := e.Coordinate()
		rows := []sync.Row{sync.SaveRepo{Ref: ref, Announcement: e, Full: true, Surveyed: true, Coordinates: []event.Ref{ref}}}
		for n := range uint32(startRoots) {
			id := event.ID(sha256.Sum256(fmt.Appendf(nil, "%d %d", repo, n)))
			rows = append(rows, sync.SaveRoot{Repo: ref, N: n, ID: id, CreatedAt: epoch})
		}
		s.Apply(rows, 0)
	}
	return errors.Join(s.Flush(ctx), s.Close(ctx))
}
