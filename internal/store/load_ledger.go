package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// LoadKnown calls yield for every ledger row, those of waiting events among them. It waits until what was queued before is
// written.
func (s *Store) LoadKnown(ctx context.Context, yield func(event.ID, relay.Disposition)) error {
	if err := s.Flush(ctx); err != nil {
		return fmt.Errorf("load known ids: %w", err)
	}
	err := scan(ctx, s.backend.readers(), `SELECT id, disposition FROM ledger`, nil, func(read func(...any) error) error {
		var id sql.RawBytes
		var d relay.Disposition
		if err := read(&id, &d); err != nil {
			return err
		}
		yield(fit(id), d)
		return nil
	})
	if err != nil {
		return advise(fmt.Errorf("load known ids: %w", err))
	}
	return nil
}

// LoadOffers calls yield for every ledger row of an event that may be offered again. It waits until what was queued before is
// written.
func (s *Store) LoadOffers(ctx context.Context, yield func(event.ID, relay.Offer)) error {
	if err := s.Flush(ctx); err != nil {
		return fmt.Errorf("load offers: %w", err)
	}
	const query = `SELECT id, offers, offer_at FROM ledger WHERE offer_at IS NOT NULL`
	err := scan(ctx, s.backend.readers(), query, nil, func(read func(...any) error) error {
		var id sql.RawBytes
		var o relay.Offer
		var due sql.NullInt64
		if err := read(&id, &o.Count, &due); err != nil {
			return err
		}
		o.Due = timeOf(due)
		yield(fit(id), o)
		return nil
	})
	if err != nil {
		return advise(fmt.Errorf("load offers: %w", err))
	}
	return nil
}

const sqlWaiting = ` p.cause, p.tries, p.due, p.since, u.url, p.size, p.reason, p.needs, l.id, l.kind, l.pubkey, l.created_at
	FROM pending p JOIN ledger l ON l.num = p.ledger LEFT JOIN urls u ON u.num = p.source`

// LoadWaiting calls yield for every pending row, without its event. It waits until what was queued before is written.
// Rows that cannot be read are logged, left out and forgotten: those events will be fetched again.
func (s *Store) LoadWaiting(ctx context.Context, yield func(relay.Waiting)) error {
	if err := s.Flush(ctx); err != nil {
		return fmt.Errorf("load pending: %w", err)
	}
	query := `SELECT` + sqlWaiting + ` ORDER BY p.ledger`
	err := scan(ctx, s.backend.readers(), query, nil, func(read func(...any) error) error {
		w, err := readWaiting(read)
		if err != nil {
			return err
		}
		if w.unreadable != nil {
			s.unreadable(w)
			return nil
		}
		yield(w.Waiting)
		return nil
	})
	if err != nil {
		return advise(fmt.Errorf("load pending: %w", err))
	}
	return nil
}

// waitingRow is a pending row as read; unreadable says what is wrong with it.
type waitingRow struct {
	relay.Waiting
	unreadable error
}

func readWaiting(read func(...any) error) (waitingRow, error) {
	var w waitingRow
	var x relay.WaitingIndex
	var due, since sql.NullInt64
	var source, reason, needs, id, author []byte
	if err := read(&w.Cause, &w.Tries, &due, &since, &source, &w.Size, &reason, &needs, &id, &w.Kind, &author, &x.CreatedAt); err != nil {
		return w, err
	}
	x.Author = fit(author)
	w.Index = &x
	w.ID, w.Due, w.Since = fit(id), timeOf(due), timeOf(since)
	w.Source, w.Reason = relayurl.URL(source), string(reason)
	w.Needs, w.unreadable = unpackReferences(needs)
	return w, nil
}

func (s *Store) unreadable(w waitingRow) {
	s.log.Error("pending row cannot be read, its event is forgotten", zap.Stringer("id", w.ID), zap.Error(w.unreadable))
	s.Forget([]event.ID{w.ID})
}

