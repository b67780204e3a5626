package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// recallKeys is how many tag keys one statement looks up.
const recallKeys = 1500

// sqlServed is the condition of rows that the own relay has or will have.
var sqlServed = fmt.Sprintf(`disposition IN (%d, %d)`, relay.Stored, relay.Held)

// isReply reports the kinds that replies are asked for: notes, comments, cover notes, statuses.
func isReply(kind int) bool {
	switch kind {
	case 1, event.KindComment, 1622, event.KindStatusOpen, event.KindStatusMerged, event.KindStatusClosed, event.KindStatusDraft:
		return true
	}
	return false
}

// Recall reads what the ledger knows around a repo (DESIGN §5). Replies and most authors are of rows that are stored or held; the
// authors of the roots and of the coordinates are among them whatever became of those. What was queued before the call is
// seen. A hash collision of a tag value can bring a row too many.
func (s *Store) Recall(ctx context.Context, q sync.RecallQuery) (sync.Recalled, error) {
	if err := s.Flush(ctx); err != nil {
		return sync.Recalled{}, fmt.Errorf("recall: %w", err)
	}
	r := newRecall(q)
	for chunk := range slices.Chunk(recallTags(q), recallKeys) {
		if err := r.readTagged(ctx, s.backend.readers(), chunk); err != nil {
			return sync.Recalled{}, fmt.Errorf("recall: %w", err)
		}
	}
	for chunk := range slices.Chunk(q.Roots, groupRows) {
		query := `SELECT pubkey FROM ledger WHERE id IN (` + s.backend.list(pad(len(chunk))) + `)`
		if err := r.readAuthors(ctx, s.backend.readers(), query, idArgs(chunk)); err != nil {
			return sync.Recalled{}, fmt.Errorf("recall: %w", err)
		}
	}
	return r.result(), nil
}

// recallTags are the keys of the tags that lead to a query's rows.
func recallTags(q sync.RecallQuery) []int64 {
	keys := make([]int64, 0, 3*(len(q.Coords)+len(q.Roots)))
	for _, ref := range q.Coords {
		value := ref.String()
		keys = append(keys, tagKey("a", value), tagKey("A", value), tagKey("q", value))
	}
	for _, id := range q.Roots {
		value := id.String()
		keys = append(keys, tagKey("e", value), tagKey("E", value), tagKey("q", value))
	}
	return keys
}

// recall gathers an answer while rows are read. It keeps at most twice as many replies as are asked for.
type recall struct {
	most    int
	since   int64 // Unix seconds
	all     bool  // since counts for nothing
	roots   map[event.ID]bool
	seen    bitmap // rows, by number
	replies []reply
	authors map[event.PubKey]bool
}

type reply struct {
	created int64
	id      event.ID
}

func newRecall(q sync.RecallQuery) *recall {
	r := &recall{most: max(q.Max, 0), all: q.Since.IsZero(), roots: make(map[event.ID]bool, len(q.Roots)), authors: map[event.PubKey]bool{}}
	if !r.all {
		r.since = q.Since.Add(time.Second - 1).Unix() // rounded up: created_at has whole seconds
	}
	for _, id := range q.Roots {
		r.roots[id] = true
	}
	for _, ref := range q.Coords {
		r.authors[ref.PubKey] = true
	}
	return r
}

func (r *recall) readTagged(ctx context.Context, db querier, keys []int64) error {
	// The inner list gives each row once, however many of its tags match, and in the order in which rows lie.
	query := `SELECT num, id, created_at, kind, pubkey FROM ledger
		WHERE num IN (SELECT ledger FROM ledger_tags WHERE tag IN ` + numbers(keys) + `) AND ` + sqlServed
	return scan(ctx, db, query, nil, func(read func(...any) error) error {
		var num, created int64
		var kind int
		var id, pubkey sql.RawBytes
		if err := read(&num, &id, &created, &kind, &pubkey); err != nil {
			return err
		}
		if r.seen.add(num) {
			r.author(pubkey)
			r.reply(reply{created, fit(id)}, kind)
		}
		return nil
	})
}

func (r *recall) readAuthors(ctx context.Context, db querier, query string, args []any) error {
	return scan(ctx, db, query, args, func(read func(...any) error) error {
		var pubkey sql.RawBytes
		if err := read(&pubkey); err != nil {
			return err
		}
		r.author(pubkey)
		return nil
	})
}

func (r *recall) author(pubkey []byte) {
	r.authors[fit(pubkey)] = true
}

func (r *recall) reply(e reply, kind int) {
	if !isReply(kind) || !r.all && e.created < r.since || r.roots[e.id] {
		return
	}
	r.replies = append(r.replies, e)
	if len(r.replies) >= 2*r.most+1024 {
		r.trim()
	}
}

// trim keeps the newest replies, in order.
func (r *recall) trim() {
	slices.SortFunc(r.replies, func(a, b reply) int {
		return cmp.Or(cmp.Compare(b.created, a.created), bytes.Compare(a.id[:], b.id[:]))
	})
	r.replies = r.replies[:min(len(r.replies), r.most)]
}

func (r *recall) result() sync.Recalled {
	r.trim()
	out := sync.Recalled{Authors: slices.SortedFunc(maps.Keys(r.authors), func(a, b event.PubKey) int { return bytes.Compare(a[:], b[:]) })}
	for _, e := range r.replies {
		out.Replies = append(out.Replies, e.id)
	}
	return out
}
