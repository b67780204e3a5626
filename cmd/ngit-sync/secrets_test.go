package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// What is secret in the configuration appears in no log, page, metric, answer or error: not where the daemon works, not where what it needs
// the secret for fails, and not in what the other commands print.
func TestSecretsAppearNowhere(t *testing.T) {
	dir := t.TempDir()
	author := newAuthor(77)
	nsec, err := nip19.EncodePrivateKey(author.secret)
	require.NoError(t, err)
	secrets := map[string]string{
		"token": "a-token-that-nobody-may-see", "key": author.secret, "nsec": nsec,
		"password of the proxy": "swordfish", "password of the database": "hunter2hunter2",
	}
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	clean := func(where, text string) {
		t.Helper()
		require.NotEmpty(t, text, where)
		for what, secret := range secrets {
			require.NotContains(t, text, secret, "%s shows the %s", where, what)
		}
	}

	own := relaytest.New(relaytest.Options{Verify: true, Challenge: "c1", RequireAuth: true})
	url := serve(t, own, "127.0.0.1:0")
	config := file("ngit-sync.yaml", "own_relay: {url: \""+url+"\", domains: ["+testDomain+"], auth_key_file: "+file("key", nsec)+"}\n"+
		"network: {proxy: \"socks5://me:"+secrets["password of the proxy"]+"@127.0.0.1:1\"}\n"+
		"sync: {bootstrap: [\"ws://relay.example.com\"]}\n"+
		"http: {token_file: "+file("token", secrets["token"]+"\n")+"}\nlog: {level: debug}\n")
	p := startBinary(t, "sqlite:"+filepath.Join(dir, "test.db"), "--config", config)
	eventually(t, "the own relay is open, and the proxy was tried", func() bool {
		_, metrics := p.get("/metrics")
		_, relays := p.get("/api/v1/relays")
		return strings.Contains(metrics, "ngit_sync_own_relay_up 1") && strings.Contains(relays, "refused")
	})
	for _, path := range []string{
		"/", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/api/v1/relays", "/api/v1/explain?id=" + strings.Repeat("a", 64), "/none",
	} {
		_, body := p.get(path)
		clean(path, body)
	}
	for _, token := range []string{"", "Bearer wrong", "Bearer " + secrets["token"]} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.page+"/api/v1/relays/pair?relay=wss://other.example.com", http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", token)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		clean("POST with "+token, string(body)+res.Status)
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = append(os.Environ(), "NGIT_SYNC_HTTP_LISTEN="+p.page)
		out, _ := cmd.CombinedOutput() // what fails says something too
		return string(out)
	}
	for _, command := range []string{"status", "check-config", "now"} {
		if command == "now" {
			clean(command, run(command, "--config", config, "wss://unknown.example.com"))
			continue
		}
		clean(command, run(command, "--config", config))
	}
	require.NoError(t, p.end(syscall.SIGTERM))
	require.Contains(t, p.log.String(), `"level":"debug"`)
	clean("log", p.log.String())

	require.Contains(t, p.log.String(), "the proxy resolves names", "warnings are logged")

	database := "postgres://me:" + secrets["password of the database"] + "@127.0.0.1:1/ngit"
	broken := file("broken.yaml", "database: {url: \""+database+"\"}\nown_relay: {url: \"ws://127.0.0.1:1\", domains: ["+testDomain+"]}\n")
	for _, command := range []string{"run", "migrate", "check-config"} {
		clean(command, run(command, "--config", broken))
	}
	for _, database := range []string{
		strings.Replace(database, "//me:", "//me:12/", 1), // no URL
		database + "?sslmode=bogus",
		"postgres://me@127.0.0.1:1/ngit?password=" + secrets["password of the database"],
		"postgres://me@127.0.0.1:1/ngit?sslmode=bogus&password=" + secrets["password of the database"],
		"host=127.0.0.1 port=1 password=" + secrets["password of the database"],
	} {
		for _, args := range [][]string{{"run", "--database", database}, {"migrate", "--database", database}, {"run", database}, {"pair", database}, {database}} {
			clean(strings.Join(args[:1], ""), run(append(args, "--config", broken)...))
		}
	}
	wrong := file("wrong.yaml", "database: {url: \""+strings.Replace(database, "postgres", "mysql", 1)+"\"}\nnetwork: {proxy: \"ftp://me:"+
		secrets["password of the proxy"]+"@x\"}\nown_relay: {auth_key_file: \""+filepath.Join(dir, "none")+"\"}\n")
	clean("errors", run("check-config", "--config", wrong))
}
