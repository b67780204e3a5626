package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ngit-sync/ngit-sync/internal/web"
)

// statusEvery is how often --watch asks.
const statusEvery = 2 * time.Second

// statusReport is what `status --json` prints: both answers of the API in one object.
type statusReport struct {
	web.StatusAnswer
	Relays []web.RelayView `json:"relays"`
}

func newStatusCommand() *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show relays, phases and progress of the running daemon",
		Long: `Asks the running daemon how it stands: the own relay, what waits, and each remote relay.

Exit codes: 0 ready, 4 something is not right (it says what), 3 no daemon answers.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadSettings(cmd)
			if err != nil {
				return err
			}
			c, out := newClient(cfg), cmd.OutOrStdout()
			show := printStatus
			if asJSON {
				show = printStatusJSON
			}
			if watch {
				return watchStatus(cmd.Context(), c, out, show, !asJSON && isTerminal(out))
			}
			report, err := c.status(cmd.Context())
			if err != nil {
				return err
			}
			if err := show(out, report); err != nil {
				return err
			}
			if !report.Ready {
				return withCode(exitDiffers, nil)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; with --watch one object a line")
	cmd.Flags().BoolVar(&watch, "watch", false, "print again every two seconds, until interrupted")
	addConfigFlags(cmd, "listen")
	return cmd
}

func (c client) status(ctx context.Context) (statusReport, error) {
	var report statusReport
	if _, err := c.get(ctx, "/api/v1/status", nil, &report.StatusAnswer); err != nil {
		return report, err
	}
	var relays web.RelaysAnswer
	if _, err := c.get(ctx, "/api/v1/relays", nil, &relays); err != nil {
		return report, err
	}
	report.Relays = relays.Relays
	return report, nil
}

// watchStatus shows the status until ctx ends, in place where the output is a terminal. A daemon that is away for a while is said, and
// waited for.
func watchStatus(ctx context.Context, c client, out io.Writer, show func(io.Writer, statusReport) error, inPlace bool) error {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		var b strings.Builder
		report, err := c.status(ctx)
		if err == nil {
			err = show(&b, report)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			fmt.Fprintln(&b, harmless(err.Error()))
		}
		text := b.String()
		if inPlace {
			text = "\x1b[H\x1b[2J" + text
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func printStatusJSON(out io.Writer, r statusReport) error {
	text, err := json.Marshal(r)
	if err == nil {
		_, err = out.Write(append(web.EscapeJSON(text), '\n'))
	}
	return err
}

func printStatus(out io.Writer, r statusReport) error {
	t := r.Totals
	fmt.Fprintf(out, "ngit-sync %s, up %s\n", harmless(r.Version), (time.Duration(r.Uptime) * time.Second))
	for _, c := range r.Conditions {
		if !c.OK {
			fmt.Fprintf(out, "NOT READY  %s: %s\n", harmless(c.Name), harmless(c.Why))
		}
	}
	for _, n := range r.Notices {
		fmt.Fprintf(out, "%-9s  %s\n", n.Level, harmless(n.Text))
	}
	fmt.Fprintf(out, "%d repositories, %d roots; %d events published since the start, %d on their way, %d waiting on disk\n",
		t.Repos, t.Roots, t.EventsPublished, t.QueueEvents, t.PendingEvents)
	fmt.Fprintf(out, "%d relays, %d connected, %d dead\n\n", t.RelaysTracked, t.RelaysConnected, t.RelaysDead)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RELAY\tPHASE\tHEALTH\tMODE\tSTORED\tPENDING\tSYNCED\tDOING")
	for _, v := range r.Relays {
		doing := v.Doing
		if v.Phase == 0 && v.LastFailure.Reason != "" && !v.NoPlace {
			doing = v.LastFailure.Cause + ": " + v.LastFailure.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", harmless(v.URL), v.PhaseName, v.Health, v.Mode, v.EventsStored, v.BatchesPending,
			age(v.LastFullSync, r.At), harmless(doing))
	}
	return w.Flush()
}

// age is how long ago, to the minute.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t).Round(time.Minute)
	if d < time.Minute {
		return "just now"
	}
	return strings.TrimSuffix(d.String(), "0s") + " ago"
}
