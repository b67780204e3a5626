package store

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A daemon on another machine takes over within minutes when the first one's machine has died.
func TestPostgresFindsOutThatAHostIsGone(t *testing.T) {
	dsn := os.Getenv("TEST_NGIT_SYNC_POSTGRES")
	require.NotEmpty(t, dsn, "no Postgres to test with: run `make test`, or scripts/postgres.sh run go test ./internal/store/...")
	b, err := openPostgres(dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.detach(context.Background())) }()
	require.NoError(t, b.attach(t.Context(), time.Second, func(string) {}))
	var idle, interval, count int
	require.NoError(t, b.conn.QueryRow(t.Context(), `SELECT current_setting('tcp_keepalives_idle')::int,
		current_setting('tcp_keepalives_interval')::int, current_setting('tcp_keepalives_count')::int`).Scan(&idle, &interval, &count))
	require.Equal(t, []int{30, 10, 3}, []int{idle, interval, count})
}
