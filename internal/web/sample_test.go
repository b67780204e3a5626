package web

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var now = time.Date(2026, 10, 3, 14, 5, 9, 0, time.UTC)

func before(d time.Duration) time.Time { return now.Add(-d) }

const hostile = `<script>alert("x")</script> "quotes' & ` + "\u202egnirts\u200b\x1b[2J\n" + `</title></style>`

// sample has a relay in every phase and text that strangers might write.
func sample() Snapshot {
	return Snapshot{
		At: now, Version: "v1.4.0", Started: before(52*time.Hour + 17*time.Minute),
		Totals: Totals{
			Repos: 1284, Roots: 48210, RelaysTracked: 7, RelaysConnected: 4, RelaysDead: 1,
			EventsPublished: 1204882, QueueEvents: 37, PendingEvents: 412, OwnRelayUp: true, StoreUp: true,
		},
		Notices: []Notice{{Level: Warn, Text: "limits.max_relays (1000) is reached: 12 discovered relays are not dialled"}},
		Relays: []RelayView{
			{
				URL: "wss://relay.ngit.dev", Name: "ngit.dev relay", Origin: "bootstrap", Phase: phaseConnected, PhaseName: "Connected",
				Mode: "negentropy", Why: "answers NIP-77", Health: "healthy", ConnectedSince: before(26 * time.Hour),
				EventsReceived: 482113, EventsStored: 391207, FiltersOpen: 42, Cursor: before(12 * time.Second), LastFullSync: before(5 * time.Hour),
				Doing: "live",
				Changes: []Change{
					{before(26*time.Hour + 2*time.Second), "Disconnected", "Connecting", "due and wanted"},
					{before(26 * time.Hour), "Connecting", "Syncing", "handshake done"},
					{before(25 * time.Hour), "Syncing", "Connected", "nothing pending twice, every batch ok"},
				},
			},
			{
				URL: "wss://relay.nostr.example", Name: "A relay with a name that goes on for rather longer than anybody needs", Origin: "discovered",
				Phase: phaseSyncing, PhaseName: "Syncing", Mode: "paged", Why: "NEG-OPEN was answered by a NOTICE", Health: "healthy",
				ConnectedSince: before(4 * time.Minute), EventsReceived: 12840, EventsStored: 977, FiltersOpen: 70, BatchesPending: 6,
				Cursor: before(31 * time.Second), Doing: "fetching history",
				LiveByID: 4000, LiveWide: true, Polled: 21000, PollEvery: 300,
			},
			{
				URL: "wss://gitnostr.com", Origin: "pinned", Phase: phaseDegraded, PhaseName: "ConnectedDegraded", Mode: "paged", Why: "capped",
				Health: "degraded", ConnectedSince: before(44 * time.Minute), EventsReceived: 90311, EventsStored: 88, FiltersOpen: 12, BatchesPending: 0,
				Cursor: before(20 * time.Second), LastFullSync: before(29 * time.Hour), Doing: "waiting to retry",
				LiveByID: 800, SetAside: 1, Note: "blocked: an author must be specified to get kind:1 notes" + hostile,
				LastFailure: Failure{At: before(time.Hour), Cause: "lost", Reason: "websocket: close 1006"},
			},
			{
				URL: "wss://slow.example", Phase: phaseConnected, PhaseName: "Connected", Origin: "discovered", Mode: "paged", Health: "rate limited",
				ConnectedSince: before(3 * time.Hour), EventsReceived: 1400, EventsStored: 1400, FiltersOpen: 8, Doing: "cooling down",
				Polled: 1300, SetAside: 1250,
				Cursor: before(9 * time.Minute), LastFullSync: before(70 * time.Minute),
			},
			{
				URL: "ws://127.0.0.1:7447/nostr/path", Phase: phaseConnecting, PhaseName: "Connecting", Origin: "bootstrap", Health: "disconnected", Doing: "dialling",
			},
			{
				URL: "wss://gone.example", Phase: phaseDisconnected, PhaseName: "Disconnected", Origin: "discovered", Health: "dead",
				LastFailure: Failure{At: before(11 * time.Hour), Cause: "dns", Reason: "lookup gone.example: no such host"},
				NextDial:    now.Add(13 * time.Hour), LastFullSync: before(9 * 24 * time.Hour), Cursor: before(8 * 24 * time.Hour),
			},
			{
				URL: "wss://hostile.example", Name: hostile, Phase: phaseDisconnected, PhaseName: "Disconnected", Origin: "discovered", Health: "degraded",
				Mode: hostile, Why: hostile, Doing: hostile, LastFailure: Failure{At: before(3 * time.Minute), Cause: "protocol", Reason: hostile},
				NextDial: now.Add(40 * time.Second),
				Changes:  []Change{{before(3 * time.Minute), "Syncing", "Disconnected", hostile}},
			},
		},
	}
}

func conditions(broken bool) []Condition {
	own := Condition{Name: "own relay", OK: true}
	if broken {
		own = Condition{Name: "own relay", Why: hostile}
	}
	return []Condition{own, {Name: "database", OK: true}, {Name: "first picture", OK: true}}
}

// explained answers for an event and a repository with everything in them.
func explained(_ context.Context, name string) (Explanation, error) {
	switch name {
	case "event":
		return Explanation{Asked: "event", Known: true, Words: []string{"It waits." + hostile}, Event: &EventView{
			ID: "1", Kind: 1621, CreatedAt: now, PubKey: "2", Disposition: "pending", Reason: hostile, Deletion: "3", Source: "wss://a.example", FirstSeen: now, Updated: now,
			Offers: 1, OfferAt: now, Waiting: &Waiting{Cause: "parent", Since: now, Due: now, Tries: 1, For: []string{"30617:2:a"}},
		}}, nil
	case "repo":
		return Explanation{Asked: "repo", Known: true, Repo: &RepoView{
			Coordinate: "30617:2:a", Announcement: "1", Coordinates: []string{"30617:2:a"}, Relays: []RepoRelay{{URL: "wss://a.example"}},
		}}, nil
	case "nobody":
		return Explanation{Asked: "nobody"}, nil
	case "down":
		return Explanation{}, errors.New("no database")
	}
	return Explanation{}, fmt.Errorf("%w: %s", ErrMalformed, hostile)
}

// changed refuses what the names of relays say.
func changed(_ context.Context, o Order) error {
	switch o.Relay {
	case "malformed":
		return fmt.Errorf("%w: %s", ErrMalformed, hostile)
	case "busy":
		return fmt.Errorf("%w: x", ErrNotNow)
	case "unknown":
		return errors.New("this relay is not known")
	}
	return nil
}
