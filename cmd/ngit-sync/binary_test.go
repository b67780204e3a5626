package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/badline"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

var binary string

// The tests of this file run the program that users run: built, as a process, over TCP.
func TestMain(m *testing.M) {
	if dir := os.Getenv(peerDir); dir != "" {
		os.Exit(servePeer(dir))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ngit-sync-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary folder is no failure
		binary = filepath.Join(dir, "ngit-sync")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// process is a running daemon.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	page   string // its HTTP address
	exited chan error
	log    bytes.Buffer // to be read when it has exited
}

const patience = 3 * time.Minute // for what takes moments on an idle machine

func startBinary(t *testing.T, database string, args ...string) *process {
	t.Helper()
	p, err := launch(t, database, args...)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			_ = p.cmd.Process.Kill() // it has usually ended
			<-time.After(100 * time.Millisecond)
			t.Log(p.log.String())
		}
	})
	return p
}

// launch starts a daemon, and waits until its page is there. The error has what it said when it ended instead.
func launch(t *testing.T, database string, args ...string) (*process, error) {
	t.Helper()
	p := &process{t: t, exited: make(chan error, 1)}
	p.cmd = exec.Command(binary, append([]string{"run", "--listen", "127.0.0.1:0", "--database", database}, args...)...)
	p.cmd.Dir = filepath.Dir(binary) // beside a Postgres the token is made in the working directory
	p.cmd.Env = append(os.Environ(), "NGIT_SYNC_NETWORK_ALLOW_PRIVATE=127.0.0.0/8", "NGIT_SYNC_SYNC_BATCH_WINDOW=200ms")
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	page := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.log.WriteString(lines.Text() + "\n")
			var entry struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "http listening" {
				page <- entry.Address
			}
		}
		p.exited <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has usually ended
	})
	select {
	case p.page = <-page:
		return p, nil
	case err := <-p.exited:
		return nil, fmt.Errorf("ended at once: %w\n%s", err, p.log.String())
	case <-time.After(patience):
		return nil, errors.New("does not listen")
	}
}

// get reads a page of the daemon.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.page+path, http.NoBody)
	require.NoError(p.t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return res.StatusCode, string(body)
}

// stopTime is for answers of the own relay (10 s), for rows (10 s), for a database that says no goodbye (3 s), and a very slow machine.
const stopTime = 90 * time.Second

// end sends a signal and gives how the process ended.
func (p *process) end(sig os.Signal) error {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(sig))
	select {
	case err := <-p.exited:
		return err
	case <-time.After(stopTime):
		p.t.Fatal("does not stop")
		return nil
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, patience, 20*time.Millisecond, what)
}

// serve puts a relay on TCP and gives its URL.
func serve(t *testing.T, r *relaytest.Relay, addr string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(r)
	_ = s.Listener.Close() // replaced by one at the address wanted
	s.Listener = l
	s.Start()
	t.Cleanup(s.CloseClientConnections)
	return "ws://" + l.Addr().String()
}

func caughtUp(t *testing.T, p *process, relay string) {
	t.Helper()
	eventually(t, "caught up", func() bool {
		_, metrics := p.get("/metrics")
		return strings.Contains(metrics, fmt.Sprintf("ngit_sync_relay_connected{relay=%q} 3", relay))
	})
}

func held(r *relaytest.Relay, events []nostr.Event) int {
	n := 0
	for _, e := range events {
		if r.Has(e.ID) {
			n++
		}
	}
	return n
}

// Stopped in the middle by SIGTERM, killed in the middle, started again: the own relay ends complete, and no second time is
// everything fetched.
func TestBinaryIsStoppedKilledAndStartedAgain(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { stoppedKilledAndStartedAgain(t, inSQLite(t.TempDir())) })
	t.Run("postgres", func(t *testing.T) { stoppedKilledAndStartedAgain(t, inPostgres(t)) })
}

func inSQLite(dir string) string { return "sqlite:" + filepath.Join(dir, "x.db") }

