package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// statements are those of the writing connection.
type statements struct {
	has, author, coordinate, insert, insertTag, raw, remove, removeTag, byAddress, deletedID, deletedAddress, vanished, written, named, namedAddress *sql.Stmt
}

func prepare(ctx context.Context, db *sql.DB) (statements, error) {
	var s statements
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.has, `SELECT 1 FROM event WHERE id = ?`},
		{&s.author, `SELECT pubkey, kind FROM event WHERE id = ?`},
		{&s.coordinate, `SELECT raw FROM event WHERE id = ? AND d IS NOT NULL`},
		{&s.insert, `INSERT INTO event (id, pubkey, kind, created_at, d, raw) VALUES (?, ?, ?, ?, ?, ?)`},
		{&s.insertTag, `INSERT INTO tag (name, value, created_at, id, kind) VALUES (?, ?, ?, ?, ?)`},
		{&s.raw, `SELECT raw FROM event WHERE id = ?`},
		{&s.remove, `DELETE FROM event WHERE id = ?`},
		{&s.removeTag, `DELETE FROM tag WHERE name = ? AND value = ? AND created_at = ? AND id = ?`},
		{&s.byAddress, `SELECT id, created_at FROM event WHERE kind = ? AND pubkey = ? AND d = ?`},
		{&s.deletedID, `SELECT 1 FROM tag t JOIN event e ON e.id = t.id
			WHERE t.name = 'e' AND t.value = ? AND t.kind = 5 AND e.pubkey = ? LIMIT 1`},
		{&s.deletedAddress, `SELECT 1 FROM tag t JOIN event e ON e.id = t.id
			WHERE t.name = 'a' AND t.value = ? AND t.created_at >= ? AND t.kind = 5 AND e.pubkey = ? LIMIT 1`},
		{&s.vanished, `SELECT 1 FROM event WHERE pubkey = ? AND kind = 62 AND created_at >= ? LIMIT 1`},
		{&s.written, `SELECT id FROM event WHERE pubkey = ? AND created_at <= ? AND kind <> 62`},
		{&s.named, `SELECT 1 FROM tag WHERE name IN ('e', 'E', 'q') AND value = ? AND kind <> 5 LIMIT 1`},
		{&s.namedAddress, `SELECT 1 FROM tag WHERE name IN ('a', 'A', 'q') AND value = ? AND kind <> 5 LIMIT 1`},
	} {
		stmt, err := db.PrepareContext(ctx, p.text)
		if err != nil {
			return s, fmt.Errorf("prepare: %w", err)
		}
		*p.stmt = stmt
	}
	return s, nil
}

// txn is one write transaction. Only the keeper's goroutine has one.
type txn struct {
	ctx context.Context
	tx  *sql.Tx
	s   *statements
}

func (s *store) begin(ctx context.Context) (*txn, error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return &txn{ctx: ctx, tx: tx, s: &s.stmts}, nil
}

