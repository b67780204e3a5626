package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// SIGHUP widens the scope without a restart; a bad file changes nothing and is seen; what needs a restart is said.
func TestBinaryReloadsItsConfiguration(t *testing.T) {
	one := relaytest.Start(t, relaytest.Options{})
	oneURL := serve(t, one, "127.0.0.1:0")
	alice, bob := newAuthor(1), newAuthor(2)
	first, second := thread(alice, "tool", time.Now().Add(-240*time.Hour), 5, oneURL), thread(bob, "lib", time.Now().Add(-240*time.Hour), 5, oneURL)
	one.Publish(append(first, second...)...)
	dir := t.TempDir()
	file := filepath.Join(dir, "ngit-sync.yaml")
	write := func(archive, more string) {
		text := fmt.Sprintf("scope: {archive: [%s]}\nsync: {bootstrap: [%q]}\n%s", archive, oneURL, more)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write(npubOf(t, alice), "")
	t.Setenv("NGIT_SYNC_OWN_RELAY_EMBEDDED_LISTEN", "127.0.0.1:0")
	p := startBinary(t, inSQLite(dir), "--config", file)
	stored := func(n int) func() bool {
		return func() bool {
			_, metrics := p.get("/metrics")
			return strings.Contains(metrics, fmt.Sprintf(`ngit_sync_ledger_events{disposition="stored"} %d`, len(first)+n))
		}
	}
	reloaded := func(ok int) func() bool {
		return func() bool {
			_, metrics := p.get("/metrics")
			return strings.Contains(metrics, fmt.Sprintf("ngit_sync_config_last_reload_successful %d", ok))
		}
	}
	eventually(t, "the first repo has arrived, and nothing else", stored(0))
	require.True(t, reloaded(1)())

	write(npubOf(t, bob), "limits: {max_relays: many}\n")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "the bad file is seen", reloaded(0))
	code, _ := p.get("/healthz")
	require.Equal(t, http.StatusOK, code)
	require.True(t, stored(0)())

	write(npubOf(t, alice)+", "+npubOf(t, bob), "own_relay: {window: 3}\n")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "the second repo arrives", stored(len(second)))
	require.True(t, reloaded(1)())
	eventually(t, "ready", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	})
	late := bob.issue("lib", time.Now(), "late")
	one.Publish(late)
	eventually(t, "live", stored(len(second)+1))
	require.NoError(t, p.end(os.Interrupt))
}
