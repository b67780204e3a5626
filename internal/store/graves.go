package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// mostWritten bounds the rows of one author that one question brings.
const mostWritten = 100_000

// Bury keeps graves: what an author has deleted. One of the same author and target takes the place of the one before.
func (s *Store) Bury(graves []relay.Grave) relay.Seq { return s.pushGraves(graves, false) }

// Exhume forgets graves.
func (s *Store) Exhume(graves []relay.Grave) relay.Seq { return s.pushGraves(graves, true) }

func (s *Store) pushGraves(graves []relay.Grave, gone bool) relay.Seq {
	ops := make([]*op, len(graves))
	for i := range graves {
		g := graves[i]
		ops[i] = &op{verb: bury, id: g.By, grave: &g, gone: gone}
	}
	return s.queue.pushOps(ops...)
}

func (p *plan) bury(o *op) {
	g := o.grave
	if o.gone {
		p.do(`DELETE FROM graves WHERE target = $1 AND author = $2`, g.Target[:], g.Author[:])
		return
	}
	p.do(`INSERT INTO graves (target, author, covers_until, deletion) VALUES ($1, $2, $3, $4)
		ON CONFLICT (target, author) DO UPDATE SET covers_until = excluded.covers_until, deletion = excluded.deletion`,
		g.Target[:], g.Author[:], g.Until, g.By[:])
}

// LoadGraves calls yield for every grave. It waits until what was queued before is written.
func (s *Store) LoadGraves(ctx context.Context, yield func(relay.Grave)) error {
	if err := s.Flush(ctx); err != nil {
		return fmt.Errorf("load graves: %w", err)
	}
	const query = `SELECT target, author, covers_until, deletion FROM graves`
	err := scan(ctx, s.backend.readers(), query, nil, func(read func(...any) error) error {
		var target, author, by []byte
		var g relay.Grave
		if err := read(&target, &author, &g.Until, &by); err != nil {
			return err
		}
		g.Target, g.Author, g.By = fit(target), fit(author), fit(by)
		yield(g)
		return nil
	})
	if err != nil {
		return advise(fmt.Errorf("load graves: %w", err))
	}
	return nil
}

// Authors gives who wrote the events of those ids that have a row.
func (s *Store) Authors(ctx context.Context, ids []event.ID) (map[event.ID]event.PubKey, error) {
	out := make(map[event.ID]event.PubKey, len(ids))
	for _, id := range ids { // changes first, as in WaitingEvents
		for _, o := range s.queue.changes(id) {
			if o.facts != nil {
				out[id] = o.facts.pubkey
			}
		}
	}
	for chunk := range slices.Chunk(ids, groupRows) {
		query := `SELECT id, pubkey FROM ledger WHERE id IN (` + s.backend.list(pad(len(chunk))) + `)`
		err := scan(ctx, s.backend.readers(), query, idArgs(chunk), func(read func(...any) error) error {
			var id, author []byte
			err := read(&id, &author)
			out[fit(id)] = fit(author)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read authors: %w", err)
		}
	}
	return out, nil
}

// coordinateKey names the versions of one author's coordinate.
type coordinateKey struct {
	kind int
	tag  int64
}

// Written lists the rows of d.Author that d covers, whatever became of them, in the order of their ids: those of d.IDs, versions of
// d.Refs up to d.Until (addressable ones; others have no key to be found by), and with d.All everything up to it. Kinds that a deletion
// cannot name are left out; of everything only requests to vanish are.
func (s *Store) Written(ctx context.Context, d relay.Deletion) ([]event.ID, error) {
	named := make(map[event.ID]bool, len(d.IDs))
	for _, id := range d.IDs {
		named[id] = true
	}
	refs := make(map[coordinateKey]bool, len(d.Refs))
	for _, ref := range d.Refs {
		if event.IsAddressable(ref.Kind) {
			refs[coordinateKey{ref.Kind, tagKey(addressTag, ref.D)}] = true
		}
	}
	found := map[event.ID]bool{}
	// Changes first, as in WaitingEvents.
	s.queue.each(func(o *op) {
		f := o.facts
		if f == nil || f.pubkey != d.Author {
			return
		}
		late := f.createdAt > d.Until
		version := !late && slices.ContainsFunc(f.tags, func(tag int64) bool { return refs[coordinateKey{f.kind, tag}] })
		if (named[o.id] || version) && event.Deletable(f.kind) || d.All && !late && f.kind != event.KindVanish {
			found[o.id] = true
		}
	})
	q := written{s: s, author: d.Author, until: d.Until, found: found}
	err := q.named(ctx, d.IDs)
	if err == nil {
		err = q.versions(ctx, refs)
	}
	if err == nil && d.All {
		err = q.all(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read rows of an author: %w", err)
	}
	out := make([]event.ID, 0, len(found))
	for id := range found {
		out = append(out, id)
	}
	slices.SortFunc(out, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	return out, nil
}

// written gathers the answer of the database.
type written struct {
	s      *Store
	author event.PubKey
	until  int64
	found  map[event.ID]bool
}

func (q *written) scan(ctx context.Context, query string, args []any) error {
	return scan(ctx, q.s.backend.readers(), query, args, func(read func(...any) error) error {
		var id []byte
		err := read(&id)
		q.found[fit(id)] = true
		return err
	})
}

func (q *written) named(ctx context.Context, ids []event.ID) error {
	authors, err := q.s.Authors(ctx, ids)
	if err != nil {
		return err
	}
	var mine []event.ID
	for id, author := range authors {
		if author == q.author {
			mine = append(mine, id)
		}
	}
	for chunk := range slices.Chunk(mine, groupRows) {
		query := `SELECT id FROM ledger WHERE id IN (` + q.s.backend.list(pad(len(chunk))) + `) AND kind NOT IN (5, 62)`
		if err := q.scan(ctx, query, idArgs(chunk)); err != nil {
			return err
		}
	}
	return nil
}

func (q *written) versions(ctx context.Context, refs map[coordinateKey]bool) error {
	byKind := map[int][]int64{}
	for ref := range refs {
		byKind[ref.kind] = append(byKind[ref.kind], ref.tag)
	}
	for kind, tags := range byKind {
		for chunk := range slices.Chunk(tags, recallKeys) {
			query := `SELECT l.id FROM ledger_tags t JOIN ledger l ON l.num = t.ledger
				WHERE t.tag IN ` + numbers(chunk) + ` AND l.pubkey = $1 AND l.kind = $2 AND l.created_at <= $3`
			if err := q.scan(ctx, query, []any{q.author[:], int64(kind), q.until}); err != nil {
				return err
			}
		}
	}
	return nil
}

// all reads the whole ledger: there is no index by author, because one over all rows costs a third of the write rate, and requests to
// vanish are few.
func (q *written) all(ctx context.Context) error {
	query := fmt.Sprintf(`SELECT id FROM ledger WHERE pubkey = $1 AND created_at <= $2 AND kind <> 62 LIMIT %d`, mostWritten)
	return q.scan(ctx, query, []any{q.author[:], q.until})
}
