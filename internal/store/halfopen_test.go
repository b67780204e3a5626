package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// A server that is gone without a word holds up a Close no longer than it may take.
func TestPostgresHalfOpenAtTheEnd(t *testing.T) {
	line, dsn := newLine(t, newPostgres(t).URL)
	s := openThrough(t, dsn, time.Second)
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
