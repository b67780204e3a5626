package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// runBinary runs the built program and gives its exit code and what it says.
func runBinary(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "%v", err)
		code = exit.ExitCode()
	}
	left, err := os.ReadDir(cmd.Dir)
	require.NoError(t, err)
	require.Empty(t, left, "the command writes nothing where it runs")
	return code, out.String(), errOut.String()
}

// Beside a running daemon, over TCP: what an own relay lacks is shown, nothing is published for it, and afterwards nothing is lacking.
func TestDiffShowsWhatTheOwnRelayLacks(t *testing.T) {
	own := relaytest.Start(t, relaytest.Options{Verify: true})
	one := relaytest.Start(t, relaytest.Options{Negentropy: relaytest.Negentropy{Speak: true}})
	ownURL, oneURL := serve(t, own, "127.0.0.1:0"), serve(t, one, "127.0.0.1:0")
	alice := newAuthor(1)
	old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 15, oneURL)
	one.Publish(old...)
	dir := t.TempDir()
	args := []string{"--own-relay", ownURL, "--domain", testDomain}
	diff := append([]string{"diff", oneURL}, args...)

	code, out, errOut := runBinary(t, nil, diff...)
	require.Equal(t, exitDiffers, code, errOut)
	require.Contains(t, out, oneURL+" has 32 events that "+ownURL+" lacks, in 1 of 1 repositories\n")
	require.Contains(t, out, "\n"+alice.coordinate("tool")+"\n  32 events: 15 of kind 1111, 15 of kind 1621, 1 of kind 30617, 1 of kind 30618\n")
	require.Contains(t, out, "and 22 more; --json names all\n")

	code, out, errOut = runBinary(t, nil, append(diff, "--json")...)
	require.Equal(t, exitDiffers, code, errOut)
	var report diffReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.True(t, report.Complete)
	require.Equal(t, 32, report.Events)
	require.Len(t, report.Repos, 1)
	require.Equal(t, map[int]int{1111: 15, 1621: 15, 30617: 1, 30618: 1}, report.Repos[0].Kinds)
	var ids, want []string
	for _, e := range report.Repos[0].Events {
		ids = append(ids, e.ID)
	}
	for _, e := range old {
		want = append(want, e.ID)
	}
	require.ElementsMatch(t, want, ids)
	require.Empty(t, own.Received(), "it only reads")
	require.Empty(t, one.Received())

	p := startBinary(t, inSQLite(dir), append(args, "--bootstrap", oneURL)...)
	eventually(t, "all has arrived", func() bool { return held(own, old) == len(old) })
	caughtUp(t, p, oneURL)
	code, out, errOut = runBinary(t, nil, diff...)
	require.Equal(t, exitDone, code, errOut)
	require.Contains(t, out, "has 0 events")
	require.NoError(t, p.end(os.Interrupt))
}

// The embedded relay is found where the configuration has it.
func TestDiffReadsTheEmbeddedRelay(t *testing.T) {
	one := relaytest.Start(t, relaytest.Options{})
	oneURL := serve(t, one, "127.0.0.1:0")
	one.Publish(thread(newAuthor(1), "tool", time.Now().Add(-240*time.Hour), 2, oneURL)...)
	one.Publish(newAuthor(2).announce("\u202e\u009b2J", time.Now()))
	own := relaytest.Start(t, relaytest.Options{Events: []nostr.Event{newAuthor(1).announce("tool", time.Now())}})
	listen := serve(t, own, "127.0.0.1:0")[len("ws://"):]
	code, _, errOut := runBinary(t, []string{"NGIT_SYNC_OWN_RELAY_EMBEDDED_LISTEN=127.0.0.1:0"}, "diff", oneURL, "--domain", testDomain)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "--own-relay says which it is")
	code, out, errOut := runBinary(t, []string{"NGIT_SYNC_OWN_RELAY_EMBEDDED_LISTEN=" + listen}, "diff", oneURL, "--domain", testDomain)
	require.Equal(t, exitDiffers, code, errOut)
	require.Contains(t, out, oneURL+" has 6 events that ws://"+listen+" lacks")
	everywhere := strings.Replace(listen, "127.0.0.1", "0.0.0.0", 1)
	for _, format := range []string{"--json=false", "--json"} {
		code, out, _ = runBinary(t, []string{"NGIT_SYNC_OWN_RELAY_EMBEDDED_LISTEN=" + everywhere}, "diff", oneURL, "--domain", testDomain, format)
		require.Equal(t, exitDiffers, code)
		require.Contains(t, out, "ws://"+listen)
		require.NotContains(t, out, "\u202e", "an identifier does not drive the terminal")
		require.NotContains(t, out, "\u009b")
	}
}