// inPostgres gives a schema of its own in the throw-away cluster that scripts/postgres.sh starts.
func inPostgres(t *testing.T) string {
	t.Helper()
	given := os.Getenv("TEST_NGIT_SYNC_POSTGRES")
	require.NotEmpty(t, given, "no Postgres to test with: run `make test`, or scripts/postgres.sh run go test ./cmd/...")
	dsn, err := url.Parse(given)
	require.NoError(t, err)
	db, err := sql.Open("pgx", given)
	require.NoError(t, err)
	schema := "t" + strings.ToLower(rand.Text())
	_, err = db.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		require.NoError(t, errors.Join(err, db.Close()))
	})
	query := dsn.Query()
	query.Set("search_path", schema)
	dsn.RawQuery = query.Encode()
	return dsn.String()
}

func stoppedKilledAndStartedAgain(t *testing.T, database string) {
	own := relaytest.Start(t, relaytest.Options{Verify: true})
	one := relaytest.Start(t, relaytest.Options{PageCap: 50})
	ownURL, oneURL := serve(t, own, "127.0.0.1:0"), serve(t, one, "127.0.0.1:0")
	alice := newAuthor(1)
	old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 400, oneURL)
	one.Publish(old...)
	args := []string{"--own-relay", ownURL, "--domain", testDomain, "--bootstrap", oneURL}

	p := startBinary(t, database, args...)
	eventually(t, "a part has arrived", func() bool { return held(own, old) > 100 })
	require.NoError(t, p.end(syscall.SIGTERM), "exit code 0")

	p = startBinary(t, database, args...)
	eventually(t, "more has arrived", func() bool { return held(own, old) > 400 })
	require.Error(t, p.end(syscall.SIGKILL))

	p = startBinary(t, database, args...)
	eventually(t, "all has arrived", func() bool { return held(own, old) == len(old) })
	caughtUp(t, p, oneURL)
	eventually(t, "ready", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	})
	code, body := p.get("/")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, oneURL)

	late := alice.sign(1621, time.Now(), nostr.Tag{"a", alice.coordinate("tool")})
	one.Publish(late)
	eventually(t, "live", func() bool { return own.Has(late.ID) })
	require.NoError(t, p.end(os.Interrupt))
}

// An own relay that is not there is waited for, visibly.
func TestBinaryWaitsForItsOwnRelay(t *testing.T) {
	port, err := badline.HoldPort()
	require.NoError(t, err)
	defer port.Close()
	one := relaytest.Start(t, relaytest.Options{})
	oneURL := serve(t, one, "127.0.0.1:0")
	old := thread(newAuthor(1), "tool", time.Now().Add(-240*time.Hour), 5, oneURL)
	one.Publish(old...)

	p := startBinary(t, inSQLite(t.TempDir()), "--own-relay", "ws://"+port.Addr(), "--domain", testDomain, "--bootstrap", oneURL)
	eventually(t, "the remote relay is connected meanwhile", func() bool { return one.OpenConnections() == 1 })
	code, body := p.get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "own_relay_read")
	code, _ = p.get("/healthz")
	require.Equal(t, http.StatusOK, code)

	own := relaytest.Start(t, relaytest.Options{Verify: true})
	serve(t, own, port.Addr())
	eventually(t, "all has arrived", func() bool { return held(own, old) == len(old) })
	require.NoError(t, p.end(syscall.SIGTERM))
}

// Without an own relay the embedded one is started: with an archive rule and a bootstrap relay that is an archive.
func TestBinaryIsAnArchive(t *testing.T) {
	one := relaytest.Start(t, relaytest.Options{})
	oneURL := serve(t, one, "127.0.0.1:0")
	alice := newAuthor(1)
	old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 5, oneURL)
	one.Publish(old...)
	one.Publish(thread(newAuthor(2), "foreign", time.Now(), 5, oneURL)...)
	dir := t.TempDir()
	t.Setenv("NGIT_SYNC_OWN_RELAY_EMBEDDED_LISTEN", "127.0.0.1:0")

	p := startBinary(t, inSQLite(dir), "--archive", npubOf(t, alice)+"/tool", "--bootstrap", oneURL)
	eventually(t, "all has arrived, and nothing else", func() bool {
		_, metrics := p.get("/metrics")
		return strings.Contains(metrics, fmt.Sprintf(`ngit_sync_ledger_events{disposition="stored"} %d`, len(old)))
	})
	require.NoError(t, p.end(syscall.SIGTERM))
	require.DirExists(t, filepath.Join(dir, "ngit-sync-relay"), "beside the database")
}
