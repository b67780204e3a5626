package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ngit-sync/ngit-sync/internal/store"
)

func newMigrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to this version's schema, and exit",
		Long: `Runs the migrations that "ngit-sync run" runs at its start, and nothing else. Migrations go forwards
only and under a lock; a database that is up to date stays untouched.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadSettings(cmd)
			if err != nil {
				return err
			}
			log, _, err := newLeveledLogger(cfg.Log, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			from, to, err := store.Migrate(cmd.Context(), cfg.Database.URL.Reveal(), log)
			if err != nil {
				return fmt.Errorf("migrate %s: %w", cfg.Database.URL, err)
			}
			if from == to {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is up to date (version %d)\n", cfg.Database.URL, to)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s migrated from version %d to %d\n", cfg.Database.URL, from, to)
			}
			return err
		},
	}
	addConfigFlags(cmd, "database", "log-level", "log-format")
	return cmd
}
