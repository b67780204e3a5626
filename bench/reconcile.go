package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const (
	missingShare = 100 // one event in so many is missing
	// filterRoots is how many root ids a filter of the daemon names (sync.tags_per_filter).
	filterRoots = 100
)

// reconcile measures what NIP-77 saves: for one filter by the connection, the publisher and the ledger alone, and for
// many repositories by the daemon, which asks filter after filter.
func (l *lab) reconcile() error {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	if err := l.reconcileOne(ctx); err != nil {
		return fmt.Errorf("one filter: %w", err)
	}
	if err := l.reconcileAll(ctx); err != nil {
		return fmt.Errorf("the daemon: %w", err)
	}
	return nil
}

// passCost is what a pass took.
type passCost struct {
	took            time.Duration // from its first message until the own relay has what was missing, or until its end
	bytes           float64       // of all messages both ways, but for the missing events themselves
	events          int64         // that the remote sent
	asked, sessions int64         // REQs for stored events, reconciliations
	rounds          int64         // messages of reconciliations
}

// meter reads the counters of a remote relay.
type meter struct {
	src                             *source
	bytes, events, asked, sess, neg int64
}

func measure(src *source) meter {
	return meter{
		src: src, bytes: src.bytes.Load() + src.received.Load(), events: src.events.Load(), asked: src.requests.Load(),
		sess: src.sessions.Load(), neg: src.rounds.Load(),
	}
}

// since gives what was used after the meter was read. beyond are events that are not counted.
func (m meter) since(beyond []entry) passCost {
	now := measure(m.src)
	c := passCost{
		bytes: float64(now.bytes - m.bytes), events: now.events - m.events, asked: now.asked - m.asked,
		sessions: now.sess - m.sess, rounds: now.neg - m.neg,
	}
	for _, e := range beyond {
		c.bytes -= float64(len(e.raw))
	}
	return c
}

// divide takes one comment in missingShare out of a corpus. Roots stay: who lacks one asks for what hangs on it too.
func divide(c *corpus, missing int) (common, lacking []entry) {
	comments := len(c.stored) - c.Roots
	n := 0
	for _, e := range c.stored {
		if event.IsRoot(e.event.Kind) {
			common = append(common, e)
			continue
		}
		if n*missing/comments != (n+1)*missing/comments {
			lacking = append(lacking, e)
		} else {
			common = append(common, e)
		}
		n++
	}
	return common, lacking
}

func idsOf(events []entry) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.event.ID
	}
	return out
}

// reconcileOne asks for the comments on one repository by a filter of a few bytes.
func (l *lab) reconcileOne(ctx context.Context) error {
	missing := l.common / missingShare
	c, err := cached(spec{Repos: 1, Roots: filterRoots, Comments: l.common + missing})
	if err != nil {
		return err
	}
	common, lacking := divide(c, missing)
	base := filepath.Join(l.dir, fmt.Sprintf("one-%d.db", l.run))
	err = fillLedger(ctx, "sqlite:"+base, func(yield func(*event.Event) error) error {
		for _, e := range common {
			parsed, err := event.Parse(e.raw, event.DefaultLimits())
			if err != nil {
				return err
			}
			if err := yield(parsed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	run := func(negentropy bool, lacking []entry) (passCost, error) {
		database := filepath.Join(l.dir, "one.db")
		if err := copyFile(base, database); err != nil {
			return passCost{}, err
		}
		c, err := passOne(ctx, database, negentropy, common, lacking)
		return c, errors.Join(err, os.Remove(database))
	}
	same, err := run(true, nil)
	if err != nil {
		return fmt.Errorf("identical sets: %w", err)
	}
	by, err := run(true, lacking)
	if err != nil {
		return fmt.Errorf("negentropy: %w", err)
	}
	paged, err := run(false, lacking)
	if err != nil {
		return fmt.Errorf("paged: %w", err)
	}
	l.compare("one filter", same, by, paged, atMost(1), atMost(2.5), atMost(2000))
	return nil
}

// passOne asks a remote relay that has the common events and those that are lacking.
func passOne(ctx context.Context, database string, negentropy bool, common, lacking []entry) (_ passCost, err error) {
	events := newStore()
	for _, e := range append(common[:len(common):len(common)], lacking...) {
		events.add(e)
	}
	src, err := newSource(ctx, events, loopback)
	if err != nil {
		return passCost{}, err
	}
	defer src.close()
	src.speaks = true
	own, err := newSink(ctx, idsOf(lacking))
	if err != nil {
		return passCost{}, err
	}
	defer own.close()
	b, err := makeBed(ctx, "sqlite:"+database, own.urls()[0], src.urls()[0], negentropy)
	if err != nil {
		return passCost{}, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	events.answer([]nostr.Filter{{Limit: 1}}, 1) // sorts
	m, start := measure(src), time.Now()
	if err := b.ask(ctx, 1, nostr.Filter{Tags: nostr.TagMap{"K": {"1617", "1618", "1621"}}}); err != nil {
		return passCost{}, err
	}
	took := time.Since(start)
	select {
	case <-own.done():
	default:
		return passCost{}, fmt.Errorf("the batch has ended and %d events are missing", len(own.missing()))
	}
	if at := own.arrivals(); len(at) > 0 {
		took = at[len(at)-1].Sub(start)
	}
	c := m.since(lacking)
	c.took = took
	return c, checkMode(c, negentropy)
}

// checkMode refuses the figure of a pass that was not what it should have been.
func checkMode(c passCost, negentropy bool) error {
	if negentropy != (c.sessions > 0) {
		return fmt.Errorf("%d reconciliations in a pass with negentropy %t", c.sessions, negentropy)
	}
	return nil
}

// compare prints what the three passes took.
func (l *lab) compare(name string, same, by, paged passCost, seconds, megabytes, identical *must) {
	add := func(what, unit string, v float64, m *must) { l.figures.add("reconcile", name+": "+what, unit, v, m) }
	add("1 % missing, negentropy", "s", by.took.Seconds(), seconds)
	add("its bytes beyond the missing events", "MB", by.bytes/1e6, megabytes)
	add("its reconciliations", "", float64(by.sessions), nil)
	add("its messages of them", "", float64(by.rounds), nil)
	add("its questions", "", float64(by.asked), nil)
	add("events sent by the remote", "", float64(by.events), nil)
	add("bytes beyond the missing events and identical sets", "MB", (by.bytes-same.bytes)/1e6, nil)
	add("1 % missing, paged", "s", paged.took.Seconds(), nil)
	add("bytes of the pages beyond the missing events", "MB", paged.bytes/1e6, nil)
	add("its pages", "", float64(paged.asked), nil)
	add("events sent by the remote, paged", "", float64(paged.events), nil)
	add("paging takes as long as negentropy", "times", paged.took.Seconds()/by.took.Seconds(), nil)
	add("and as many bytes", "times", paged.bytes/by.bytes, nil)
	add("identical sets, negentropy", "s", same.took.Seconds(), nil)
	add("its bytes", "B", same.bytes, identical)
}
