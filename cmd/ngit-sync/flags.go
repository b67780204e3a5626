package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

const configFlag = "config"

// addConfigFlags gives a command flags for configuration keys: those named, or all that have a flag.
func addConfigFlags(cmd *cobra.Command, names ...string) {
	for _, k := range config.Keys() {
		if k.Flag != "" && (len(names) == 0 || slices.Contains(names, k.Flag)) {
			cmd.Flags().Var(&keyFlag{key: k}, k.Flag, k.Doc)
		}
	}
}

// keyFlag collects what the command line says about one key. What a value means is for package config.
type keyFlag struct {
	key    config.Key
	values []string
}

// Set is called once for each time that the flag stands on the command line.
func (f *keyFlag) Set(s string) error {
	f.values = append(f.values, s)
	return nil
}

// String is the default in the help text.
func (f *keyFlag) String() string {
	if len(f.values) > 0 {
		return strings.Join(f.values, ",")
	}
	return f.key.Default
}

// Type is the placeholder in the help text.
func (f *keyFlag) Type() string {
	if f.key.List {
		return "list"
	}
	return "value"
}

// loadConfig reads and validates what a running daemon needs. Its error exits 2.
func loadConfig(cmd *cobra.Command) (config.Config, error) {
	cfg, err := loadSettings(cmd)
	if err != nil {
		return config.Config{}, err
	}
	if err := cfg.Validate(); err != nil {
		return config.Config{}, err
	}
	return cfg, nil
}

// loadSettings reads the configuration for commands that need a few values of it: `migrate` works where nobody has said
// yet what to sync.
func loadSettings(cmd *cobra.Command) (config.Config, error) {
	in := config.Input{Env: os.Environ()}
	var err error
	if in.File, err = cmd.Flags().GetString(configFlag); err != nil {
		return config.Config{}, fmt.Errorf("flag --%s: %w", configFlag, err)
	}
	for _, k := range config.Keys() {
		if k.Flag == "" {
			continue
		}
		flag := cmd.Flags().Lookup(k.Flag)
		if flag == nil || !flag.Changed {
			continue
		}
		if f, ok := flag.Value.(*keyFlag); ok {
			in.Flags = append(in.Flags, config.Flag{Key: k.Name, Values: f.values})
		}
	}
	return config.Load(in)
}
