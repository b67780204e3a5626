package store

import (
	"context"
	"database/sql"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

const sqlKnown = `SELECT l.id, l.num, l.disposition, l.tags, p.ledger IS NOT NULL
	FROM ledger l LEFT JOIN pending p ON p.ledger = l.num WHERE l.id IN `

// pad rounds the length of a list up, so that few different statements are prepared.
func pad(n int) int {
	for _, size := range [...]int{1, 8, 64} {
		if n <= size {
			return size
		}
	}
	return max(n, groupRows)
}

// querier is a pool, a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scan calls fn for every row of a query; fn reads with the function that it is given.
func scan(ctx context.Context, q querier, query string, args []any, fn func(read func(...any) error) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// addKnown takes one row of known.
func addKnown(have map[event.ID]known, read func(...any) error) error {
	var id []byte
	var k known
	if err := read(&id, &k.num, &k.disposition, &k.tags, &k.waits); err != nil {
		return err
	}
	if len(id) == len(event.ID{}) {
		have[event.ID(id)] = k
	}
	return nil
}

func readCounts(ctx context.Context, q querier) (counts, error) {
	c := counts{disposition: map[relay.Disposition]int64{}}
	err := scan(ctx, q, sqlLastNum, nil, func(read func(...any) error) error { return read(&c.last) })
	if err != nil {
		return c, err
	}
	err = scan(ctx, q, sqlDispositions, nil, func(read func(...any) error) error {
		var d relay.Disposition
		var n int64
		if err := read(&d, &n); err != nil {
			return err
		}
		c.disposition[d] = n
		return nil
	})
	if err != nil {
		return c, err
	}
	err = scan(ctx, q, sqlPending, nil, func(read func(...any) error) error { return read(&c.pending) })
	return c, err
}
