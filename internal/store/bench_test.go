package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/internal/store/storetest"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

var (
	benchRepo = event.RepoRef(event.PubKey{1}, "repo")
	benchSig  = strings.Repeat("ab", 64)
)

// benchEvent is a comment as they are: four tags that filters use, one of them the repo's.
func benchEvent(t testing.TB, n int) *event.Event {
	t.Helper()
	root := fmt.Sprintf("%064x", n%5000)
	e := nostr.Event{
		Kind: event.KindComment, PubKey: fmt.Sprintf("%064x", n%300), CreatedAt: nostr.Timestamp(1_700_000_000 + n), Sig: benchSig,
		Tags:    nostr.Tags{{"A", benchRepo.String()}, {"K", "1621"}, {"E", root}, {"e", fmt.Sprintf("%064x", n)}, {"p", root}},
		Content: strings.Repeat("word ", 60),
	}
	e.ID = e.GetID()
	wrapped, err := event.Wrap(e)
	require.NoError(t, err)
	return wrapped
}

func bothDialects(b *testing.B, bench func(b *testing.B, db storetest.Database)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) { bench(b, newSQLite(b)) })
	b.Run("postgres", func(b *testing.B) { bench(b, newPostgres(b)) })
}

func benchOpen(b *testing.B, db storetest.Database) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), db.URL, store.Options{QueueRows: 1 << 24, QueueBytes: 1 << 40})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close(b.Context())) })
	return s
}

// BenchmarkRecord is one event that the own relay took, with its tags.
func BenchmarkRecord(b *testing.B) {
	bothDialects(b, func(b *testing.B, db storetest.Database) {
		s := benchOpen(b, db)
		entries := make([]relay.Entry, b.N)
		for i := range entries {
			entries[i] = relay.Entry{Event: benchEvent(b, i), Disposition: relay.Stored, Source: "wss://a.example", At: time.Now()}
		}
		b.ReportAllocs()
		b.ResetTimer()
		for _, e := range entries {
			s.Record(e)
		}
		require.NoError(b, s.Flush(b.Context()))
	})
}

