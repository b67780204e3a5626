package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/web"
	"github.com/ngit-sync/ngit-sync/sync"
)

func newNowCommand() *cobra.Command {
	var rejected, noWait bool
	cmd := &cobra.Command{
		Use:   "now [RELAY]",
		Short: "Catch up now with one relay or all of them, and wait for it",
		Long: `Has the running daemon ask a relay, or every relay, for its whole history once more, and waits until that is done. A relay that cannot be
reached is dialled at once, unless it has asked for a pause.

Exit codes: 0 done, 4 some relays could not be caught up with, 3 no daemon answers.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, query, err := changeOf(cmd, args)
			if err != nil {
				return err
			}
			if rejected {
				query.Set("rejected", "true")
			}
			at, err := c.change(cmd.Context(), "sync", query)
			if err != nil || noWait {
				return err
			}
			return waitForSync(cmd.Context(), c, query.Get("relay"), at, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&rejected, "rejected", false, "offer again what the own relay has refused")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait for the end")
	addConfigFlags(cmd, "listen", "database")
	return cmd
}

func newPairCommand(verb, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " RELAY",
		Short: short,
		Long:  long,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("want one relay")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, query, err := changeOf(cmd, args)
			if err != nil {
				return err
			}
			if _, err := c.change(cmd.Context(), verb, query); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%sed %s\n", verb, query.Get("relay"))
			return err
		},
	}
	addConfigFlags(cmd, "listen", "database")
	return cmd
}

// changeOf gives the client that may change things, and the relay that the argument names.
func changeOf(cmd *cobra.Command, args []string) (client, url.Values, error) {
	query := url.Values{}
	if len(args) == 1 {
		u, err := relayurl.Canonical(args[0])
		if err != nil {
			return client{}, nil, usageError(fmt.Errorf("%s: %w", config.Quote(args[0]), err))
		}
		query.Set("relay", string(u))
	}
	cfg, err := loadSettings(cmd)
	if err != nil {
		return client{}, nil, err
	}
	token, err := cfg.ReadToken()
	if err != nil {
		return client{}, nil, err
	}
	c := newClient(cfg)
	c.token = token.Reveal()
	return c, query, nil
}

// syncEvery is how often the end of a sync is looked for.
const syncEvery = time.Second

// waitForSync waits until a relay, or each, has had a full sync that ended after a moment of the daemon's clock.
func waitForSync(ctx context.Context, c client, relay string, at time.Time, out io.Writer) error {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	said := map[string]string{}
	for {
		var answer web.RelaysAnswer
		if _, err := c.get(ctx, "/api/v1/relays", nil, &answer); err != nil {
			return err
		}
		waiting, failed, known := 0, 0, relay == ""
		for _, r := range answer.Relays {
			if relay != "" && r.URL != relay {
				continue
			}
			known = true
			word := progressOf(r, at)
			switch word {
			case "done":
			case "waiting":
				waiting++
			default:
				failed++
			}
			if word != "waiting" && said[r.URL] != word {
				said[r.URL] = word
				fmt.Fprintf(out, "%s  %s\n", harmless(r.URL), harmless(word))
			}
		}
		if !known {
			return fmt.Errorf("%s is not known any more", relay)
		}
		if waiting == 0 && answer.At.After(at) {
			if failed > 0 {
				return withCode(exitDiffers, nil)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return withCode(exitFailed, errors.New("interrupted; the daemon goes on"))
		case <-tick.C:
		}
	}
}

// progressOf says how a relay stands with a sync that was ordered at a moment: done, waiting, or what keeps it.
func progressOf(r web.RelayView, at time.Time) string {
	var last web.Change // of its phase, since then
	if n := len(r.Changes); n > 0 && r.Changes[n-1].At.After(at) {
		last = r.Changes[n-1]
	}
	switch {
	case r.LastFullSync.After(at):
		return "done"
	case r.NoPlace:
		return r.Doing
	case r.PhaseName == sync.Disconnected.String() && last.To == r.PhaseName:
		return "not reached: " + last.Why
	case r.ConnectedSince.IsZero() && r.NextDial.After(at.Add(time.Minute)):
		return "not dialled before " + when(r.NextDial)
	case r.PhaseName == sync.ConnectedDegraded.String() && last.To == r.PhaseName:
		return "incomplete: " + r.Note
	}
	return "waiting"
}
