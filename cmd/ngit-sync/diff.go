package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/diff"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/web"
	"github.com/ngit-sync/ngit-sync/relay"
)

const (
	diffListed = 10              // events of a repository in the text
	diffSays   = 2 * time.Second // between two lines of progress
	diffLonger = "; --timeout gives it longer"
	diffGaps   = "some second may hold more events than the relay shows on one page; those were not compared"
)

func newDiffCommand() *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "diff RELAY",
		Short: "Show what a relay has that the own relay lacks, by repository",
		Long: `Asks the own relay and RELAY for everything about every repository that is kept here, as the daemon would: announcements, states, and what
tags the repositories, their patches, pull requests and issues. Replies to replies are not looked at. Nothing is published and nothing is
stored, and the daemon may run or not. "ngit-sync explain ID" says why an event is missing.

Exit codes: 0 nothing is missing, 4 something is, 1 a relay did not answer in full or in time, there was more than is looked at, or nothing is
missing of what the relay can be made to show. What was found by then is printed all the same.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("want one relay")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return usageError(fmt.Errorf("--timeout: %s: allowed: longer than 0", timeout))
			}
			u, err := relayurl.Canonical(args[0])
			if err != nil {
				return usageError(fmt.Errorf("%q: %w", args[0], err))
			}
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			o, err := diffOptions(cfg, u)
			if err != nil {
				return err
			}
			o.Progress, o.Timeout = diffProgress(cmd.ErrOrStderr()), timeout
			res, err := diff.Compare(cmd.Context(), o)
			if errors.Is(err, diff.ErrTimeUp) {
				return fmt.Errorf("%w%s", err, diffLonger)
			}
			if err != nil {
				return err
			}
			show := printDiff
			if asJSON {
				show = printDiffJSON
			}
			if err := show(cmd.OutOrStdout(), o, res); err != nil {
				return err
			}
			switch {
			case res.TimeUp:
				return fmt.Errorf("not everything was compared: %s%s", strings.Join(res.Incomplete, "; "), diffLonger)
			case len(res.Incomplete) > 0:
				return fmt.Errorf("not everything was compared: %s", strings.Join(res.Incomplete, "; "))
			case res.Events > 0:
				return withCode(exitDiffers, nil)
			case res.Gaps:
				return errors.New("nothing is missing of what was compared: " + diffGaps)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with every event")
	cmd.Flags().DurationVar(&timeout, "timeout", diff.DefaultTimeout, "how long it may take")
	addConfigFlags(cmd, "own-relay", "domain", "archive")
	return cmd
}

// diffOptions are the connections and rules of the daemon. The relay is the operator's word, as a pinned one is.
func diffOptions(cfg config.Config, u relayurl.URL) (diff.Options, error) {
	set := settings{cfg: cfg, own: cfg.OwnURL()}
	if set.own == "" {
		return diff.Options{}, usageError(errors.New("own_relay.embedded.listen: any free port: --own-relay says which it is"))
	}
	if set.isOwn(u) {
		return diff.Options{}, usageError(fmt.Errorf("%s is the own relay", u))
	}
	var err error
	if set.login, err = set.readLogin(); err != nil {
		return diff.Options{}, err
	}
	conn := set.conn(relay.ConnOptions{Dialer: relay.NewDialer(set.dialer(nil)), Trust: relay.Operator, Log: zap.NewNop()})
	own, remote := conn, conn
	own.URL, own.Login, own.Unpaced = set.own, set.login, true
	remote.URL, remote.Negentropy = u, cfg.Sync.Negentropy != "off"
	return diff.Options{Own: own, Remote: remote, Rules: set.rules()}, nil
}

// diffProgress says now and then how far long work has got.
func diffProgress(out io.Writer) func(diff.Progress) {
	last := time.Now()
	return func(p diff.Progress) {
		if now := time.Now(); now.Sub(last) >= diffSays {
			last = now
			fmt.Fprintf(out, "%d of %d repositories compared, %d events seem to be missing so far\n", p.Repos, p.Of, p.Missing)
		}
	}
}

// kindsOf counts events by kind.
func kindsOf(events []diff.Event) map[int]int {
	out := map[int]int{}
	for _, e := range events {
		out[e.Kind]++
	}
	return out
}

func printDiff(out io.Writer, o diff.Options, res diff.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s has %d events that %s lacks, in %d of %d repositories\n", harmless(string(o.Remote.URL)), res.Events, harmless(string(o.Own.URL)),
		len(res.Repos), res.Known)
	for _, why := range res.Incomplete {
		fmt.Fprintf(&b, "not everything was compared: %s\n", harmless(why))
	}
	if n := res.Superseded + res.Deleted + res.Invalid; n > 0 {
		fmt.Fprintf(&b, "not counted: %d older versions, %d deleted by their authors, %d with wrong signatures\n", res.Superseded, res.Deleted, res.Invalid)
	}
	if res.Gaps {
		fmt.Fprintln(&b, diffGaps)
	}
	for _, r := range res.Repos {
		kinds := kindsOf(r.Events)
		var by []string
		for _, k := range slices.Sorted(maps.Keys(kinds)) {
			by = append(by, fmt.Sprintf("%d of kind %d", kinds[k], k))
		}
		fmt.Fprintf(&b, "\n%s\n  %d events: %s\n", harmless(r.Ref.String()), len(r.Events), strings.Join(by, ", "))
		for _, e := range r.Events[:min(len(r.Events), diffListed)] {
			fmt.Fprintf(&b, "  %s  kind %d  %s\n", e.ID, e.Kind, when(time.Unix(e.CreatedAt, 0)))
		}
		if more := len(r.Events) - diffListed; more > 0 {
			fmt.Fprintf(&b, "  and %d more; --json names all\n", more)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// diffReport is what `diff --json` prints.
type diffReport struct {
	Relay      string     `json:"relay"`
	OwnRelay   string     `json:"own_relay"`
	Complete   bool       `json:"complete"`
	Incomplete []string   `json:"incomplete,omitempty"` // why there may be more
	Gaps       bool       `json:"gaps"`                 // some second may hold more events than the relay shows on one page
	Known      int        `json:"repos_known"`
	Compared   int        `json:"repos_compared"` // in full
	Events     int        `json:"events"`
	Superseded int        `json:"superseded"`
	Deleted    int        `json:"deleted"`
	Invalid    int        `json:"invalid"`
	Repos      []diffRepo `json:"repos"`
}

type diffRepo struct {
	Coordinate string      `json:"coordinate"`
	Kinds      map[int]int `json:"kinds"`
	Events     []diffEvent `json:"events"`
}

type diffEvent struct {
	ID        string    `json:"id"`
	Kind      int       `json:"kind"`
	PubKey    string    `json:"pubkey"`
	CreatedAt time.Time `json:"created_at"`
}

func printDiffJSON(out io.Writer, o diff.Options, res diff.Result) error {
	report := diffReport{
		Relay: string(o.Remote.URL), OwnRelay: string(o.Own.URL), Complete: len(res.Incomplete) == 0, Incomplete: res.Incomplete, Gaps: res.Gaps,
		Known: res.Known, Compared: res.Compared, Events: res.Events, Superseded: res.Superseded, Deleted: res.Deleted, Invalid: res.Invalid, Repos: []diffRepo{},
	}
	for _, r := range res.Repos {
		repo := diffRepo{Coordinate: r.Ref.String(), Kinds: kindsOf(r.Events)}
		for _, e := range r.Events {
			repo.Events = append(repo.Events, diffEvent{e.ID.String(), e.Kind, e.PubKey.String(), time.Unix(e.CreatedAt, 0).UTC()})
		}
		report.Repos = append(report.Repos, repo)
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err == nil {
		_, err = out.Write(append(web.EscapeJSON(text), '\n'))
	}
	return err
}
