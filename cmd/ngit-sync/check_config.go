package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCheckConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Validate the configuration and print it as it takes effect, secrets masked",
		Long: `Reads the configuration as "ngit-sync run" does: file, environment and flags. Prints every key with its value and where that
came from, or everything that is wrong, one line each. What is allowed but may not be meant is said on standard error.

Exit codes: 0 valid, 2 not.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if _, err := cfg.ReadAuthKey(); err != nil {
				return err
			}
			for _, sentence := range cfg.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+harmless(sentence))
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), cfg.Masked())
			return err
		},
	}
	addConfigFlags(cmd)
	return cmd
}