// WaitingEvents reads pending rows with their events, in the order of ids. Ids that are gone, and rows that cannot be
// read, are left out; the latter are forgotten, as by LoadWaiting.
func (s *Store) WaitingEvents(ctx context.Context, ids []event.ID) ([]relay.Waiting, error) {
	// Changes first: what is committed between the two reads is then seen twice, not missed.
	fates := make(map[event.ID]*fate, len(ids))
	changes := make(map[event.ID][]*op, len(ids))
	var ask []event.ID
	for _, id := range ids {
		changes[id] = s.queue.changes(id)
		if f := unsaved(changes[id]); f != nil {
			fates[id] = f
		} else {
			ask = append(ask, id)
		}
	}
	stored, err := s.storedWaiting(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("read pending: %w", err)
	}
	var out []relay.Waiting
	for _, id := range ids {
		f := fates[id]
		if f == nil {
			f = &fate{}
			if w, ok := stored[id]; ok {
				f = &fate{exists: true, disposition: relay.Parked, waits: true, wait: &w}
			}
			for _, o := range changes[id] {
				f.apply(o)
			}
		}
		if f.waits && f.wait != nil && f.wait.Event != nil {
			w := *f.wait
			w.ID = id
			out = append(out, w)
		}
	}
	return out, nil
}

// unsaved is the fate of an id when its unwritten changes alone decide what waits: the newest that brings an event or
// removes the row. nil when the database must be asked.
func unsaved(changes []*op) *fate {
	decides := func(o *op) bool { return o.verb == unpark || o.verb == forget || o.verb == park && o.wait.Event != nil }
	if !slices.ContainsFunc(changes, decides) {
		return nil
	}
	f := &fate{}
	for _, o := range changes {
		f.apply(o)
	}
	return f
}

func (s *Store) storedWaiting(ctx context.Context, ids []event.ID) (map[event.ID]relay.Waiting, error) {
	out := make(map[event.ID]relay.Waiting, len(ids))
	for chunk := range slices.Chunk(ids, groupRows) {
		query := `SELECT p.event,` + sqlWaiting + ` WHERE l.id IN (` + s.backend.list(pad(len(chunk))) + `)`
		err := scan(ctx, s.backend.readers(), query, idArgs(chunk), func(read func(...any) error) error {
			var raw []byte
			w, err := readWaiting(func(dest ...any) error { return read(append([]any{&raw}, dest...)...) })
			if err != nil {
				return err
			}
			if w.unreadable == nil {
				w.Event, w.unreadable = event.Parse(raw, stored)
				w.Index = nil
			}
			if w.unreadable != nil {
				s.unreadable(w)
				return nil
			}
			out[w.ID] = w.Waiting
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// idArgs are the arguments of a padded list of ids; the last one is repeated.
func idArgs(ids []event.ID) []any {
	args := make([]any, pad(len(ids)))
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)][:]
	}
	return args
}

// IrrelevantAddressed lists irrelevant rows of kinds 30617 and 30618 by an author with an identifier.
func (s *Store) IrrelevantAddressed(ctx context.Context, pk event.PubKey, d string) ([]event.ID, error) {
	key := tagKey(addressTag, d)
	// Changes first, as in WaitingEvents.
	changes := s.queue.matching(func(o *op) bool {
		f := o.facts
		return o.verb == record && f.pubkey == pk && (f.kind == event.KindAnnouncement || f.kind == event.KindState) && slices.Contains(f.tags, key)
	})
	const query = `SELECT l.id FROM ledger_tags t JOIN ledger l ON l.num = t.ledger
		WHERE t.tag = $1 AND l.pubkey = $2 AND l.kind IN (30617, 30618) AND l.disposition = $3`
	var out []event.ID
	have := map[event.ID]bool{}
	err := scan(ctx, s.backend.readers(), query, []any{key, pk[:], int64(relay.Irrelevant)}, func(read func(...any) error) error {
		var id []byte
		if err := read(&id); err != nil {
			return err
		}
		have[fit(id)] = true
		if _, changed := changes[fit(id)]; !changed {
			changes[fit(id)] = s.queue.changes(fit(id))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read irrelevant: %w", err)
	}
	for id, ops := range changes {
		f := &fate{exists: have[id], disposition: relay.Unknown}
		if have[id] {
			f.disposition = relay.Irrelevant
		}
		for _, o := range ops {
			f.apply(o)
		}
		if f.exists && f.disposition == relay.Irrelevant {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	return out, nil
}
