package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/web"
)

func newExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain ID|note|nevent|naddr|npub/identifier",
		Short: "Say what became of an event, or how far a repository is synced, and why",
		Long: `Asks the running daemon what it knows of an event or of a repository: whether the own relay has it, which relay brought it, what was
answered, what it waits for.

Exit codes: 0 it is known, 4 it is not, 3 no daemon answers.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("want one event or repository")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := nip34.ParseTarget(args[0]); err != nil {
				return usageError(fmt.Errorf("%s: %w", config.Quote(args[0]), err))
			}
			cfg, err := loadSettings(cmd)
			if err != nil {
				return err
			}
			var answer web.Explanation
			body, err := newClient(cfg).get(cmd.Context(), "/api/v1/explain", url.Values{"id": {args[0]}}, &answer)
			if err != nil {
				return err
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				_, err = cmd.OutOrStdout().Write(web.EscapeJSON(body)) // it may be another daemon's
			} else {
				err = printExplanation(cmd.OutOrStdout(), answer)
			}
			if err == nil && !answer.Known {
				return withCode(exitDiffers, nil)
			}
			return err
		},
	}
	cmd.Flags().Bool("json", false, "print the answer as JSON")
	addConfigFlags(cmd, "listen")
	return cmd
}

// printExplanation writes the sentences, and under them the facts.
func printExplanation(out io.Writer, x web.Explanation) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %s\t%s\n", name, harmless(value))
		}
	}
	fmt.Fprintln(w, harmless(x.Asked))
	for _, s := range x.Words {
		fmt.Fprintln(w, harmless(s))
	}
	if e := x.Event; e != nil {
		fmt.Fprintln(w)
		fact("disposition", e.Disposition)
		fact("reason", e.Reason)
		fact("deleted by", e.Deletion)
		fact("kind", fmt.Sprint(e.Kind))
		fact("author", e.PubKey)
		fact("created", when(e.CreatedAt))
		fact("first seen", when(e.FirstSeen))
		fact("updated", when(e.Updated))
		fact("source", e.Source)
		fact("offered again", when(e.OfferAt))
		if wait := e.Waiting; wait != nil {
			fact("waits for", wait.Cause)
			fact("since", when(wait.Since))
			fact("due", when(wait.Due))
			for _, name := range wait.For {
				fact("lifted by", name)
			}
		}
	}
	if r := x.Repo; r != nil {
		fmt.Fprintln(w)
		fact("announcement", r.Announcement)
		fact("roots", fmt.Sprint(r.Roots))
		for _, c := range r.Coordinates {
			fact("maintainer", c)
		}
		if len(r.Relays) > 0 {
			fmt.Fprintf(w, "\n  RELAY\tSTATES\tCOORDINATES\tROOTS\tAROUND\n")
		}
		for _, relay := range r.Relays {
			fmt.Fprintf(w, "  %s\t%s\t%d/%d\t%d/%d\t%s\n", harmless(relay.URL), yes(relay.States),
				relay.Coordinates, len(r.Coordinates), relay.Roots, r.Roots, yes(relay.Around))
		}
	}
	return w.Flush()
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime) + " UTC"
}

func yes(b bool) string {
	if b {
		return "asked"
	}
	return "-"
}
