package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/badline"
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
	c, err := cached(historicSpec(l.events))
	if err != nil {
		return err
	}
	got, err := l.download(ctx, c, "historic", 0, l.nip77)
	if err != nil {
		return err
	}
	add := func(what, unit string, v float64, m *must) { l.figures.add("historic", what, unit, v, m) }
	add("events", "", got.events, nil)
	add("from the first question to the last answer", "s", got.whole.Seconds(), nil)
	add("of that waiting for a batch window", "s", (got.whole - got.working).Seconds(), nil)
	add("rate while working", "events/s", got.rate(), atLeast(5000))
	add("rate with the waiting", "events/s", got.events/got.whole.Seconds(), nil)
	add("CPU of the daemon", "s", got.use.cpu.Seconds(), nil)
	add("CPU for one event", "µs", float64(got.use.cpu.Microseconds())/got.events, nil)
	add("CPU of both relays for one event", "µs", float64(got.peers.Microseconds())/got.events, nil)
	add("peak RSS", "MiB", float64(got.use.peak)/(1<<20), nil)
	add("sent by the remote for one event", "times", got.sent/got.events, nil)
	add("questions", "", got.pages, nil)
	add("reconciliations", "", got.sessions, nil)
	filed, cost, err := publishFile(ctx, c, 0, 0)
	if err != nil {
		return fmt.Errorf("publisher alone: %w", err)
	}
	add("publisher alone, from a local file", "events/s", filed, nil)
	add("its CPU and the own relay's for one event", "µs", cost, nil)
	add("of what the publisher reaches alone", "%", 100*got.rate()/filed, atLeast(90))
	return nil
}

func historicSpec(events int) spec {
	return spec{Repos: 1, Roots: events / rootShare, Comments: events - events/rootShare}
}

// downloaded is what fetching a whole history took.
type downloaded struct {
	events         float64       // that arrived, each once
	sent           float64       // by the remote, repetitions included
	pages          float64       // REQs for stored events
	sessions       float64       // reconciliations
	whole, working time.Duration // from the first question; without waiting for a batch window
	use            usage         // of the daemon
	peers          time.Duration // CPU of both relays
}

func (d downloaded) rate() float64 { return d.events / d.working.Seconds() }

// download lets a new daemon fetch a corpus from one relay that is a round trip away.
func (l *lab) download(ctx context.Context, c *corpus, profiled string, roundTrip time.Duration, nip77 bool) (_ downloaded, err error) {
	events := newStore()
	src, err := newSource(ctx, events, loopback)
	if err != nil {
		return downloaded{}, err
	}
	defer src.close()
	src.speaks = nip77
	urls := src.urls()
	if roundTrip > 0 {
		far, err := badline.Listen(ctx, badline.Options{Target: src.addresses[0], Weather: badline.Weather{Delay: roundTrip / 2}})
		if err != nil {
			return downloaded{}, err
		}
		defer far.Close()
		urls = []string{far.URL()}
	}
	wanted, err := fill(events, c, urls)
	if err != nil {
		return downloaded{}, err
	}
	own, err := newSink(ctx, wanted)
	if err != nil {
		return downloaded{}, err
	}
	defer own.close()
	profile, err := l.profileDir(profiled)
	if err != nil {
		return downloaded{}, err
	}
	peersBefore, err := ownTime()
	if err != nil {
		return downloaded{}, err
	}
	d, err := l.daemon(ctx, own.urls()[0], urls, profile)
	if err != nil {
		return downloaded{}, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := l.await(ctx, own, d); err != nil {
		return downloaded{}, err
	}
	got := downloaded{events: float64(len(wanted)), sent: float64(src.events.Load()), pages: float64(src.requests.Load())}
	got.sessions = float64(src.sessions.Load())
	if got.use, err = d.usage(); err != nil {
		return downloaded{}, err
	}
	peersAfter, err := ownTime()
	if err != nil {
		return downloaded{}, err
	}
	got.peers = peersAfter - peersBefore
	if err := d.profileTo(profile); err != nil {
		return downloaded{}, err
	}
	whole, waiting := stretch(time.Unix(0, src.first.Load()), own.arrivals(), pause)
	got.whole, got.working = whole, whole-waiting
	return got, nil
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
