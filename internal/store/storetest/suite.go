package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
)

// Database is a fresh, empty database, and what a case does to it behind the store's back.
type Database struct {
	URL string
	// Exec runs a statement.
	Exec func(t testing.TB, query string)
	// Count runs a query that gives one number.
	Count func(t testing.TB, query string) int64
	// Migrate makes the schema of an earlier version.
	Migrate func(t testing.TB, version int64)
	// Bytes is a literal of the dialect.
	Bytes func(b []byte) string
	// Block keeps every other writer out until release is called.
	Block func(t *testing.T) (release func())
	// Refuse makes the database refuse a ledger row with this id for its data.
	Refuse func(t *testing.T, id event.ID)
}

// Factory makes a database that is gone when the test ends.
type Factory func(t testing.TB) Database

// patience bounds what a case waits for; it only ever passes when something is broken.
const patience = 4 * time.Minute

// Run runs every case.
func Run(t *testing.T, fresh Factory) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *testing.T, db Database)
	}{
		{"engine rows come back", testEngineRows},
		{"engine rows change and go", testEngineChanges},
		{"engine rows that cannot be used are dropped", testEngineBroken},
		{"ledger rows change and go", testLedgerChanges},
		{"pending rows come back", testPending},
		{"pending rows that cannot be read are forgotten", testPendingBroken},
		{"refused events are offered again", testOffers},
		{"held events wait until they are confirmed", testHeld},
		{"lookups see unwritten rows", testUnwritten},
		{"irrelevant by address", testIrrelevantAddressed},
		{"known ids by filter", testKnown},
		{"graves", testGraves},
		{"what became of rows is amended", testAmend},
		{"authors of ids", testAuthors},
		{"what a deletion covers", testWritten},
		{"what is known around a repo", testRecall},
		{"what is known of a repo", testExplainRepo},
		{"what is known around ten thousand roots", testRecallManyRoots},
		{"recall gives up in time", testRecallBlocked},
		{"any history equals its model", testModel},
		{"hostile text", testHostileText},
		{"large numbers", testLargeNumbers},
		{"writers from everywhere", testConcurrent},
		{"a full queue drops rows and refuses confirms", testOverflow},
		{"a row that the database refuses is dropped alone", testRefusedRow},
		{"close writes what is queued", testClose},
		{"close gives up in time", testCloseBlocked},
		{"second daemon is refused", testSecondDaemon},
		{"newer schema is refused", testNewerSchema},
		{"a database of the first version is brought forwards", testUpgrade},
		{"migrations at the same time", testMigrations},
		{"kill leaves a prefix", testKill},
		{"rejected and irrelevant rows in order", testRefused},
		{"another scope forgets and unconfirms", testRescope},
		{"gauges", testGauges},
		{"twenty thousand rows", testThroughput},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, fresh(t))
		})
	}
}

func open(t *testing.T, db Database, opts store.Options) *store.Store {
	t.Helper()
	if opts.Log == nil {
		opts.Log = zaptest.NewLogger(t)
	}
	s, err := store.Open(t.Context(), db.URL, opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.Close(ctx) //nolint:errcheck // the case has closed it where that matters
	})
	return s
}

func shut(t *testing.T, s *store.Store) {
	t.Helper()
	require.NoError(t, s.Close(deadline(t)))
}

func reopen(t *testing.T, db Database, s *store.Store) *store.Store {
	t.Helper()
	shut(t, s)
	return open(t, db, store.Options{})
}

func flush(t *testing.T, s *store.Store) {
	t.Helper()
	require.NoError(t, s.Flush(deadline(t)))
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
