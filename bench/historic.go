package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// rootShare is how many events there are for each root.
	rootShare = 20
	// pause is a time without an arrival that counts as waiting, not as working: the daemon gathers news of the own
	// relay for sync.batch_window before it asks for more.
	pause = 500 * time.Millisecond
)

// historic lets the daemon fetch everything from one relay. All three layers are needed for it: the announcement
// leads to the roots and to half of the comments, and the roots to the other half.
func (l *lab) historic() (err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	c, err := cached(spec{Repos: 1, Roots: l.events / rootShare, Comments: l.events - l.events/rootShare})
	if err != nil {
		return err
	}
	rate, err := l.fetch(ctx, c)
	if err != nil {
		return err
	}
	filed, cost, err := publishFile(ctx, c)
	if err != nil {
		return fmt.Errorf("publisher alone: %w", err)
	}
	l.figures.add("historic", "publisher alone, from a local file", "events/s", filed, nil)
	l.figures.add("historic", "its CPU and the own relay's for one event", "µs", cost, nil)
	l.figures.add("historic", "of what the publisher reaches alone", "%", 100*rate/filed, atLeast(90))
	return nil
}

// fetch measures the daemon and gives the rate while it works.
func (l *lab) fetch(ctx context.Context, c *corpus) (rate float64, err error) {
	events := newStore()
	src, err := newSource(ctx, events, loopback)
	if err != nil {
		return 0, err
	}
	defer src.close()
	wanted, err := fill(events, c, src.urls())
	if err != nil {
		return 0, err
	}
	own, err := newSink(ctx, wanted)
	if err != nil {
		return 0, err
	}
	defer own.close()
	profile, err := l.profileDir("historic")
	if err != nil {
		return 0, err
	}
	peersBefore, err := ownTime()
	if err != nil {
		return 0, err
	}
	d, err := l.daemon(ctx, own.urls()[0], src.urls(), profile)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := l.await(ctx, own, d); err != nil {
		return 0, err
	}
	use, err := d.usage()
	if err != nil {
		return 0, err
	}
	peersAfter, err := ownTime()
	if err != nil {
		return 0, err
	}
	if err := d.profileTo(profile); err != nil {
		return 0, err
	}
	start := time.Unix(0, src.first.Load())
	whole, waiting := stretch(start, own.arrivals(), pause)
	n := float64(len(wanted))
	rate = n / (whole - waiting).Seconds()
	add := func(what, unit string, v float64, m *must) { l.figures.add("historic", what, unit, v, m) }
	add("events", "", n, nil)
	add("from the first question to the last answer", "s", whole.Seconds(), nil)
	add("of that waiting for a batch window", "s", waiting.Seconds(), nil)
	add("rate while working", "events/s", rate, atLeast(5000))
	add("rate with the waiting", "events/s", n/whole.Seconds(), nil)
	add("CPU of the daemon", "s", use.cpu.Seconds(), nil)
	add("CPU for one event", "µs", float64(use.cpu.Microseconds())/n, nil)
	add("CPU of both relays for one event", "µs", float64((peersAfter-peersBefore).Microseconds())/n, nil)
	add("peak RSS", "MiB", float64(use.peak)/(1<<20), nil)
	add("sent by the remote for one event", "times", float64(src.events.Load())/n, nil)
	add("questions", "", float64(src.requests.Load()), nil)
	return rate, nil
}

// fill stores a corpus and the announcements of its repositories, and gives all ids.
func fill(s *store, c *corpus, relays []string) ([]string, error) {
	var ids []string
	for repo := range c.Repos {
		a, err := announcement(repo, relays)
		if err != nil {
			return nil, err
		}
		s.add(a)
		ids = append(ids, a.event.ID)
	}
	for _, e := range c.stored {
		s.add(e)
		ids = append(ids, e.event.ID)
	}
	return ids, nil
}

// await waits until the sink has what it expects, and says what it knows when that does not come.
func (l *lab) await(ctx context.Context, own *sink, d *daemon) error {
	select {
	case <-own.done():
		return nil
	case <-d.exited:
		return fmt.Errorf("the daemon ended: %w\n%s", d.err, &d.log)
	case <-ctx.Done():
	}
	missing := own.missing()
	slices.Sort(missing)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	relays, _ := d.relays(late)
	return fmt.Errorf("%d events are missing, such as %s: %w\n%s%s", len(missing), missing[:min(3, len(missing))], ctx.Err(),
		describe(relays), &d.log)
}

// stretch gives the time from start to the last arrival, and how much of it lay between arrivals further apart than pause.
func stretch(start time.Time, arrivals []time.Time, pause time.Duration) (whole, waiting time.Duration) {
	last := start
	for _, at := range arrivals {
		if gap := at.Sub(last); gap > pause {
			waiting += gap
		}
		last = at
	}
	return last.Sub(start), waiting
}
