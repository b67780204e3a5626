package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// While the database is away the daemon says so, and goes on.
func TestBinaryOutlivesAnOutageOfTheDatabase(t *testing.T) {
	own := relaytest.Start(t, relaytest.Options{Verify: true})
	one := relaytest.Start(t, relaytest.Options{})
	ownURL, oneURL := serve(t, own, "127.0.0.1:0"), serve(t, one, "127.0.0.1:0")
	alice := newAuthor(1)
	old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 20, oneURL)
	one.Publish(old...)
	database := inSQLite(t.TempDir())
	p := startBinary(t, database, "--own-relay", ownURL, "--domain", testDomain, "--bootstrap", oneURL)
	ready := func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	}
	eventually(t, "all has arrived", func() bool { return held(own, old) == len(old) })
	eventually(t, "ready", ready)

	giveBack := takeAway(t, database)
	late := alice.issue("tool", time.Now(), "late")
	one.Publish(late)
	eventually(t, "live", func() bool { return own.Has(late.ID) })
	eventually(t, "said", func() bool { return !ready() })
	_, body := p.get("/readyz")
	require.Contains(t, body, "the database cannot be written")
	_, metrics := p.get("/metrics")
	require.Contains(t, metrics, "\nngit_sync_store_up 0\n")
	code, _ := p.get("/healthz")
	require.Equal(t, http.StatusOK, code)

	giveBack()
	eventually(t, "ready again", ready)
	eventually(t, "caught up", func() bool {
		_, metrics := p.get("/metrics")
		return strings.Contains(metrics, "\nngit_sync_store_up 1\n")
	})
	require.NoError(t, p.end(syscall.SIGTERM))
}
