package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
)

// What a daemon has been told to be written outlives a crash of the server: the daemon goes on, and confirms what rests on it.
func TestACrashOfPostgresLosesNothingThatWasWritten(t *testing.T) {
	c := startCluster(t)
	s, err := store.Open(t.Context(), c.through(c.url.Host), store.Options{})
	require.NoError(t, err)
	alice := newAuthor(1)
	written := 0
	write := func() {
		t.Helper()
		e, err := event.Wrap(alice.issue("tool", time.Now(), fmt.Sprint(written)))
		require.NoError(t, err)
		s.Record(relay.Entry{Event: e, Disposition: relay.Stored, At: time.Now()})
		require.NoError(t, s.Flush(t.Context()))
		written++
	}
	for range 3 {
		write()
		require.NoError(t, c.kill())
		require.NoError(t, c.start(t.Context()))
		write()    // it notices, and connects again
		known := 0 // by a connection of this server: one to the server before fails the first who asks over it
		require.NoError(t, c.db.QueryRowContext(t.Context(), "SELECT count(*) FROM ledger").Scan(&known))
		require.Equal(t, written, known)
	}
	require.NoError(t, s.Close(t.Context()))
}
