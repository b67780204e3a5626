package embedded

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// childDir makes this binary a relay of its own, for tests that need a second process.
const childDir = "EMBEDDED_RELAY_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		relay, err := Open(context.Background(), Options{Dir: dir, Listen: "127.0.0.1:0", Rules: rules()})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(relay.URL())
		select {}
	}
	goleak.VerifyTestMain(m)
}

// child starts a relay in another process and gives its first line: a URL, or an error.
func child(t *testing.T, dir string) (line string, cmd *exec.Cmd) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line), cmd
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := t.TempDir()
	relay := openRelay(t, dir, rules())
	_, err := Open(t.Context(), Options{Dir: dir, Listen: "127.0.0.1:0"})
	require.ErrorIs(t, err, ErrInUse)
	line, _ := child(t, dir)
	require.Equal(t, "embedded relay: "+dir+": the data directory is in use by another relay", line)
	closeRelay(t, relay)

	url, cmd := child(t, dir)
	require.True(t, strings.HasPrefix(url, "ws://127.0.0.1:"), url)
	_, err = Open(t.Context(), Options{Dir: dir, Listen: "127.0.0.1:0"})
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	closeRelay(t, openRelay(t, dir, rules()))
}

func TestOKMeansOnDisk(t *testing.T) {
	dir := t.TempDir()
	url, cmd := child(t, dir)
	p := dial(t, url)
	p.accepted(announce(t, owner, "repo", 1))
	var ids []string
	for i := range 100 {
		e := sign(t, stranger, 1621, int64(1000-i), "", nostr.Tag{"a", coordinate(t, owner, "repo")})
		p.accepted(e)
		ids = append(ids, e.Event.ID)
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	relay := openRelay(t, dir, rules())
	defer closeRelay(t, relay)
	require.Equal(t, ids, dial(t, relay.URL()).ids(`{"kinds":[1621]}`))

	// And against power loss: every commit is synchronised.
	var level int
	require.NoError(t, relay.store.write.QueryRow("PRAGMA synchronous").Scan(&level))
	require.Equal(t, 2, level)
}

func TestListenErrors(t *testing.T) {
	_, err := Open(t.Context(), Options{Dir: t.TempDir(), Listen: "256.0.0.1:1"})
	require.ErrorContains(t, err, "listen")
	dir := t.TempDir()
	relay := openRelay(t, dir, rules())
	defer closeRelay(t, relay)
	other := t.TempDir()
	_, err = Open(t.Context(), Options{Dir: other, Listen: strings.TrimPrefix(relay.URL(), "ws://")})
	require.ErrorContains(t, err, "address already in use")
	closeRelay(t, openRelay(t, other, rules()))
	_, err = Open(t.Context(), Options{Dir: dir + "/events.db", Listen: "127.0.0.1:0"})
	require.ErrorContains(t, err, "data directory")
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	relay := openRelay(t, dir, rules())
	_, err := relay.store.write.Exec("PRAGMA user_version = 99")
	require.NoError(t, err)
	closeRelay(t, relay)
	_, err = Open(t.Context(), Options{Dir: dir, Listen: "127.0.0.1:0"})
	require.ErrorContains(t, err, "events have schema 99, this program knows 1")
}

// Many versions of one announcement over many connections at once: the newest is left, whatever came first.
func TestNewestVersionWins(t *testing.T) {
	relay := run(t, rules())
	const versions, conns = 64, 8
	events := make([]*event.Event, versions)
	for i := range events {
		// Pairs of one second: the lower id of the two wins.
		events[i] = announce(t, owner, "repo", int64(1000+i/2), nostr.Tag{"name", fmt.Sprint(i)})
	}
	last := events[versions-1]
	if events[versions-2].Event.ID < last.Event.ID {
		last = events[versions-2]
	}
	var wg sync.WaitGroup
	for c := range conns {
		p := dial(t, relay.URL())
		wg.Go(func() {
			for i := range versions {
				e := events[(i*7+c*11)%versions]
				ok, msg := p.publish(e)
				if !ok && msg != "replaced: have newer event" {
					t.Errorf("version %d: %s", i, msg)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, []string{last.Event.ID}, dial(t, relay.URL()).ids(`{"kinds":[30617]}`))
}

func TestOneEventFromManyIsStoredOnce(t *testing.T) {
	relay := run(t, rules())
	p := dial(t, relay.URL())
	p.accepted(announce(t, owner, "repo", 1))
	e := sign(t, stranger, 1621, 2, "once", nostr.Tag{"a", coordinate(t, owner, "repo")}, nostr.Tag{"e", strings.Repeat("ab", 32)}, nostr.Tag{"e", strings.Repeat("cd", 32)})
	var wg sync.WaitGroup
	fresh := make(chan struct{}, 16)
	for range 16 {
		q := dial(t, relay.URL())
		wg.Go(func() {
			if ok, msg := q.publish(e); ok && msg == "" {
				fresh <- struct{}{}
			} else if msg != "duplicate: already have this event" {
				t.Error(msg)
			}
		})
	}
	wg.Wait()
	require.Len(t, fresh, 1)
	require.Len(t, p.ids(`{"#e":["`+strings.Repeat("ab", 32)+`","`+strings.Repeat("cd", 32)+`"]}`), 1)
}

func TestLargeEvents(t *testing.T) {
	p := dial(t, run(t, rules()).URL())
	p.accepted(announce(t, owner, "repo", 1))
	big := sign(t, stranger, 1617, 2, strings.Repeat("x", 1<<20-600), nostr.Tag{"a", coordinate(t, owner, "repo")})
	p.accepted(big)
	require.Equal(t, []string{big.Event.ID}, p.ids(`{"kinds":[1617]}`))
	ok, msg := p.publish(sign(t, stranger, 1617, 2, strings.Repeat("x", 1<<20), nostr.Tag{"a", coordinate(t, owner, "repo")}))
	require.False(t, ok)
	require.Regexp(t, `^invalid: event size: \d+ bytes, at most 1048576$`, msg)
}

func TestRelayInformation(t *testing.T) {
	relay := run(t, rules())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(relay.URL(), "ws", "http", 1), nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "application/nostr+json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	require.Equal(t, "application/nostr+json", resp.Header.Get("Content-Type"))
	body := bufio.NewScanner(resp.Body)
	require.True(t, body.Scan())
	require.Contains(t, body.Text(), `"supported_nips":[1,9,11,34,42,62,70,77]`)
	require.Contains(t, body.Text(), `"restricted_writes":true`)
}

// A failing transaction takes nobody with it, and leaves the scope as it is stored.
func TestStoreFailure(t *testing.T) {
	relay := run(t, rules())
	p := dial(t, relay.URL())
	p.accepted(announce(t, owner, "repo", 1))
	_, err := relay.store.write.Exec(`CREATE TRIGGER full BEFORE INSERT ON event WHEN NEW.created_at = 666 BEGIN SELECT RAISE(FAIL, 'disk full'); END`)
	require.NoError(t, err)
	poison := announce(t, owner, "poison", 666)
	const n = 20
	want := map[string]bool{poison.Event.ID: false}
	for i := range n {
		e := sign(t, stranger, 1621, int64(i), "", nostr.Tag{"a", coordinate(t, owner, "repo")})
		want[e.Event.ID] = true
		p.write(`["EVENT",%s]`, e.Event)
		if i == n/2 {
			p.write(`["EVENT",%s]`, poison.Event)
		}
	}
	for range n + 1 {
		m := p.read()
		require.Equal(t, want[m[1].(string)], m[2], "%v", m)
	}
	p.refused(poison, "error: the event could not be stored")
	p.refused(sign(t, stranger, 1621, 99, "", nostr.Tag{"a", coordinate(t, owner, "poison")}), notRelated)
	require.Len(t, p.ids(`{"kinds":[1621]}`), n)
}
