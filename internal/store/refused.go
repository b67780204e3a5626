package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// sqlRefused is the condition of rows that were judged by our rules or by the own relay's, which change.
var sqlRefused = fmt.Sprintf(`disposition IN (%d, %d)`, relay.Rejected, relay.Irrelevant)

// sqlBooked is the condition of rows of which the publisher keeps a bounded number.
var sqlBooked = fmt.Sprintf(`disposition IN (%d, %d, %d, %d, %d)`,
	relay.Rejected, relay.Irrelevant, relay.OwnLimit, relay.Superseded, relay.Tombstone)

// LoadBooked calls yield for every ledger row of an event that the own relay does not have and that waits for nothing, with who brought
// it, the oldest first. It waits until what was queued before is written.
func (s *Store) LoadBooked(ctx context.Context, yield func(id event.ID, d relay.Disposition, source relayurl.URL)) error {
	if err := s.Flush(ctx); err != nil {
		return fmt.Errorf("load booked ids: %w", err)
	}
	query := `SELECT l.id, l.disposition, u.url FROM ledger l LEFT JOIN urls u ON u.num = l.source WHERE l.` + sqlBooked + ` ORDER BY l.num`
	err := scan(ctx, s.backend.readers(), query, nil, func(read func(...any) error) error {
		var id, source sql.RawBytes
		var d relay.Disposition
		if err := read(&id, &d, &source); err != nil {
			return err
		}
		yield(fit(id), d, relayurl.URL(source))
		return nil
	})
	if err != nil {
		return advise(fmt.Errorf("load booked ids: %w", err))
	}
	return nil
}

// Refused lists up to n rejected and irrelevant rows that have not changed since a moment, in the order of rows beyond a position, and
// the position to go on from; fewer than n are the last. It waits until what was queued before is written.
func (s *Store) Refused(ctx context.Context, before time.Time, beyond int64, n int) (ids []event.ID, position int64, err error) {
	if err := s.Flush(ctx); err != nil {
		return nil, beyond, fmt.Errorf("list refused ids: %w", err)
	}
	query := `SELECT num, id FROM ledger WHERE num > $1 AND updated < $2 AND ` + sqlRefused + ` ORDER BY num LIMIT $3`
	position = beyond
	err = scan(ctx, s.backend.readers(), query, []any{beyond, before.UnixMilli(), int64(n)}, func(read func(...any) error) error {
		var id sql.RawBytes
		if err := read(&position, &id); err != nil {
			return err
		}
		ids = append(ids, fit(id))
		return nil
	})
	if err != nil {
		return nil, beyond, fmt.Errorf("list refused ids: %w", err)
	}
	return ids, position, nil
}

// Rescope compares the rules of this start, by a digest, with those of the last one. When they differ, rejected and irrelevant rows are
// forgotten and nothing is confirmed any more, so that everything is asked for again. It is called before Load. One that is cut off
// is made by the next start.
func (s *Store) Rescope(ctx context.Context, digest []byte) error {
	before, err := s.scope(ctx)
	if err != nil {
		return advise(fmt.Errorf("compare scope: %w", err))
	}
	if bytes.Equal(before, digest) {
		return nil
	}
	far, position, forgotten := time.UnixMilli(1<<53), int64(0), 0
	for {
		ids, to, err := s.Refused(ctx, far, position, groupRows)
		if err != nil {
			return advise(fmt.Errorf("forget what was out of scope: %w", err))
		}
		s.Forget(ids)
		forgotten, position = forgotten+len(ids), to
		if len(ids) < groupRows {
			break
		}
	}
	s.queue.pushRows([]*item{{scope: digest}})
	if err := s.Flush(ctx); err != nil {
		return fmt.Errorf("change scope: %w", err)
	}
	if before != nil || forgotten > 0 {
		s.log.Info("the scope has changed: everything is asked for again", zap.Int("forgotten", forgotten))
	}
	return nil
}

func (s *Store) scope(ctx context.Context) (digest []byte, err error) {
	const query = `SELECT value FROM facts WHERE name = 'scope'`
	err = scan(ctx, s.backend.readers(), query, nil, func(read func(...any) error) error { return read(&digest) })
	return digest, err
}

// rescope plans that nothing is confirmed, under another scope.
func (p *plan) rescope(digest []byte) {
	p.do(`DELETE FROM repo_relays`)
	p.do(`DELETE FROM batches`)
	p.do(`UPDATE relays SET announcements = 0, cursor_at = NULL, last_full = NULL, pass_since = NULL, polled_hot = NULL, polled_warm = NULL`)
	p.do(`INSERT INTO facts (name, value) VALUES ('scope', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, digest)
}
