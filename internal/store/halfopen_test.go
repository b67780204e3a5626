package store_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/badline"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// A server that is gone without a word holds up a Close no longer than it may take.
func TestPostgresHalfOpenAtTheEnd(t *testing.T) {
	dsn := newPostgres(t).URL
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	line, err := badline.Listen(t.Context(), badline.Options{Target: net.JoinHostPort(config.Host, fmt.Sprint(config.Port))})
	require.NoError(t, err)
	t.Cleanup(line.Close)
	s := openThrough(t, throughAddr(t, dsn, line.Addr()), time.Second)
	record(t, s, 0, 10)
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, 10, count(t, s)) // and the readers have a connection
	require.Positive(t, line.Swallow())
	record(t, s, 10, 20)
	id, err := event.ParseID(issue(t, 0).Event.ID)
	require.NoError(t, err)
	asking, giveUp := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer giveUp()
	_, _, err = s.Explain(asking, id)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.ErrorContains(t, s.Close(ctx), "the database does not answer", "pgx waits longer")
}