func (t *txn) commit() error {
	if err := t.tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (t *txn) rollback() { _ = t.tx.Rollback() } // the cause is reported by whoever rolls back

// found reports whether a query has a row, which is scanned into dest.
func (t *txn) found(stmt *sql.Stmt, args []any, dest ...any) (bool, error) {
	if dest == nil {
		dest = []any{new(int)}
	}
	err := t.tx.StmtContext(t.ctx, stmt).QueryRowContext(t.ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up: %w", err)
	}
	return true, nil
}

func (t *txn) exec(stmt *sql.Stmt, args ...any) error {
	if _, err := t.tx.StmtContext(t.ctx, stmt).ExecContext(t.ctx, args...); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func (t *txn) has(id event.ID) (bool, error) { return t.found(t.s.has, []any{id[:]}) }

// author gives the author and kind of a stored event.
func (t *txn) author(id event.ID) (pk event.PubKey, kind int, ok bool, err error) {
	var b []byte
	ok, err = t.found(t.s.author, []any{id[:]}, &b, &kind)
	copy(pk[:], b)
	return pk, kind, ok, err
}

// coordinate gives that of a stored event, false when it is not replaceable or not there.
func (t *txn) coordinate(id event.ID) (event.Ref, bool, error) {
	var raw []byte
	ok, err := t.found(t.s.coordinate, []any{id[:]}, &raw)
	if err != nil || !ok {
		return event.Ref{}, false, err
	}
	e, err := event.Parse(raw, event.DefaultLimits())
	if err != nil {
		return event.Ref{}, false, fmt.Errorf("stored event %s: %w", id, err)
	}
	return e.Coordinate(), true, nil
}

// byAddress gives the stored event of a coordinate.
func (t *txn) byAddress(ref event.Ref) (id event.ID, createdAt int64, ok bool, err error) {
	var b []byte
	ok, err = t.found(t.s.byAddress, []any{ref.Kind, ref.PubKey[:], tagValue(ref.D)}, &b, &createdAt)
	copy(id[:], b)
	return id, createdAt, ok, err
}

// written lists the stored events of an author up to a created_at, but for requests to vanish.
func (t *txn) written(author event.PubKey, until int64) (ids []event.ID, err error) {
	rows, err := t.tx.StmtContext(t.ctx, t.s.written).QueryContext(t.ctx, author[:], until)
	if err != nil {
		return nil, fmt.Errorf("look up: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, fmt.Errorf("look up: %w", err)
		}
		var id event.ID
		copy(id[:], b)
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// deleted reports whether a stored deletion or request to vanish by its author covers the event (NIP-09, NIP-62).
func (t *txn) deleted(e *event.Event) (bool, error) {
	if e.Kind == event.KindVanish {
		return false, nil
	}
	if gone, err := t.found(t.s.vanished, []any{e.PubKey[:], int64(e.CreatedAt)}); err != nil || gone {
		return gone, err
	}
	if e.Kind == event.KindDeletion {
		return false, nil // deleting a deletion has no effect
	}
	gone, err := t.found(t.s.deletedID, []any{e.ID[:], e.PubKey[:]})
	if err != nil || gone || !event.IsReplaceable(e.Kind) {
		return gone, err
	}
	return t.found(t.s.deletedAddress, []any{tagValue(e.Coordinate().String()), int64(e.CreatedAt), e.PubKey[:]})
}

// named reports whether a stored event points at e.
func (t *txn) named(e *event.Event) (bool, error) {
	is, err := t.found(t.s.named, []any{e.ID[:]})
	if err != nil || is || !event.IsReplaceable(e.Kind) {
		return is, err
	}
	return t.found(t.s.namedAddress, []any{tagValue(e.Coordinate().String())})
}

// insert stores an event that is not there.
func (t *txn) insert(e *event.Event) error {
	raw, err := e.MarshalJSON()
	if err != nil {
		return fmt.Errorf("marshal: %w", err)
	}
	var d any
	if event.IsReplaceable(e.Kind) {
		d = tagValue(e.Coordinate().D)
	}
	if err := t.exec(t.s.insert, e.ID[:], e.PubKey[:], e.Kind, int64(e.CreatedAt), d, raw); err != nil {
		return err
	}
	return eachTag(e.Event, func(name, value string) error {
		return t.exec(t.s.insertTag, name, tagValue(value), int64(e.CreatedAt), e.ID[:], e.Kind)
	})
}

// remove takes a stored event out.
func (t *txn) remove(id event.ID) error {
	var raw []byte
	ok, err := t.found(t.s.raw, []any{id[:]}, &raw)
	if err != nil || !ok {
		return err
	}
	var e nostr.Event
	if err := e.UnmarshalJSON(raw); err != nil {
		return fmt.Errorf("stored event %s: %w", id, err)
	}
	err = eachTag(&e, func(name, value string) error {
		return t.exec(t.s.removeTag, name, tagValue(value), int64(e.CreatedAt), id[:])
	})
	if err != nil {
		return err
	}
	return t.exec(t.s.remove, id[:])
}

// eachTag calls yield for every single-letter tag with a value, each pair once.
func eachTag(e *nostr.Event, yield func(name, value string) error) error {
	type pair struct{ name, value string }
	seen := make(map[pair]struct{}, len(e.Tags))
	for _, tag := range e.Tags {
		if len(tag) < 2 || len(tag[0]) != 1 || !letter(tag[0][0]) {
			continue
		}
		p := pair{tag[0], tag[1]}
		if _, ok := seen[p]; ok {
			continue
		}
		seen[p] = struct{}{}
		if err := yield(p.name, p.value); err != nil {
			return err
		}
	}
	return nil
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
