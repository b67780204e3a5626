package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/internal/web"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// explain says what the daemon knows of an event or a repository, and why. Everything is read from the store.
func (d *daemon) explain(ctx context.Context, name string) (web.Explanation, error) {
	target, err := nip34.ParseTarget(name)
	if err != nil {
		return web.Explanation{}, fmt.Errorf("%w: %w", web.ErrMalformed, err)
	}
	out := web.Explanation{Asked: target.String()}
	if target.Repo() {
		x, known, err := d.store.ExplainRepo(ctx, target.Ref)
		if err != nil {
			return out, err
		}
		if out.Known = known; known {
			out.Repo = repoView(x)
		}
		out.Words = append(repoWords(x, known), placeWords(x.Named, d.ring.Load().snapshot.Load())...)
		return out, nil
	}
	x, known, err := d.store.Explain(ctx, target.ID)
	if err != nil {
		return out, err
	}
	if out.Known = known; known {
		out.Event = eventView(x)
	}
	out.Words = eventWords(x, known)
	return out, nil
}

func eventView(x store.Explanation) *web.EventView {
	v := &web.EventView{
		ID: x.ID.String(), Kind: x.Kind, CreatedAt: time.Unix(x.CreatedAt, 0).UTC(), PubKey: x.PubKey.String(),
		Disposition: x.Disposition.String(), Deletion: idOrNone(x.Deletion), Reason: x.Reason, Source: string(x.Source), FirstSeen: x.FirstSeen, Updated: x.Updated,
		Offers: x.Offer.Count, OfferAt: x.Offer.Due,
	}
	if w := x.Waiting; w != nil {
		v.Waiting = &web.Waiting{Cause: w.Cause.String(), Since: w.Since, Due: w.Due, Tries: w.Tries, For: []string{}}
		for _, id := range w.Needs.IDs {
			v.Waiting.For = append(v.Waiting.For, id.String())
		}
		for _, ref := range w.Needs.Refs {
			v.Waiting.For = append(v.Waiting.For, ref.String())
		}
		if v.Reason == "" {
			v.Reason = w.Reason
		}
	}
	return v
}

// idOrNone is an id, empty when there is none.
func idOrNone(id event.ID) string {
	if id == (event.ID{}) {
		return ""
	}
	return id.String()
}

func repoView(x store.RepoExplanation) *web.RepoView {
	v := &web.RepoView{
		Coordinate: x.Ref.String(), Announcement: x.Announced.String(), Served: x.Full, Surveyed: x.Surveyed,
		Roots: x.Roots, Lacks: x.Lacks, Coordinates: []string{}, Relays: []web.RepoRelay{},
	}
	for _, ref := range x.Coordinates {
		v.Coordinates = append(v.Coordinates, ref.String())
	}
	for _, r := range x.Relays {
		v.Relays = append(v.Relays, web.RepoRelay{
			URL: string(r.Relay), States: r.States, Coordinates: r.Coords, Roots: r.Roots, Around: r.Around,
		})
	}
	return v
}

// eventWords answers "why is this event not on my relay?".
func eventWords(x store.Explanation, known bool) []string {
	if !known {
		return []string{
			"No relay that is asked has shown this event so far, or it has been forgotten since.",
			"Either no relay that its repository's announcement names has it, or it references no repository of ours, or a relay is " +
				"behind: see 'ngit-sync status'.",
		}
	}
	words := []string{dispositionWords(x)}
	if x.Source != "" {
		words = append(words, fmt.Sprintf("It came from %s first.", x.Source))
	}
	return words
}

func dispositionWords(x store.Explanation) string {
	because := ""
	if x.Reason != "" {
		because = ": " + x.Reason
	}
	switch x.Disposition {
	case relay.Stored:
		return "The own relay has it" + because + "."
	case relay.Held:
		again := "within a day"
		if x.Waiting != nil {
			again = "on " + x.Waiting.Due.UTC().Format(time.RFC1123)
		}
		return "The own relay has accepted it and does not serve it yet" + because + ". It is offered again " + again + "."
	case relay.Superseded:
		return "The own relay has a newer version" + because + "."
	case relay.Tombstone:
		return "It was deleted by its author, and is not published again" + because + "."
	case relay.Rejected:
		return "The own relay refuses it" + because + "." + offerWords(x.Offer)
	case relay.OwnLimit:
		return "It is over a limit that the own relay's operator has set" + because + "." + offerWords(x.Offer)
	case relay.Irrelevant:
		return "It is outside the scope" + because + "."
	case relay.Parked, relay.Unknown:
	}
	if x.Waiting == nil {
		return "It waits" + because + "."
	}
	if x.Reason == "" && x.Waiting.Reason != "" {
		because = ": " + x.Waiting.Reason
	}
	switch x.Waiting.Cause {
	case relay.CauseParent:
		return "It waits on disk until one of the things that it references is accepted" + because + "."
	case relay.CausePace:
		return "It waits on disk for its turn: the own relay takes events more slowly than they come" + because + "."
	case relay.CauseDown:
		return "It waits on disk: the own relay is away" + because + "."
	case relay.CauseFuture:
		return fmt.Sprintf("It is dated ahead, and is offered on %s%s.", x.Waiting.Due.UTC().Format(time.RFC1123), because)
	case relay.CauseRetry, relay.CauseHeld:
		return fmt.Sprintf("It is offered again on %s, after %d tries%s.", x.Waiting.Due.UTC().Format(time.RFC1123), x.Waiting.Tries, because)
	}
	return fmt.Sprintf("It waits on disk (%s)%s.", x.Waiting.Cause, because)
}

// offerWords says when a refused event is offered again.
func offerWords(o relay.Offer) string {
	if o.Due.IsZero() {
		return " It is not offered again by itself."
	}
	return fmt.Sprintf(" When a relay shows it after %s, it is offered again.", o.Due.UTC().Format(time.RFC1123))
}

func repoWords(x store.RepoExplanation, known bool) []string {
	if !known {
		return []string{
			"This is not a repository of ours: the own relay has no announcement of it that is in scope.",
			"In scope is what names one of own_relay.domains in both clone and relays, or what an archive rule names.",
		}
	}
	words := []string{fmt.Sprintf("A repository of ours, with %d patches, pull requests and issues.", x.Roots)}
	if !x.Full {
		words = append(words, "The own relay has accepted its announcement and does not serve it yet: only states are asked for.")
	}
	if len(x.Relays) == 0 {
		words = append(words, "No remote relay has been asked for it yet.")
	}
	if x.Lacks > 0 {
		words = append(words, fmt.Sprintf("Its conversations name %d events that no relay has shown.", x.Lacks))
	}
	return words
}

// placeWords says why relays that a repository names are not dialled.
func placeWords(named []relayurl.URL, s *sync.Snapshot) (words []string) {
	for _, v := range slices.Concat(s.Relays, s.Waiting) {
		if v.NoPlace && slices.Contains(named, v.URL) {
			words = append(words, fmt.Sprintf("%s: %s.", v.URL, v.Doing))
		}
	}
	return words
}
