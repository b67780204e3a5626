package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

func TestUsageErrorsExit2AndNameTheHelp(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", []string{}, "ngit-sync: no command given\nRun 'ngit-sync --help' for usage.\n"},
		{"misspelt command", []string{"verzion"}, "ngit-sync: unknown command \"verzion\", perhaps version\nRun 'ngit-sync --help' for usage.\n"},
		{"unlike any command", []string{"frobnicate"}, "ngit-sync: unknown command \"frobnicate\"\nRun 'ngit-sync --help' for usage.\n"},
		{"unknown flag", []string{"version", "--yaml"}, "ngit-sync: unknown flag: --yaml\nRun 'ngit-sync version --help' for usage.\n"},
		{"bad flag value", []string{"version", "--json=maybe"}, "ngit-sync: invalid argument \"maybe\" for \"--json\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax\nRun 'ngit-sync version --help' for usage.\n"},
		{"surplus argument", []string{"version", "now"}, "ngit-sync: unexpected argument \"now\"\nRun 'ngit-sync version --help' for usage.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitUsage, run(t.Context(), tt.args, &stdout, &stderr))
			require.Equal(t, tt.want, stderr.String())
			require.Empty(t, stdout.String())
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"version", "-h"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitDone, run(t.Context(), args, &stdout, &stderr))
		require.Contains(t, stdout.String(), "Usage:")
		require.Empty(t, stderr.String())
	}
}

func TestVersion(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitDone, run(t.Context(), []string{"version", "--json"}, &stdout, &stderr))
	var b buildInfo
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &b))
	require.Equal(t, readBuildInfo(), b)
	require.NotEmpty(t, b.Version)

	stdout.Reset()
	require.Equal(t, exitDone, run(t.Context(), []string{"version"}, &stdout, &stderr))
	require.Equal(t, readBuildInfo().String()+"\n", stdout.String())
	require.Equal(t, "ngit-sync v1.2.3 commit abc with changes go1.26 linux/amd64",
		buildInfo{Version: "v1.2.3", Commit: "abc", Modified: true, Go: "go1.26", Platform: "linux/amd64"}.String())
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe\x1b[2J") }

func TestFailuresExit1AndCannotDriveTheTerminal(t *testing.T) {
	var stderr bytes.Buffer
	require.Equal(t, exitFailed, run(t.Context(), []string{"version"}, brokenPipe{}, &stderr))
	require.Equal(t, "ngit-sync: broken pipe\ufffd[2J\n", stderr.String())
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		err  error
		want int
	}{
		{errors.New("x"), exitFailed},
		{usageError(errors.New("x")), exitUsage},
		{fmt.Errorf("load: %w", config.Errors{{Reason: "x"}}), exitUsage},
		{fmt.Errorf("ask: %w", withCode(exitUnreachable, errors.New("x"))), exitUnreachable},
		{withCode(exitDiffers, nil), exitDiffers},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, exitCode(tt.err), tt.err)
	}
}

// probe runs a command line against a command that has every configuration flag and takes one argument.
func probe(t *testing.T, load func(*cobra.Command) (config.Config, error), args ...string) (config.Config, error) {
	var cfg config.Config
	cmd := &cobra.Command{Use: "probe", Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, _ []string) (err error) {
		cfg, err = load(cmd)
		return err
	}}
	addConfigFlags(cmd)
	root := newRootCommand(func() {})
	root.AddCommand(cmd)
	root.SetArgs(args)
	return cfg, root.ExecuteContext(t.Context())
}

const npub = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"

func TestFlagsReachTheConfiguration(t *testing.T) {
	t.Setenv("NGIT_SYNC_LOG_LEVEL", "warn")
	t.Setenv("NGIT_SYNC_HTTP_LISTEN", "127.0.0.1:1")
	cfg, err := probe(t, loadConfig, "probe",
		"--own-relay", "ws://127.0.0.1:7777", "--domain", "git.example.com", "--domain", "git.example.org",
		"--bootstrap", "wss://a.example,wss://b.example", "--archive", npub+"/ngit", "--database", "sqlite:x.db",
		"--listen", "127.0.0.1:9999", "--log-format=console")
	require.NoError(t, err)
	require.Equal(t, "ws://127.0.0.1:7777", cfg.OwnRelay.URL.String())
	require.Equal(t, []string{"git.example.com", "git.example.org"}, cfg.OwnRelay.Domains)
	require.Len(t, cfg.Sync.Bootstrap, 2)
	require.Equal(t, npub+"/ngit", cfg.Scope.Archive[0].String())
	require.Equal(t, "sqlite:x.db", cfg.Database.URL.Reveal())
	require.Equal(t, "127.0.0.1:9999", cfg.HTTP.Listen)
	require.Equal(t, config.Log{Level: "warn", Format: "console"}, cfg.Log)
	require.Equal(t, "--listen", cfg.Source("http.listen").String())
}

func TestFlagsStandBeforeOrAfterArguments(t *testing.T) {
	file := "../../internal/config/testdata/good/minimal.yaml"
	for _, args := range [][]string{
		{"probe", "--config", file, "--log-level", "debug", "arg"},
		{"probe", "arg", "--log-level", "debug", "--config", file},
		{"--config", file, "probe", "arg", "--log-level=debug"},
	} {
		cfg, err := probe(t, loadConfig, args...)
		require.NoError(t, err, args)
		require.Equal(t, "debug", cfg.Log.Level)
		require.Equal(t, []string{"git.example.com"}, cfg.OwnRelay.Domains)
	}
}

func TestWhatADaemonNeedsIsNotAskedOfOthers(t *testing.T) {
	_, err := probe(t, loadConfig, "probe")
	require.Equal(t, exitUsage, exitCode(err))
	require.ErrorContains(t, err, "neither own_relay.domains nor scope.archive")
	_, err = probe(t, loadSettings, "probe")
	require.NoError(t, err)
}