// BenchmarkGroups is one ledger row, written in transactions of so many.
func BenchmarkGroups(b *testing.B) {
	bothDialects(b, func(b *testing.B, db storetest.Database) {
		for _, group := range []int{1, 10, 100, 500} {
			b.Run(fmt.Sprint(group), func(b *testing.B) {
				s := benchOpen(b, db)
				from := time.Now().Nanosecond() // the database is shared: other ids
				entries := make([]relay.Entry, b.N)
				for i := range entries {
					entries[i] = relay.Entry{Event: benchEvent(b, from+i), Disposition: relay.Stored, Source: "wss://a.example", At: time.Now()}
				}
				b.ResetTimer()
				for chunk := range slices.Chunk(entries, group) {
					for _, e := range chunk {
						s.Record(e)
					}
					require.NoError(b, s.Flush(b.Context()))
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	})
}

// BenchmarkPark is one event that waits and goes again.
func BenchmarkPark(b *testing.B) {
	bothDialects(b, func(b *testing.B, db storetest.Database) {
		s := benchOpen(b, db)
		events := make([]*event.Event, b.N)
		for i := range events {
			events[i] = benchEvent(b, i)
		}
		b.ResetTimer()
		for i, e := range events {
			s.Park(relay.Waiting{Event: e, Cause: relay.CausePace, Needs: e.References(), Since: time.Now()})
			if i >= 1000 {
				s.Record(relay.Entry{Event: events[i-1000], Disposition: relay.Stored, At: time.Now()})
				s.Unpark(events[i-1000].ID)
			}
		}
		require.NoError(b, s.Flush(b.Context()))
	})
}

// BenchmarkRoot is one root learned and confirmed at one relay.
func BenchmarkRoot(b *testing.B) {
	bothDialects(b, func(b *testing.B, db storetest.Database) {
		s := benchOpen(b, db)
		for i := range uint32(b.N) {
			s.Apply([]sync.Row{
				sync.SaveRoot{Repo: benchRepo, N: i, ID: event.ID{byte(i)}},
				sync.SaveCoverage{Relay: "wss://a.example", Repo: benchRepo, Roots: sync.Coverage{Count: i}},
			}, 0)
		}
		require.NoError(b, s.Flush(b.Context()))
	})
}

// BenchmarkKnown reads the 100,000 ids of one repo, out of 1,000,000 of ten.
func BenchmarkKnown(b *testing.B) {
	bothDialects(b, func(b *testing.B, db storetest.Database) {
		s := benchOpen(b, db)
		for i := range 100_000 {
			e := benchEvent(b, i)
			s.Record(relay.Entry{Event: e, Disposition: relay.Stored, At: time.Now()})
			for repo := range 9 {
				other := *e.Event
				other.Tags = slices.Clone(other.Tags)
				other.Tags[0] = nostr.Tag{"A", event.RepoRef(event.PubKey{2}, fmt.Sprint(repo)).String()}
				other.ID = other.GetID()
				e, err := event.Wrap(other)
				require.NoError(b, err)
				s.Record(relay.Entry{Event: e, Disposition: relay.Stored, At: time.Now()})
			}
			if i%1000 == 999 {
				require.NoError(b, s.Flush(b.Context()))
			}
		}
		for b.Loop() {
			n := 0
			f := nostr.Filter{Tags: nostr.TagMap{"A": {benchRepo.String()}}}
			require.NoError(b, s.Known(b.Context(), f, func(int64, event.ID) { n++ }))
			require.Equal(b, 100_000, n)
		}
	})
}

// BenchmarkRecall asks what 100 roots brought: 2,000 comments, out of 100,000 rows.
func BenchmarkRecall(b *testing.B) {
	bothDialects(b, func(b *testing.B, db storetest.Database) {
		s := benchOpen(b, db)
		for i := range 100_000 {
			s.Record(relay.Entry{Event: benchEvent(b, i), Disposition: relay.Stored, At: time.Now()})
		}
		require.NoError(b, s.Flush(b.Context()))
		q := sync.RecallQuery{Coords: []event.Ref{event.RepoRef(event.PubKey{2}, "other")}, Max: 2000}
		for i := range 100 {
			id, err := event.ParseID(fmt.Sprintf("%064x", i))
			require.NoError(b, err)
			q.Roots = append(q.Roots, id)
		}
		for b.Loop() {
			got, err := s.Recall(b.Context(), q)
			require.NoError(b, err)
			require.Len(b, got.Replies, 2000)
		}
	})
}

// BenchmarkLoad reads 1,000 repos, 50,000 roots, 100 relays and 5,000 rows of coverage: the start of a large daemon.
func BenchmarkLoad(b *testing.B) {
	bothDialects(b, func(b *testing.B, db storetest.Database) {
		s := benchOpen(b, db)
		for r := range 1000 {
			n := nostr.Event{Kind: event.KindAnnouncement, PubKey: fmt.Sprintf("%064x", r), Sig: benchSig, Tags: nostr.Tags{{"d", "repo"}}}
			n.ID = n.GetID()
			a, err := event.Wrap(n)
			require.NoError(b, err)
			rows := []sync.Row{sync.SaveRepo{Ref: a.Coordinate(), Announcement: a}}
			for i := range uint32(50) {
				rows = append(rows, sync.SaveRoot{Repo: a.Coordinate(), N: i, ID: event.ID{byte(r), byte(r >> 8), byte(i)}})
			}
			for i := range 5 {
				u := relayurl.URL(fmt.Sprintf("wss://%d.example", (r+i)%100))
				rows = append(rows, sync.SaveRelay{URL: u}, sync.SaveCoverage{Relay: u, Repo: a.Coordinate(), Roots: sync.Coverage{Count: 50}})
			}
			s.Apply(rows, 0)
		}
		require.NoError(b, s.Flush(b.Context()))
		for b.Loop() {
			state, err := s.Load(b.Context())
			require.NoError(b, err)
			require.Len(b, state.Roots, 50_000)
			require.Len(b, state.Coverage, 5000)
		}
	})
}
