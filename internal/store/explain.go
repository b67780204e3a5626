package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Explanation is what the database knows of one event.
type Explanation struct {
	ID          event.ID
	Kind        int
	CreatedAt   int64 // Unix seconds, as the author claims
	PubKey      event.PubKey
	Disposition relay.Disposition
	Reason      string       // hostile text
	Source      relayurl.URL // who brought it first
	FirstSeen   time.Time
	Updated     time.Time
	Offer       relay.Offer    // of a refused event
	Waiting     *relay.Waiting // its pending row, with the event; nil when it has none
	Deletion    event.ID       // that names its id and is its author's; zero when none is kept
}

// Explain reads what is known of an id; false when nothing is.
func (s *Store) Explain(ctx context.Context, id event.ID) (Explanation, bool, error) {
	changes := s.queue.changes(id)
	x, found, err := s.storedExplanation(ctx, id)
	if err != nil {
		return x, false, fmt.Errorf("explain %s: %w", id, err)
	}
	f := &fate{exists: found, disposition: x.Disposition, waits: x.Waiting != nil, wait: x.Waiting}
	f.entry.source = x.Source
	for _, o := range changes {
		f.apply(o)
	}
	if !f.exists {
		return Explanation{}, false, nil
	}
	if f.changed {
		x.Disposition, x.Reason, x.Source, x.Updated = f.disposition, string(f.entry.reason), f.entry.source, f.at.UTC()
		x.Offer = relay.Offer{Count: f.entry.offer.Count, Due: f.entry.offer.Due.UTC()}
	}
	if f.fresh {
		x.Kind, x.CreatedAt, x.PubKey, x.FirstSeen = f.facts.kind, f.facts.createdAt, f.facts.pubkey, f.seen.UTC()
	}
	if err := s.deletionOf(ctx, id, &x); err != nil {
		return x, false, fmt.Errorf("explain %s: %w", id, err)
	}
	x.ID, x.Waiting = id, nil
	if f.waits {
		x.Waiting = f.wait
	}
	return x, true, nil
}

func (s *Store) storedExplanation(ctx context.Context, id event.ID) (x Explanation, found bool, err error) {
	const query = `SELECT l.kind, l.created_at, l.pubkey, l.disposition, l.reason, u.url, l.first_seen, l.updated,
		l.offers, l.offer_at
		FROM ledger l LEFT JOIN urls u ON u.num = l.source WHERE l.id = $1`
	err = scan(ctx, s.backend.readers(), query, []any{id[:]}, func(read func(...any) error) error {
		var pubkey, reason, source []byte
		var seen, updated, due sql.NullInt64
		if err := read(&x.Kind, &x.CreatedAt, &pubkey, &x.Disposition, &reason, &source, &seen, &updated, &x.Offer.Count, &due); err != nil {
			return err
		}
		found = true
		x.PubKey, x.Reason, x.Source = fit(pubkey), string(reason), relayurl.URL(source)
		x.FirstSeen, x.Updated, x.Offer.Due = timeOf(seen), timeOf(updated), timeOf(due)
		return nil
	})
	if err != nil || !found {
		return x, false, err
	}
	waiting, err := s.storedWaiting(ctx, []event.ID{id})
	if w, ok := waiting[id]; ok {
		x.Waiting = &w
	}
	return x, true, err
}

// deletionOf looks for the deletion of an event whose author is known.
func (s *Store) deletionOf(ctx context.Context, id event.ID, x *Explanation) error {
	const query = `SELECT deletion FROM graves WHERE target = $1 AND author = $2`
	return scan(ctx, s.backend.readers(), query, []any{id[:], x.PubKey[:]}, func(read func(...any) error) error {
		var by []byte
		err := read(&by)
		x.Deletion = fit(by)
		return err
	})
}
