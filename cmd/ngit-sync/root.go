package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

// newRootCommand builds the tree of commands. started is called when a command begins to work: every
// error before that is one of usage. No command below may have a persistent pre-run of its own.
func newRootCommand(started func()) *cobra.Command {
	root := &cobra.Command{
		Use:   "ngit-sync",
		Short: "Keeps a git-nostr relay complete",
		Long: `ngit-sync runs beside a git-nostr relay and keeps it complete: it finds the other relays
that the accepted repositories name, and publishes what is missing into the own relay.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 no daemon answers, 4 differences or degraded.`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		Args:                       knownCommand,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRun:           func(*cobra.Command, []string) { started() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError(errors.New("no command given"))
		},
	}
	root.PersistentFlags().String(configFlag, "", "configuration file (YAML)")
	root.AddCommand(
		newRunCommand(), newDemoCommand(), newStatusCommand(), newNowCommand(),
		newPairCommand("pair", "Pin a relay by hand; the daemon keeps it in its database",
			"Has the running daemon keep a relay, whoever names it, and ask it for announcements and for the states of every repository."),
		newPairCommand("unpair", "Let go of a relay that was paired",
			"Has the running daemon let go of a relay that was paired. It stays as long as an announcement names it."),
		newExplainCommand(), newDiffCommand(), newCheckConfigCommand(), newMigrateCommand(), newVersionCommand(),
	)
	return root
}

// knownCommand refuses a word that is no command, and says which one was probably meant.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if meant := root.SuggestionsFor(args[0]); len(meant) > 0 {
		return fmt.Errorf("unknown command %s, perhaps %s", config.Quote(args[0]), strings.Join(meant, " or "))
	}
	return fmt.Errorf("unknown command %s", config.Quote(args[0]))
}

// noArgs is for commands that take flags only.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %s", config.Quote(args[0]))
	}
	return nil
}
