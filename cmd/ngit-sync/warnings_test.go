package main

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

// What an operator may not have meant is said where he looks: in the log of the start, and by check-config.
func TestAnAddressBeyondLoopbackIsWarnedAbout(t *testing.T) {
	for listen, warned := range map[string]bool{"0.0.0.0:0": true, "127.0.0.1:0": false} {
		cfg := config.Default()
		cfg.OwnRelay.Domains = []string{testDomain}
		cfg.OwnRelay.Embedded.Listen = "127.0.0.1:0"
		cfg.Database.URL = config.Secret("sqlite:" + filepath.Join(t.TempDir(), "test.db"))
		cfg.HTTP.Listen = listen
		var out bytes.Buffer
		log, _, err := newLeveledLogger(cfg.Log, &out)
		require.NoError(t, err)
		d, err := newDaemon(t.Context(), cfg, log, nil)
		require.NoError(t, err)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, d.run(over))
		const warning = "whoever reaches it can read the status page"
		if !warned {
			require.NotContains(t, out.String(), warning)
			continue
		}
		require.Regexp(t, `(?m)^\{"level":"warn".*`+warning, out.String())
	}
	code, stdout, stderr := command(t, "check-config", "--domain", testDomain, "--listen", "0.0.0.0:9464")
	require.Equal(t, exitDone, code)
	require.NotContains(t, stdout, "warning")
	require.Contains(t, stderr, "warning: http.listen (--listen) is 0.0.0.0:9464")
}
