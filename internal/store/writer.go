package store

import (
	"context"
	"errors"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// How rows are grouped and failures are waited out.
const (
	groupRows   = 500
	groupWeight = 10_000 // ledger and tag rows of one transaction
	groupWait   = 50 * time.Millisecond
	writeTime   = time.Minute // for one transaction, opening a connection included
	idlePing    = 15 * time.Second
	minBackoff  = 100 * time.Millisecond
	maxBackoff  = 15 * time.Second
	maxNames    = 50_000 // known names before they are forgotten and looked up again
)

// writer is the one goroutine that writes.
type writer struct {
	queue   *queue
	backend backend
	metrics *Metrics
	log     *zap.Logger
	up      func(bool)
	schema  func(context.Context) error // is it still the one that we left
	wait    time.Duration               // for the lock, when it has to be taken again

	ground
	names    map[string]bool
	held     bool // the write connection is good, the lock ours, the schema the one that we know
	attached bool // and ground is as the database has it
	backoff  time.Duration
	refusing bool // confirms, and that was said
}

// run writes until ctx ends or the database is not ours any more; that is its error.
func (w *writer) run(ctx context.Context) error {
	for {
		if err := w.drain(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if !w.sleep(ctx) {
			return nil
		}
	}
}

// sleep returns when there is something to write and it should not wait for more.
func (w *writer) sleep(ctx context.Context) bool {
	idle := time.NewTimer(idlePing)
	defer idle.Stop()
	for rows, _ := w.queue.waiting(); rows == 0; rows, _ = w.queue.waiting() {
		select {
		case <-ctx.Done():
			return false
		case <-w.queue.wake:
		case <-idle.C:
			return true
		}
	}
	group := time.NewTimer(groupWait)
	defer group.Stop()
	for {
		if rows, urgent := w.queue.waiting(); urgent || rows >= groupRows {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-w.queue.wake:
		case <-group.C:
			return true
		}
	}
}

// drain writes what is queued, group by group; with nothing queued it looks whether the database is there.
func (w *writer) drain(ctx context.Context) error {
	if rows, _ := w.queue.waiting(); rows == 0 {
		return w.persist(ctx, w.check)
	}
	for rows, urgent := groupRows, true; rows >= groupRows || urgent && rows > 0; rows, urgent = w.queue.waiting() {
		group, lost := w.queue.take(groupRows, groupWeight)
		w.loss = lost
		if err := w.writeAll(ctx, group); err != nil {
			return err
		}
		w.queue.done()
	}
	return nil
}

// writeAll writes a group. When the database refuses it for its data, its halves are written one after the other, until the
// row that is to blame stands alone and is dropped.
func (w *writer) writeAll(ctx context.Context, group []*item) error {
	if len(group) == 0 {
		return nil
	}
	var refused error
	err := w.persist(ctx, func(ctx context.Context) error {
		err := w.write(ctx, group)
		if err != nil && w.refuses(err) {
			refused = err
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case refused == nil:
		return nil
	case len(group) == 1:
		w.log.Error("row dropped, the database refuses it", zap.Error(refused), zap.Uint64("seq", uint64(group[0].seq)))
		w.queue.fail(group[0])
		w.loss.add(group[0].seq)
		w.loss.all = w.loss.all || group[0].op == nil
		return nil
	}
	half := len(group) / 2
	if err := w.writeAll(ctx, group[:half]); err != nil {
		return err
	}
	return w.writeAll(ctx, group[half:])
}

func (w *writer) refuses(err error) bool {
	return errors.Is(err, errGarbled) || w.backend.refuses(err)
}

// persist repeats try until it succeeds, as long as the database is ours.
func (w *writer) persist(ctx context.Context, try func(context.Context) error) error {
	for {
		err := w.attempt(ctx, try)
		switch {
		case err == nil:
			if w.backoff > 0 {
				w.log.Info("database is back", zap.Int("rows", w.queue.length()))
			}
			w.backoff = 0
			w.up(true)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case terminal(err):
			return err
		}
		if w.backoff == 0 {
			w.log.Warn("database cannot be written, working from memory", zap.Error(advise(err)), zap.Int("rows", w.queue.length()))
		}
		w.up(false)
		w.held, w.attached = false, false
		w.backoff = min(max(2*w.backoff, minBackoff), maxBackoff)
		pause := time.NewTimer(w.backoff)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// terminal reports that the database is not ours, or not the one that we knew.
func terminal(err error) bool {
	var schema *SchemaError
	return errors.Is(err, ErrLocked) || errors.As(err, &schema)
}

func (w *writer) attempt(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := w.attach(ctx); err != nil {
		return err
	}
	return try(ctx)
}

// attach makes the connection good and reads where to go on.
func (w *writer) attach(ctx context.Context) error {
	if w.attached {
		return nil
	}
	if !w.held {
		if err := w.backend.attach(ctx, w.wait, sayBlocked(w.log, w.wait)); err != nil {
			return err
		}
		if err := w.schema(ctx); err != nil {
			return err
		}
		w.held = true
	}
	c, err := w.backend.counts(ctx)
	if err != nil {
		return err
	}
	w.last = c.last
	w.names = map[string]bool{}
	w.metrics.set(c)
	w.attached = true
	return nil
}

func (w *writer) check(ctx context.Context) error { return w.backend.ping(ctx) }

// write commits one group.
func (w *writer) write(ctx context.Context, group []*item) error {
	start := time.Now()
	var p *plan
	err := w.backend.transact(ctx, func(t tx) error {
		p = newPlan(w.ground, w.names)
		have := map[event.ID]known{}
		if ids := idsOf(group); len(ids) > 0 {
			var err error
			if have, err = t.known(ctx, ids); err != nil {
				return err
			}
		}
		p.build(group, have)
		if p.err != nil {
			return p.err
		}
		if err := t.exec(ctx, p.before); err != nil {
			return err
		}
		if err := t.insert(ctx, p.ledger, p.tags); err != nil {
			return err
		}
		return t.exec(ctx, p.after)
	})
	if err != nil {
		return err
	}
	w.commit(p, group, time.Since(start))
	return nil
}

// commit takes over what a written plan has changed.
func (w *writer) commit(p *plan, group []*item, took time.Duration) {
	w.ground = p.ground
	if len(w.names) > maxNames {
		clear(w.names)
	}
	maps.Copy(w.names, p.fresh)
	if p.recovered > 0 {
		w.queue.recovered(p.recovered)
		w.refusing = false
	}
	for _, id := range p.strays {
		w.log.Error("event parked without its content and without a row", zap.Stringer("id", id))
	}
	if p.refused > 0 && !w.refusing {
		w.refusing = true
		w.log.Warn("rows were dropped, nothing that may rest on them is confirmed until it has been asked again")
	}
	w.metrics.wrote(p, len(group), took)
}
