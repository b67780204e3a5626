package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

func newRunCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Runs the daemon until it is told to stop (SIGTERM or SIGINT; a second one ends it at once).

Without --own-relay an embedded relay is started on loopback, with its data beside the database. With --archive and a
bootstrap relay that is a working archive with nothing else installed:

  ngit-sync run --archive npub1.../name --bootstrap wss://relay.example.com`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			log, err := newLogger(cfg.Log)
			if err != nil {
				return err
			}
			defer func() { _ = log.Sync() }() // standard error cannot be synced everywhere
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer close(hup)
			defer signal.Stop(hup)
			go func() {
				for range hup {
					log.Warn("the configuration is read at the start only; restart to change it")
				}
			}()
			log.Info("starting", zap.Stringer("build", readBuildInfo()))
			d, err := newDaemon(cmd.Context(), cfg, log, nil)
			if err != nil {
				return err
			}
			return d.run(cmd.Context())
		},
	}
	addConfigFlags(cmd)
	return cmd
}
