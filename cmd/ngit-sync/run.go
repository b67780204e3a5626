package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

func newRunCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Runs the daemon until it is told to stop (SIGTERM or SIGINT; a second one ends it at once). SIGHUP reads the configuration again.

Without --own-relay an embedded relay is started on loopback, with its data beside the database. With --archive and a
bootstrap relay that is a working archive with nothing else installed:

  ngit-sync run --archive npub1.../name --bootstrap wss://relay.example.com`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			log, level, err := newLeveledLogger(cfg.Log, os.Stderr)
			if err != nil {
				return err
			}
			defer func() { _ = log.Sync() }() // standard error cannot be synced everywhere
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			log.Info("starting", zap.Stringer("build", readBuildInfo()))
			d, err := newDaemon(cmd.Context(), cfg, log, nil)
			if err != nil {
				return err
			}
			ctx, stop := context.WithCancel(cmd.Context())
			reloading := make(chan struct{})
			go func() {
				defer close(reloading)
				for {
					select {
					case <-hup:
						d.reload(ctx, func() (config.Config, error) { return loadConfig(cmd) }, level)
					case <-ctx.Done():
						return
					}
				}
			}()
			err = d.run(ctx)
			stop()
			<-reloading
			return err
		},
	}
	addConfigFlags(cmd)
	return cmd
}
