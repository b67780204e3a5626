package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/demo"
	"github.com/ngit-sync/ngit-sync/sync"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	once    bool
	verbose bool
	listen  string
	events  int
	seed    uint64
	every   time.Duration
	timeout time.Duration
}

func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it at work: a whole network on this machine",
		Long: `Starts remote relays of different character on loopback, filled with real and generated events, an empty own
relay, and the daemon between them. The relays answer to the names that real announcements give; nothing outside of this
machine is dialled. With --once it ends when everything that should be on the own relay is there, says what came from
where, and exits 0; it exits 1 and says what is missing when that takes longer than --timeout.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return usageError(err)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP) // a closed terminal leaves nothing behind
			defer stop()
			return runDemo(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.once, "once", false, "end when everything has arrived")
	f.BoolVar(&o.verbose, "verbose", false, "log what the daemon does to standard error, instead of the live table")
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "host:port of the status page")
	f.IntVar(&o.events, "events", 2000, "about how many events are generated beside the real ones")
	f.Uint64Var(&o.seed, "seed", 1, "seed of everything that is generated")
	f.DurationVar(&o.every, "every", time.Second, "time between two new events on the remote relays")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "with --once: how long it may take; half a minute is usual")
	return cmd
}

func (o demoOptions) validate() error {
	switch {
	case o.every <= 0:
		return fmt.Errorf("--every: %s: allowed: longer than 0", o.every)
	case o.timeout <= 0:
		return fmt.Errorf("--timeout: %s: allowed: longer than 0", o.timeout)
	case o.events < 1:
		return fmt.Errorf("--events: %d: allowed: 1 and more", o.events)
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return fmt.Errorf("--listen: %q: allowed: host:port", o.listen)
	}
	return nil
}

// demonstration is a running demo.
type demonstration struct {
	demoOptions
	world   *demo.World
	daemon  *daemon
	out     io.Writer
	started time.Time
}

func runDemo(ctx context.Context, o demoOptions, out, errOut io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "ngit-sync-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	world, err := demo.Start(ctx, demo.Options{Seed: o.seed, Now: time.Now(), Events: o.events})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close(context.WithoutCancel(ctx))) }()

	log := zap.NewNop()
	if o.verbose {
		if log, _, err = newLeveledLogger(config.Log{Level: "info", Format: "console"}, errOut); err != nil {
			return err
		}
	}
	d, err := newDaemon(ctx, demoConfig(o, world, dir), log, world.Rewrite)
	if err != nil {
		return err
	}
	x := &demonstration{demoOptions: o, world: world, daemon: d, out: out, started: time.Now()}
	return x.run(ctx)
}

// demoConfig is the configuration of an operator whose domain is one that real announcements list.
func demoConfig(o demoOptions, world *demo.World, dir string) config.Config {
	cfg := config.Default()
	cfg.OwnRelay.Domains = []string{world.Domain}
	cfg.OwnRelay.Embedded.Listen = "127.0.0.1:0"
	cfg.Database.URL = config.Secret("sqlite:" + filepath.Join(dir, "ngit-sync.db"))
	cfg.Sync.Bootstrap = world.Bootstrap()
	cfg.Network.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} // where the world is
	cfg.HTTP.Listen = o.listen
	return cfg
}

func (x *demonstration) run(ctx context.Context) error {
	fmt.Fprintf(x.out, "status page  http://%s/\nown relay    %s, empty, accepts what lists %s\n\n",
		x.daemon.web.Addr(), x.daemon.ring.Load().own, x.world.Domain)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		return x.daemon.run(ctx)
	})
	g.Go(func() error {
		defer cancel()
		if x.once {
			return x.untilComplete(ctx)
		}
		return x.forEver(ctx)
	})
	return g.Wait()
}

// forEver shows the table, while somebody keeps writing, until the user ends it.
func (x *demonstration) forEver(ctx context.Context) error {
	news := newNews()
	var g errgroup.Group
	g.Go(func() error { return x.world.Traffic(ctx, x.every, news.add) })
	g.Go(func() error {
		x.watch(ctx, news)
		return nil
	})
	return g.Wait()
}

// Times of --once.
const (
	checkEvery = 500 * time.Millisecond
	liveEvents = 20
	liveEvery  = 100 * time.Millisecond
)

// untilComplete waits for the history, writes a few events, waits for those, and reports.
func (x *demonstration) untilComplete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	result, err := x.complete(ctx)
	if err != nil {
		return err
	}
	history := time.Since(x.started)
	before := result.Held
	fmt.Fprintf(x.out, "history: %d events in %s\n", before, history.Round(100*time.Millisecond))

	if err := x.writeSome(ctx); err != nil {
		return err
	}
	if result, err = x.complete(ctx); err != nil {
		return err
	}
	fmt.Fprintf(x.out, "live: %d events written meanwhile are there, too\n\n", result.Held-before)
	x.report(result)
	fmt.Fprintf(x.out, "\ncomplete: %d of %d events in %s\n", result.Held, result.Wanted, time.Since(x.started).Round(100*time.Millisecond))
	return nil
}

// writeSome publishes a few events on the remote relays.
func (x *demonstration) writeSome(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 0
	return x.world.Traffic(ctx, liveEvery, func(demo.Written) {
		if n++; n >= liveEvents {
			cancel()
		}
	})
}

// complete waits until the own relay holds what it should and every relay of the world is connected.
func (x *demonstration) complete(ctx context.Context) (demo.Result, error) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	var last demo.Result
	var progress time.Time
	for {
		held, err := demo.Contents(ctx, string(x.daemon.ring.Load().own))
		if err == nil {
			last = x.world.Check(held)
			if last.Complete() && x.connected() {
				return last, nil
			}
		}
		if now := time.Now(); now.Sub(progress) > 5*time.Second {
			progress = now
			fmt.Fprintf(x.out, "%6s  %d of %d events\n", now.Sub(x.started).Round(time.Second), last.Held, last.Wanted)
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				x.incomplete(last)
				return last, fmt.Errorf("not complete after %s: %d of %d events are missing, %d too many are there",
					x.timeout, len(last.Missing), last.Wanted, len(last.Surplus))
			}
			return last, errors.New("interrupted")
		case <-tick.C:
		}
	}
}

// connected reports whether every relay of the world has caught up.
func (x *demonstration) connected() bool {
	n := 0
	for _, r := range x.daemon.ring.Load().snapshot.Load().Relays {
		if _, ours := x.world.Relay(r.URL); ours && r.Phase == sync.Connected {
			n++
		}
	}
	return n == len(x.world.Relays())
}
