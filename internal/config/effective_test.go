package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMaskedIsAFileThatMeansTheSame(t *testing.T) {
	cfg, err := Load(Input{File: "testdata/good/full.yaml", Env: []string{"NGIT_SYNC_LOG_LEVEL=warn"}})
	require.NoError(t, err)
	shown := cfg.Masked()
	require.Contains(t, shown, "level: \"warn\" # NGIT_SYNC_LOG_LEVEL\n")
	require.Contains(t, shown, "  embedded:\n    listen: \"[::1]:3335\" # testdata/good/full.yaml:8\n")

	path := filepath.Join(t.TempDir(), "again.yaml")
	require.NoError(t, os.WriteFile(path, []byte(shown), 0o600))
	again, err := Load(Input{File: path})
	require.NoError(t, err)
	cfg.Database.URL, cfg.Network.Proxy = again.Database.URL, again.Network.Proxy // masked in the file
	cfg.sources, again.sources = nil, nil
	require.Equal(t, cfg, again)
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	cfg, err := Load(Input{File: "testdata/good/full.yaml"})
	require.NoError(t, err)
	encoded, err := json.Marshal(cfg)
	require.NoError(t, err)
	for _, text := range []string{cfg.Masked(), fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), string(encoded)} {
		require.NotContains(t, text, "hunter2")
	}
	require.Contains(t, cfg.Database.URL.Reveal(), "hunter2")
}

func TestMaskedURLs(t *testing.T) {
	tests := []struct{ in, want string }{
		{"sqlite:ngit-sync.db", "sqlite:ngit-sync.db"},
		{"postgres://db/ngit", "postgres://db/ngit"},
		{"postgres://sync@db/ngit", "postgres://sync@db/ngit"},
		{"postgres://sync:hunter2@db/ngit?sslmode=disable", "postgres://sync:xxxxx@db/ngit?sslmode=disable"},
		{"postgres://db/ngit?password=hunter2&user=sync", "postgres://db/ngit?password=xxxxx&user=sync"},
		{"postgres://db/ngit?sslPassword=hunter2", "postgres://db/ngit?sslPassword=xxxxx"},
		{"postgres://db/ngit?password=hunter2;x", "postgres://db/ngit?xxxxx"},
		{"postgres://sync:hunter2%zz@db/ngit", "postgres:xxxxx"},
		{"postgres://sync:12/hunter2@db/ngit", "postgres:xxxxx"},
		{"postgres://sync:12#hunter2@db/ngit", "postgres:xxxxx"},
		{"postgres:sync:hunter2@db", "postgres:xxxxx"},
		{"host=db password=hunter2", "xxxxx"},
		{"host=db password=hunter2:x", "xxxxx"},
		{"", ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			require.Equal(t, tt.want, maskURL(tt.in))
			require.Equal(t, tt.want, maskURL(tt.want), "masking twice changes nothing")
		})
	}
}

func TestMessagesDoNotRepeatAPasswordInTheWrongPlace(t *testing.T) {
	for in, want := range map[string]string{
		"wss://relay.example.com":                       "wss://relay.example.com",
		"ws://me:hunter2@own.example.com":               "ws://me:xxxxx@own.example.com",
		"ws://me@own.example.com":                       "ws://me@own.example.com",
		"postgres://me:hunt:er@2/@db/x?sslmode=disable": "postgres://me:xxxxx@db/x?sslmode=disable",
		"me:hunter2@own.example.com:1":                  "me:xxxxx@own.example.com:1",
		"host=db password=hunter2 user=me":              "host=db password=xxxxx user=me",
		"wss://x.example?a=1&Token=hunter2&b=2":         "wss://x.example?a=1&Token=xxxxx&b=2",
		"soon":                                          "soon",
	} {
		require.Equal(t, strconv.Quote(want), Quote(in))
		require.Equal(t, strconv.Quote(want), Quote(want), "masking twice changes nothing")
	}
}

