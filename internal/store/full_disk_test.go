package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"modernc.org/sqlite"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// A disk that is full is waited for: the operator hears of it once, and nothing is lost when there is room again.
func TestSQLiteOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := Open(t.Context(), "sqlite:"+path, Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))

	b, err := openSQLite(path)
	require.NoError(t, err)
	var pages atomic.Int64 // that the disk has room for: the database says the same as on a full one
	pages.Store(60)
	sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, dsn string) error {
		if !strings.Contains(dsn, path) {
			return nil
		}
		_, err := c.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", pages.Load()), nil)
		return err
	})
	b.db.SetConnMaxLifetime(1) // each try takes a new connection, which the hook sees
	require.NoError(t, b.attach(t.Context(), time.Second, nil))
	core, logs := observer.New(zap.InfoLevel)
	s = newStore(b, Options{}.withDefaults(), zap.New(core))
	s.start()
	const n = 2000
	for i := range n {
		s.queue.pushOps(&op{verb: record, id: fakeID(i), facts: &facts{}, entry: entry{disposition: relay.Stored, reason: []byte{}}, at: time.Now()})
	}
	require.Eventually(t, func() bool { return !s.Up() }, time.Minute, time.Millisecond)
	said := logs.FilterMessage("database cannot be written, working from memory").All()
	require.Len(t, said, 1)
	require.Contains(t, said[0].ContextMap()["error"], "database or disk is full")
	require.Contains(t, said[0].ContextMap()["error"], "look after the disk: it is full")

	pages.Store(1 << 20)
	require.NoError(t, s.Flush(t.Context()))
	require.True(t, s.Up())
	require.Equal(t, 1, logs.FilterMessage("database is back").Len())
	found := 0
	require.NoError(t, s.LoadKnown(t.Context(), func(event.ID, relay.Disposition) { found++ }))
	require.Equal(t, n, found)
	require.NoError(t, s.Close(t.Context()))
}
