package config

import (
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

const (
	npub    = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
	npubHex = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
)

var sourceComment = regexp.MustCompile(`(?m) # [^#\n]*$`)

func withoutSources(masked string) string { return sourceComment.ReplaceAllString(masked, "") }

func TestLayersFlagOverEnvOverFileOverDefault(t *testing.T) {
	const file = "testdata/good/full.yaml" // log.level: debug
	env := []string{"NGIT_SYNC_LOG_LEVEL=warn", "PATH=/bin", "NGIT_SYNC_LOG_FORMAT="}
	flags := []Flag{{Key: "log.level", Values: []string{"info", "error"}}}
	tests := []struct {
		name  string
		in    Input
		level string
		from  string
	}{
		{"default", Input{}, "info", "default"},
		{"file", Input{File: file}, "debug", file + ":64"},
		{"environment", Input{File: file, Env: env}, "warn", "NGIT_SYNC_LOG_LEVEL"},
		{"flag, the last one", Input{File: file, Env: env, Flags: flags}, "error", "--log-level"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Load(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.level, cfg.Log.Level)
			require.Equal(t, tt.from, cfg.Source("log.level").String())
		})
	}
	cfg, err := Load(Input{File: file, Env: env})
	require.NoError(t, err)
	require.Equal(t, "console", cfg.Log.Format, "an empty variable is one that is not set")
}

func TestEveryKeyIsReadFromItsVariable(t *testing.T) {
	full, err := Load(Input{File: "testdata/good/full.yaml"})
	require.NoError(t, err)
	var env []string
	for _, s := range full.Settings() {
		text := s.Values
		if s.secret {
			text = []string{s.field(&full).Interface().(Secret).Reveal()}
		}
		joined := ""
		for i, v := range text {
			if i > 0 {
				joined += " , "
			}
			joined += v
		}
		env = append(env, s.Env+"="+joined)
	}
	cfg, err := Load(Input{Env: env})
	require.NoError(t, err)
	for _, s := range cfg.Settings() {
		require.Equal(t, s.Env, s.Source.String())
	}
	full.sources, cfg.sources = nil, nil
	require.Equal(t, full, cfg)
}

func TestNestedKeysHaveOneVariableName(t *testing.T) {
	k, ok := KeyOf("own_relay.embedded.listen")
	require.True(t, ok)
	require.Equal(t, "NGIT_SYNC_OWN_RELAY_EMBEDDED_LISTEN", k.Env)
}

func TestDomainVariableOfTheService(t *testing.T) {
	cfg, err := Load(Input{Env: []string{"NGIT_DOMAIN=git.example.com, GIT.example.org"}})
	require.NoError(t, err)
	require.Equal(t, []string{"git.example.com", "git.example.org"}, cfg.OwnRelay.Domains)
	require.Equal(t, "NGIT_DOMAIN", cfg.Source("own_relay.domains").String())

	cfg, err = Load(Input{Env: []string{"NGIT_SYNC_OWN_RELAY_DOMAINS=a.example", "NGIT_DOMAIN=b.example"}})
	require.NoError(t, err)
	require.Equal(t, []string{"a.example"}, cfg.OwnRelay.Domains)
}

func TestBadVariablesAndFlagsAreNamed(t *testing.T) {
	_, err := Load(Input{
		Env:   []string{"NGIT_SYNC_SYNC_POLL_INTERVALL=5s", "NGIT_SYNC_LIMITS_MAX_RELAYS=lots", "NGIT_SYNC_NOTHING_LIKE_IT="},
		Flags: []Flag{{Key: "own_relay.domains", Values: []string{"git.example.com,https://x"}}},
	})
	require.EqualError(t, err, `NGIT_SYNC_LIMITS_MAX_RELAYS: limits.max_relays: "lots": not a whole number; allowed: a whole number
NGIT_SYNC_NOTHING_LIKE_IT: unknown variable; allowed: NGIT_SYNC_<SECTION>_<KEY>, as docs/reference/configuration.md lists them
NGIT_SYNC_SYNC_POLL_INTERVALL: unknown variable, perhaps NGIT_SYNC_SYNC_POLL_INTERVAL; allowed: NGIT_SYNC_<SECTION>_<KEY>, as docs/reference/configuration.md lists them
--domain: own_relay.domains: "https://x": host: want host or host:port, not a URL; allowed: host or host:port, without a scheme`)
}

func TestListFlagsAreRepeatedOrSeparatedByCommas(t *testing.T) {
	cfg, err := Load(Input{
		File:  "testdata/good/full.yaml",
		Flags: []Flag{{Key: "sync.bootstrap", Values: []string{"wss://a.example, wss://b.example", "wss://c.example"}}},
	})
	require.NoError(t, err)
	require.Equal(t, []relayurl.URL{"wss://a.example", "wss://b.example", "wss://c.example"}, cfg.Sync.Bootstrap,
		"a list replaces the list of a lower layer")
}

func TestValuesHaveTheirTypes(t *testing.T) {
	cfg, err := Load(Input{File: "testdata/good/full.yaml"})
	require.NoError(t, err)
	pk, err := event.ParsePubKey(npubHex)
	require.NoError(t, err)

	require.Equal(t, relayurl.URL("ws://127.0.0.1:7777"), cfg.OwnRelay.URL)
	require.Equal(t, []string{"git.example.com", "git.example.org:8443"}, cfg.OwnRelay.Domains)
	require.Equal(t, []relayurl.URL{"wss://relay.example.com", "ws://relay.example.net"}, cfg.Sync.Bootstrap)
	require.Equal(t, 1500*time.Millisecond, cfg.Sync.SettleDelay)
	require.Equal(t, "off", cfg.Sync.Negentropy, "off without quotes is a word, not a boolean")
	require.Equal(t, []event.PubKey{pk}, cfg.Scope.DenyAuthors)
	require.Equal(t, []event.Ref{event.RepoRef(pk, "a/b")}, cfg.Scope.DenyRepos)
	require.Len(t, cfg.Scope.Archive, 3)
	require.Equal(t, 512*KiB, cfg.Limits.MessageBytes)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::1/128")}, cfg.Network.AllowPrivate)
}

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	cfg := Default()
	require.Equal(t, "sqlite:ngit-sync.db", cfg.Database.URL.Reveal())
	require.Equal(t, 64, cfg.OwnRelay.Window)
	require.Equal(t, "127.0.0.1:3334", cfg.OwnRelay.Embedded.Listen)
	require.Equal(t, 15*time.Minute, cfg.Sync.ReconnectWindow)
	require.Equal(t, 24*time.Hour, cfg.Sync.FullInterval)
	require.Equal(t, 65*time.Second, cfg.Health.RateLimitCooldown)
	require.Equal(t, 4*MiB, cfg.Limits.NegMessageBytes)
	require.Equal(t, 256*MiB, cfg.Limits.PendingBytes)
	require.Equal(t, "127.0.0.1:9464", cfg.HTTP.Listen)
	require.Error(t, cfg.Validate(), "somebody must say whose repositories are meant")
	require.Empty(t, cfg.Warnings())
}
