package embedded

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/embedded/server"
)

type hit struct {
	at int64
	id event.ID
}

// find runs every arm of a filter for its newest rows and merges them: newest first, on a tie the lowest id first, each
// event once, at most limit of them.
func (s *store) find(ctx context.Context, f nostr.Filter, limit int) ([]hit, error) {
	p, ok := planFilter(f)
	if !ok {
		return nil, nil
	}
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	stmt, err := tx.PrepareContext(ctx, p.text)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer stmt.Close()
	var hits []hit
	for _, driver := range p.drivers {
		args := slices.Concat(driver, p.rest, []any{limit})
		if hits, err = collect(ctx, stmt, args, hits); err != nil {
			return nil, err
		}
	}
	if len(p.drivers) > 1 {
		slices.SortFunc(hits, func(a, b hit) int {
			return cmp.Or(cmp.Compare(b.at, a.at), bytes.Compare(a.id[:], b.id[:]))
		})
		hits = slices.CompactFunc(hits, func(a, b hit) bool { return a.id == b.id })
	}
	return hits[:min(len(hits), limit)], nil
}

func collect(ctx context.Context, stmt *sql.Stmt, args []any, hits []hit) ([]hit, error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	var id sql.RawBytes
	for rows.Next() {
		var h hit
		if err := rows.Scan(&h.at, &id); err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		copy(h.id[:], id)
		hits = append(hits, h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return hits, nil
}

// Find implements server.Backend.
func (k *keeper) Find(ctx context.Context, f nostr.Filter, limit int) ([]event.ID, error) {
	hits, err := k.store.find(ctx, f, limit)
	if err != nil {
		return nil, err
	}
	ids := make([]event.ID, len(hits))
	for i, h := range hits {
		ids[i] = h.id
	}
	return ids, nil
}

// Items implements server.Backend.
func (k *keeper) Items(ctx context.Context, f nostr.Filter, limit int, yield func(int64, event.ID)) error {
	hits, err := k.store.find(ctx, f, limit+1)
	if err != nil {
		return err
	}
	if len(hits) > limit {
		return server.ErrTooMany
	}
	for _, h := range hits {
		yield(h.at, h.id)
	}
	return nil
}

// Fetch implements server.Backend.
func (k *keeper) Fetch(ctx context.Context, ids []event.ID, yield func(raw []byte)) error {
	stmt, err := k.store.read.PrepareContext(ctx, `SELECT raw FROM event WHERE id = ?`)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer stmt.Close()
	for _, id := range ids {
		var raw []byte
		err := stmt.QueryRowContext(ctx, id[:]).Scan(&raw)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return fmt.Errorf("fetch: %w", err)
		default:
			yield(raw)
		}
	}
	return nil
}

// announcements gives all stored ones.
func (s *store) announcements(ctx context.Context, yield func(*event.Event)) error {
	rows, err := s.read.QueryContext(ctx, `SELECT raw FROM event WHERE kind = ?`, event.KindAnnouncement)
	if err != nil {
		return fmt.Errorf("announcements: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return fmt.Errorf("announcements: %w", err)
		}
		e, err := event.Parse(raw, event.DefaultLimits())
		if err != nil {
			return fmt.Errorf("stored announcement: %w", err)
		}
		yield(e)
	}
	return rows.Err()
}