func TestNeedRestartNamesOnlyWhatReloadCannotChange(t *testing.T) {
	running, err := Load(Input{File: "testdata/good/full.yaml"})
	require.NoError(t, err)
	loaded, err := Load(Input{File: "testdata/good/full.yaml", Env: []string{
		"NGIT_SYNC_SYNC_POLL_INTERVAL=1h", "NGIT_SYNC_SCOPE_ARCHIVE=" + npub, "NGIT_SYNC_LOG_LEVEL=error",
		"NGIT_SYNC_HTTP_LISTEN=127.0.0.1:1", "NGIT_SYNC_NETWORK_ALLOW_PRIVATE=10.0.0.0/8",
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"network.allow_private", "http.listen"}, NeedRestart(running, loaded))
	require.Empty(t, NeedRestart(running, running))
}

func TestAuthKey(t *testing.T) {
	const nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
	const secret = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
	write := func(text string) Config {
		path := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		cfg := Default()
		cfg.OwnRelay.AuthKeyFile = path
		return cfg
	}
	for _, text := range []string{nsec, secret, strings.ToUpper(secret), " " + nsec + "\n"} {
		key, err := write(text).ReadAuthKey()
		require.NoError(t, err)
		require.Equal(t, secret, key.Reveal())
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", key, key, key, key), secret[:8])
	}
	for _, text := range []string{"", npub, secret[1:], secret + "00", nsec[:40]} {
		_, err := write(text).ReadAuthKey()
		var errs Errors
		require.ErrorAs(t, err, &errs)
		require.Contains(t, err.Error(), "own_relay.auth_key_file")
		if text != "" {
			require.NotContains(t, err.Error(), text)
		}
	}
	shared := write(secret)
	require.NoError(t, os.Chmod(shared.OwnRelay.AuthKeyFile, 0o640))
	_, err := shared.ReadAuthKey()
	require.ErrorContains(t, err, "others may read it (mode 0640); chmod 600 it")

	key, err := Default().ReadAuthKey()
	require.NoError(t, err)
	require.True(t, key.IsZero())
}

func TestOwnURL(t *testing.T) {
	tests := []struct{ url, listen, want string }{
		{"ws://127.0.0.1:7777", "127.0.0.1:3334", "ws://127.0.0.1:7777"},
		{"", "127.0.0.1:3334", "ws://127.0.0.1:3334"},
		{"", ":3334", "ws://127.0.0.1:3334"},
		{"", "0.0.0.0:3334", "ws://127.0.0.1:3334"},
		{"", "[::]:3334", "ws://127.0.0.1:3334"},
		{"", "[::1]:3334", "ws://[::1]:3334"},
		{"", "127.0.0.1:0", ""},
	}
	for _, tt := range tests {
		cfg, err := Load(Input{Env: []string{"NGIT_SYNC_OWN_RELAY_URL=" + tt.url, "NGIT_SYNC_OWN_RELAY_EMBEDDED_LISTEN=" + tt.listen}})
		require.NoError(t, err)
		require.Equal(t, tt.want, cfg.OwnURL().String(), tt)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		listen string
		want   int
	}{{"127.0.0.1:9464", 0}, {"[::1]:9464", 0}, {"localhost:9464", 0}, {":9464", 1}, {"0.0.0.0:9464", 1}, {"192.0.2.1:9464", 1}}
	for _, tt := range tests {
		cfg := Default()
		cfg.HTTP.Listen = tt.listen
		require.Len(t, cfg.Warnings(), tt.want, tt.listen)
	}
	cfg := Default()
	cfg.Network.Proxy = "socks5://user:hunter2@127.0.0.1:9050"
	require.Len(t, cfg.Warnings(), 1)
	require.NotContains(t, cfg.Warnings()[0], "hunter2")

	for url, want := range map[string]int{
		"postgres://u:hunter2@h/d": 1, "postgres://u@h/d?password=hunter2": 1, "postgres://u@h/d": 0, "sqlite:x.db": 0,
	} {
		cfg, err := Load(Input{Flags: []Flag{{Key: "database.url", Values: []string{url}}}})
		require.NoError(t, err)
		require.Len(t, cfg.Warnings(), want, url)
		require.NotContains(t, strings.Join(cfg.Warnings(), ""), "hunter2")
		cfg, err = Load(Input{Env: []string{"NGIT_SYNC_DATABASE_URL=" + url}})
		require.NoError(t, err)
		require.Empty(t, cfg.Warnings(), url)
	}
}
