package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/web"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// command runs a command line of this program and gives exit code and what it wrote.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

// The daemon answers the questions of the command line: how it stands, and what became of an event or a repository.
func TestBinaryAnswersTheCommandLine(t *testing.T) {
	own := relaytest.Start(t, relaytest.Options{Verify: true})
	one := relaytest.Start(t, relaytest.Options{})
	ownURL, oneURL := serve(t, own, "127.0.0.1:0"), serve(t, one, "127.0.0.1:0")
	alice := newAuthor(1)
	old := thread(alice, "tool: one", time.Now().Add(-240*time.Hour), 3, oneURL)
	one.Publish(old...)
	database := inSQLite(t.TempDir())
	p := startBinary(t, database, "--own-relay", ownURL, "--domain", testDomain, "--bootstrap", oneURL)
	eventually(t, "all has arrived", func() bool { return held(own, old) == len(old) })
	eventually(t, "caught up", func() bool {
		code, text, _ := command(t, "status", "--listen", p.page)
		return code == exitDone && strings.Contains(text, "Connected")
	})

	t.Run("status", func(t *testing.T) {
		_, text, _ := command(t, "status", "--listen", p.page)
		require.Contains(t, text, oneURL)
		require.Contains(t, text, "1 repositories, 3 roots; 8 events published")
		code, text, _ := command(t, "status", "--json", "--listen", p.page)
		require.Equal(t, exitDone, code)
		var report statusReport
		require.NoError(t, json.Unmarshal([]byte(text), &report))
		require.True(t, report.Ready)
		require.Equal(t, 3, report.Totals.Roots)
		require.Equal(t, oneURL, report.Relays[0].URL)
	})
	t.Run("an event", func(t *testing.T) {
		note, err := nip19.EncodeNote(old[2].ID)
		require.NoError(t, err)
		code, text, _ := command(t, "explain", note, "--listen", p.page)
		require.Equal(t, exitDone, code)
		require.Contains(t, text, "The own relay has it.")
		require.Contains(t, text, oneURL)
		code, text, _ = command(t, "explain", "--listen", p.page, "--json", old[2].ID)
		require.Equal(t, exitDone, code)
		var x web.Explanation
		require.NoError(t, json.Unmarshal([]byte(text), &x))
		require.Equal(t, "stored", x.Event.Disposition)
	})
	t.Run("an event that nobody has shown", func(t *testing.T) {
		code, text, stderr := command(t, "explain", strings.Repeat("ab", 32), "--listen", p.page)
		require.Equal(t, exitDiffers, code)
		require.Contains(t, text, "No relay that is asked has shown this event")
		require.Empty(t, stderr)
	})
	t.Run("a repository", func(t *testing.T) {
		eventually(t, "all of it is confirmed", func() bool {
			code, text, _ := command(t, "explain", alice.coordinate("tool: one"), "--listen", p.page)
			return code == exitDone && strings.Contains(text, "A repository of ours, with 3 patches, pull requests and issues.") &&
				strings.Contains(text, "1/1") && strings.Contains(text, "3/3")
		})
		code, text, _ := command(t, "explain", npubOf(t, alice)+"/nothing", "--listen", p.page)
		require.Equal(t, exitDiffers, code)
		require.Contains(t, text, "not a repository of ours")
	})
	t.Run("a full pass, now", func(t *testing.T) {
		code, text, stderr := command(t, "now", "--listen", p.page, "--database", database)
		require.Equal(t, exitDone, code, stderr)
		require.Equal(t, oneURL+"  done\n", text)
		code, _, stderr = command(t, "now", "wss://nobody.example.com", "--listen", p.page, "--database", database)
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, "this relay is not known")
		code, _, stderr = command(t, "now", "--listen", p.page, "--database", inSQLite(t.TempDir()))
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, "http.token_file")
	})
	t.Run("pair and unpair", func(t *testing.T) {
		two := relaytest.Start(t, relaytest.Options{})
		twoURL := serve(t, two, "127.0.0.1:0")
		code, text, stderr := command(t, "pair", twoURL, "--listen", p.page, "--database", database)
		require.Equal(t, exitDone, code, stderr)
		require.Equal(t, "paired "+twoURL+"\n", text)
		eventually(t, "it is connected", func() bool { return two.OpenConnections() == 1 })
		code, _, stderr = command(t, "unpair", twoURL, "--listen", p.page, "--database", database)
		require.Equal(t, exitDone, code, stderr)
		code, _, _ = command(t, "unpair", oneURL, "--listen", p.page, "--database", database)
		require.Equal(t, exitFailed, code)
		code, _, _ = command(t, "pair", "https://x", "--listen", p.page, "--database", database)
		require.Equal(t, exitUsage, code)
	})
	t.Run("a malformed question, past the command line", func(t *testing.T) {
		code, body := p.get("/api/v1/explain?id=%1b[2J")
		require.Equal(t, 400, code)
		require.Contains(t, body, `{"error":"malformed`)
		require.NotContains(t, body, "\x1b")
	})
	require.NoError(t, p.end(os.Interrupt))

	code, _, stderr := command(t, "status", "--listen", p.page)
	require.Equal(t, exitUnreachable, code)
	require.Equal(t, fmt.Sprintf("ngit-sync: no daemon answers at http://%s (http.listen): dial tcp %s: connect: connection refused\n", p.page, p.page), stderr)
}

func TestMalformedQuestionsAreUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"explain"}, {"explain", "x"}, {"explain", "naddr1qqqkzqczqqqs9khr70"}, {"explain", "a", "b"}, {"status", "x"}} {
		code, stdout, stderr := command(t, args...)
		require.Equal(t, exitUsage, code, args)
		require.Empty(t, stdout, args)
		require.Contains(t, stderr, "ngit-sync: ")
	}
}

// Whoever listens there instead of the daemon is not believed, and not followed elsewhere.
func TestAnswersOfStrangersAreErrors(t *testing.T) {
	for name, answer := range map[string]string{
		"no JSON":   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"redirect":  "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
		"cut short": "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer func() { require.NoError(t, l.Close()) }()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = c.Read(make([]byte, 4096)) // the request, whatever it is
					_, _ = c.Write([]byte(answer))    // what does not arrive is an error there as well
					_ = c.Close()
				}
			}()
			code, stdout, stderr := command(t, "status", "--listen", l.Addr().String())
			require.Contains(t, []int{exitFailed, exitUnreachable}, code)
			require.Empty(t, stdout)
			require.NotEmpty(t, stderr)
		})
	}
}

func TestCheckConfig(t *testing.T) {
	code, text, _ := command(t, "check-config", "--domain", testDomain, "--database", "postgres://me:secret@db/x")
	require.Equal(t, exitDone, code)
	require.Contains(t, text, testDomain)
	require.NotContains(t, text, "secret")
	code, text, stderr := command(t, "check-config")
	require.Equal(t, exitUsage, code)
	require.Empty(t, text)
	require.Contains(t, stderr, "own_relay.domains")
}
