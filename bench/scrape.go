package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pollEvery is how often a condition is looked at while nothing is measured.
const pollEvery = 100 * time.Millisecond

var scraper = &http.Client{Timeout: 10 * time.Second}

func (d *daemon) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := scraper.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return body, err
}

// metrics reads /metrics.
func (d *daemon) metrics(ctx context.Context) (metrics, error) {
	body, err := d.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	return parseMetrics(string(body)), nil
}

// metrics are the values of all series, by name and labels as written.
type metrics map[string]float64

func parseMetrics(text string) metrics {
	out := metrics{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		end := strings.LastIndexByte(line, ' ')
		if end < 0 || line[0] == '#' {
			continue
		}
		if v, err := strconv.ParseFloat(line[end+1:], 64); err == nil {
			out[line[:end]] = v
		}
	}
	return out
}

// sum adds up all series of a name.
func (m metrics) sum(name string) float64 {
	total := 0.0
	for series, v := range m {
		if base, _, _ := strings.Cut(series, "{"); base == name {
			total += v
		}
	}
	return total
}

// remoteView is what the bench reads of /api/v1/relays.
type remoteView struct {
	URL            string `json:"url"`
	Phase          string `json:"phase_name"`
	BatchesPending int    `json:"batches_pending"`
	Doing          string `json:"doing"`
	Failure        struct {
		Reason string `json:"reason"`
	} `json:"last_failure"`
}

func (r remoteView) complete() bool { return r.Phase == "Connected" && r.BatchesPending == 0 }

func (d *daemon) relays(ctx context.Context) ([]remoteView, error) {
	body, err := d.get(ctx, "/api/v1/relays")
	if err != nil {
		return nil, err
	}
	var answer struct{ Relays []remoteView }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("/api/v1/relays: %w", err)
	}
	return answer.Relays, nil
}

// connected waits until n relays are in phase Connected and nothing is asked of them: their history is complete.
func (d *daemon) connected(ctx context.Context, n int) error {
	return d.until(ctx, fmt.Sprintf("%d relays are not complete", n), func(relays []remoteView) bool {
		have := 0
		for _, r := range relays {
			if r.complete() {
				have++
			}
		}
		return have >= n
	})
}

// hungUp waits until there is no connection to a relay.
func (d *daemon) hungUp(ctx context.Context, url string) error {
	return d.until(ctx, "the connection to "+url+" does not end", func(relays []remoteView) bool {
		return !slices.ContainsFunc(relays, func(r remoteView) bool {
			return r.URL == url && r.Phase != "Disconnected" && r.Phase != "Connecting"
		})
	})
}

// until waits for something that the daemon's relays show.
func (d *daemon) until(ctx context.Context, missing string, holds func([]remoteView) bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		relays, err := d.relays(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && holds(relays) {
			return nil
		}
		select {
		case <-tick.C:
		case <-d.exited:
			return fmt.Errorf("the daemon ended: %w\n%s", d.err, &d.log)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w\n%s", missing, ctx.Err(), describe(relays))
		}
	}
}

// describe shows the first relays that are not complete.
func describe(relays []remoteView) string {
	var b strings.Builder
	shown := 0
	for _, r := range relays {
		if r.complete() || shown == 5 {
			continue
		}
		shown++
		fmt.Fprintf(&b, "%s: %s, %d batches pending, %s %s\n", r.URL, r.Phase, r.BatchesPending, r.Doing, r.Failure.Reason)
	}
	return b.String()
}
