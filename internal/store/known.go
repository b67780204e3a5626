package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Known calls yield once for every id in the ledger that matches one filter, whatever became of it, but for refused events that may
// be offered again by now: our side of a reconciliation (DESIGN §5). It honours ids, kinds, authors, since, until and the tags a A e E q d k K; limit and search
// are ignored. What was queued before the call is seen. A hash collision of a tag value can bring an id too many.
func (s *Store) Known(ctx context.Context, f nostr.Filter, yield func(createdAt int64, id event.ID)) error {
	return s.matching(ctx, f, relay.Unknown, func(createdAt int64, _ int, id event.ID) { yield(createdAt, id) })
}

// Stored is Known for the events that the own relay has, as far as the ledger knows, and gives their kinds too.
func (s *Store) Stored(ctx context.Context, f nostr.Filter, yield func(createdAt int64, kind int, id event.ID)) error {
	return s.matching(ctx, f, relay.Stored, yield)
}

// matching reads what matches a filter and has a disposition; relay.Unknown: any.
func (s *Store) matching(ctx context.Context, f nostr.Filter, d relay.Disposition, yield func(createdAt int64, kind int, id event.ID)) error {
	if err := s.Flush(ctx); err != nil {
		return fmt.Errorf("read known ids: %w", err)
	}
	q, err := newKnownQuery(f, d)
	if err != nil {
		return fmt.Errorf("read known ids: %w", err)
	}
	var seen bitmap
	err = scan(ctx, s.backend.readers(), q.sql.String(), q.args, func(read func(...any) error) error {
		var num, created int64
		var kind int
		var id sql.RawBytes
		if err := read(&num, &created, &kind, &id); err != nil {
			return err
		}
		if seen.add(num) {
			yield(created, kind, fit(id))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read known ids: %w", err)
	}
	return nil
}

// knownQuery builds the statement of one filter. One tag leads through the index; the others are looked up per row.
type knownQuery struct {
	sql  strings.Builder
	args []any
}

func newKnownQuery(f nostr.Filter, d relay.Disposition) (*knownQuery, error) {
	q := &knownQuery{}
	where := []string{`(l.offer_at IS NULL OR l.offer_at > ` + q.arg(time.Now().UnixMilli()) + `)`}
	names := make([]string, 0, len(f.Tags))
	for name := range f.Tags {
		if !indexedTag(name) {
			return nil, fmt.Errorf("filter asks for tag %.10q, which is not indexed", name)
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(f.Tags[a]) - len(f.Tags[b]) })
	q.sql.WriteString(`SELECT l.num, l.created_at, l.kind, l.id FROM ledger l`)
	for i, name := range names {
		keys := make([]int64, len(f.Tags[name]))
		for k, value := range f.Tags[name] {
			keys[k] = tagKey(name, value)
		}
		if i == 0 {
			q.sql.Reset()
			q.sql.WriteString(`SELECT l.num, l.created_at, l.kind, l.id FROM ledger_tags t JOIN ledger l ON l.num = t.ledger`)
			where = append(where, `t.tag IN `+numbers(keys))
			continue
		}
		where = append(where, `EXISTS (SELECT 1 FROM ledger_tags x WHERE x.ledger = l.num AND x.tag IN `+numbers(keys)+`)`)
	}
	if d != relay.Unknown {
		where = append(where, `l.disposition = `+q.arg(int64(d)))
	}
	if f.Kinds != nil {
		kinds := make([]int64, len(f.Kinds))
		for i, k := range f.Kinds {
			kinds[i] = int64(k)
		}
		where = append(where, `l.kind IN `+numbers(kinds))
		if len(names) == 0 && partlyIndexed(f.Kinds) {
			where = append(where, `l.kind IN (5, 62, 30617, 30618)`) // the condition of the index, in its own words
		}
	}
	if f.IDs != nil {
		where = append(where, `l.id IN `+q.blobs(f.IDs))
	}
	if f.Authors != nil {
		where = append(where, `l.pubkey IN `+q.blobs(f.Authors))
	}
	if f.Since != nil {
		where = append(where, `l.created_at >= `+q.arg(int64(*f.Since)))
	}
	if f.Until != nil {
		where = append(where, `l.created_at <= `+q.arg(int64(*f.Until)))
	}
	for i, w := range where {
		q.sql.WriteString([...]string{` WHERE `, ` AND `}[min(i, 1)])
		q.sql.WriteString(w)
	}
	return q, nil
}

func partlyIndexed(kinds []int) bool {
	return !slices.ContainsFunc(kinds, func(k int) bool {
		return k != event.KindDeletion && k != event.KindVanish && k != event.KindAnnouncement && k != event.KindState
	})
}

func (q *knownQuery) arg(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// blobs is a list of ids or keys; what is no hex of 32 bytes matches nothing.
func (q *knownQuery) blobs(values []string) string {
	var list []string
	for _, v := range values {
		if id, err := event.ParseID(v); err == nil {
			list = append(list, q.arg(id[:]))
		}
	}
	return nonEmpty(list)
}

// numbers is a list of numbers, written out: they are ours, and a statement has room for only so many arguments.
func numbers(values []int64) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = strconv.FormatInt(v, 10)
	}
	return nonEmpty(list)
}

func nonEmpty(list []string) string {
	if len(list) == 0 {
		return "(NULL)"
	}
	return "(" + strings.Join(list, ",") + ")"
}

// bitmap is a set of row numbers.
type bitmap []uint64

func (b *bitmap) add(n int64) bool {
	i, bit := int(n/64), uint64(1)<<(n%64)
	for len(*b) <= i {
		*b = append(*b, make([]uint64, max(1024, len(*b)))...)
	}
	fresh := (*b)[i]&bit == 0
	(*b)[i] |= bit
	return fresh
}