// A relay that cannot be made to show a whole second may have what the own relay lacks.
func TestDiffDoesNotPassOverAFullSecond(t *testing.T) {
	alice, at := newAuthor(1), time.Now().Add(-time.Hour)
	events := []nostr.Event{alice.announce("tool", at)}
	for i := range 30 {
		events = append(events, alice.issue("tool", at, fmt.Sprint("issue ", i)))
	}
	own := serve(t, relaytest.Start(t, relaytest.Options{Events: events}), "127.0.0.1:0")
	one := serve(t, relaytest.Start(t, relaytest.Options{Events: events, PageCap: 10}), "127.0.0.1:0")
	code, out, errOut := runBinary(t, nil, "diff", one, "--own-relay", own, "--domain", testDomain)
	require.Contains(t, out, "has 0 events")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, diffGaps)
}

func TestDiffSaysWhatKeepsIt(t *testing.T) {
	own := serve(t, relaytest.Start(t, relaytest.Options{}), "127.0.0.1:0")
	gone := serve(t, relaytest.Start(t, relaytest.Options{HandshakeStatus: 503}), "127.0.0.1:0")
	part := serve(t, relaytest.Start(t, relaytest.Options{RefuseREQ: func(string, []nostr.Filter) string { return "error: \x1b[2J" }}), "127.0.0.1:0")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"diff"}, exitUsage, "want one relay"},
		{[]string{"diff", "https://x"}, exitUsage, "https://x"},
		{[]string{"diff", own, "--own-relay", own, "--domain", testDomain}, exitUsage, "is the own relay"},
		{[]string{"diff", part}, exitUsage, "own_relay.domains"},
		{[]string{"diff", part, "--timeout", "0s"}, exitUsage, "--timeout: 0s: allowed: longer than 0"},
		{[]string{"diff", gone, "--own-relay", own, "--domain", testDomain}, exitFailed, gone + ": "},
		{[]string{"diff", own, "--own-relay", gone, "--domain", testDomain}, exitFailed, "the own relay: "},
		{[]string{"diff", part, "--own-relay", own, "--domain", testDomain}, exitFailed, "not everything was compared: " + part + " did not answer in full"},
	} {
		code, _, errOut := runBinary(t, nil, c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, errOut)
		require.Contains(t, errOut, c.want)
		require.NotContains(t, errOut, "\x1b")
	}
	alice := newAuthor(1)
	late := serve(t, relaytest.Start(t, relaytest.Options{Events: []nostr.Event{alice.announce("tool", time.Now())}, Delay: time.Minute}), "127.0.0.1:0")
	hesitant := serve(t, relaytest.Start(t, relaytest.Options{HandshakeDelay: time.Minute}), "127.0.0.1:0")
	for _, c := range []struct{ relay, own, err, out string }{
		{late, own, "not everything was compared: time is up: 0 of the 0 repositories that are known were compared; --timeout gives it longer", `"complete": false`},
		{own, hesitant, "time is up after 1s: 0 of the 0 repositories that are known were compared; --timeout gives it longer", ""},
	} {
		code, out, errOut := runBinary(t, nil, "diff", c.relay, "--own-relay", c.own, "--domain", testDomain, "--timeout", "1s", "--json")
		require.Equal(t, exitFailed, code)
		require.Contains(t, errOut, c.err)
		require.Contains(t, out, c.out)
	}
	require.NoFileExists(t, filepath.Join(filepath.Dir(binary), "ngit-sync.db"))
}
