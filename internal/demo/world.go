package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Options make a World. Zero values mean the defaults.
type Options struct {
	Seed   uint64    // of everything that is generated
	Now    time.Time // the newest generated event is not later; required for ids that are the same next time
	Events int       // about how many are generated, 2,000
}

// Domain is the GRASP server whose own relay the demo is. The real announcements of the corpus list it.
const Domain = "gitnostr.com"

// World is a network of remote relays on this machine.
type World struct {
	Domain string
	relays []*Relay
	byName map[relayurl.URL]*Relay
	source *Source
}

// Names of the relays, as the real announcements have them.
const (
	ngitDev      relayurl.URL = "wss://relay.ngit.dev"
	damus        relayurl.URL = "wss://relay.damus.io"
	nosLol       relayurl.URL = "wss://nos.lol"
	nostrBand    relayurl.URL = "wss://relay.nostr.band"
	treegaze     relayurl.URL = "wss://pyramid.treegaze.com"
	danConway    relayurl.URL = "wss://ngit.danconwaydev.com"
	fiatjaf      relayurl.URL = "wss://pyramid.fiatjaf.com"
	slowAnswer                = 250 * time.Millisecond
	longestValue              = 128 // bytes, less than the coordinate of the longest identifier
)

// Start builds the world and lets its relays listen on loopback.
func Start(ctx context.Context, o Options) (*World, error) {
	w, err := build(o)
	if err != nil {
		return nil, fmt.Errorf("demo world: %w", err)
	}
	for _, r := range w.relays {
		if err := r.Up(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("demo relay %s: %w", r.Name, err), w.Close(ctx))
		}
	}
	return w, nil
}

// build fills the relays; they do not listen yet.
func build(o Options) (*World, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Events == 0 {
		o.Events = 2000
	}
	w := &World{
		Domain: Domain,
		relays: []*Relay{
			newRelay(ngitDev, "the bootstrap relay: khatru, negentropy, 500 events a page", traits{software: "khatru", negentropy: true, page: 500}),
			newRelay(damus, "large, without negentropy, 500 events a page", traits{page: 500}),
			newRelay(nosLol, "20 events a page, without negentropy", traits{page: 20}),
			newRelay(nostrBand, "four subscriptions at a time, three filters in each, without negentropy", traits{page: 250, subscriptions: 4, filters: 3}),
			newRelay(treegaze, "slow: a quarter of a second before every answer; khatru, negentropy", traits{software: "khatru", negentropy: true, page: 500, delay: slowAnswer}),
			newRelay(danConway, "small and quick, negentropy", traits{negentropy: true, page: 500}),
			newRelay(fiatjaf, "guarded: khatru, refuses notes, filters without kinds and long values", traits{software: "khatru", page: 500, guarded: true, longest: longestValue}),
		},
		byName: map[relayurl.URL]*Relay{},
	}
	for _, r := range w.relays {
		w.byName[r.Name] = r
	}
	w.source = newSource(o.Seed, w.Domain)
	if err := w.fill(o); err != nil {
		return nil, err
	}
	return w, nil
}

// Close hangs up and stops all relays.
func (w *World) Close(ctx context.Context) error {
	var g errgroup.Group
	for _, r := range w.relays {
		g.Go(func() error { return r.Down(ctx) })
	}
	return g.Wait()
}

// Relays lists the remote relays, the bootstrap relay first.
func (w *World) Relays() []*Relay { return w.relays }

// Bootstrap is where discovery starts.
func (w *World) Bootstrap() []relayurl.URL { return []relayurl.URL{w.relays[0].Name} }

// Relay gives one by its real name.
func (w *World) Relay(name relayurl.URL) (*Relay, bool) {
	r, ok := w.byName[name]
	return r, ok
}

// UnknownRelayError is a relay that is not part of the world. It is not dialled.
type UnknownRelayError struct{ Name relayurl.URL }

func (e *UnknownRelayError) Error() string { return string(e.Name) + " is not part of the demo" }

// Rewrite gives the address on this machine of a relay of the world. The error is an *UnknownRelayError: a demo never
// dials the real internet.
func (w *World) Rewrite(u relayurl.URL) (string, error) {
	if r := w.byName[u]; r != nil {
		return r.URL(), nil
	}
	return "", &UnknownRelayError{u}
}
