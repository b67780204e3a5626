package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ngit-sync/ngit-sync/internal/web"
	"github.com/ngit-sync/ngit-sync/sync"
)

// buildInfoMetric is the constant series ngit_sync_build_info.
func buildInfoMetric() prometheus.Collector {
	b := readBuildInfo()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "ngit_sync", Name: "build_info", Help: "1, with the version as labels.",
		ConstLabels: prometheus.Labels{"version": b.Version, "go": b.Go},
	}, func() float64 { return 1 })
}

// view is the snapshot as the page shows it.
func (d *daemon) view() web.Snapshot {
	r := d.ring.Load()
	s, p := r.snapshot.Load(), r.publisher.Own()
	v := web.Snapshot{
		At: time.Now(), Version: readBuildInfo().Version, Started: d.started, Outage: s.Outage,
		Totals: web.Totals{
			Repos: s.Repos, Roots: s.Roots, RelaysTracked: len(s.Relays), RelaysConnected: s.Connected, RelaysDead: s.Dead,
			EventsPublished: p.Stored, QueueEvents: p.Queue, PendingEvents: p.Pending,
			WaitingEvents: p.ToGive, LeftSeconds: int(p.Left.Seconds()),
			OwnRelayLimits: p.PerSecond > 0 && p.PerSecond != float64(r.cfg.OwnRelay.EventsPerSecond),
			OwnRelayUp:     p.Up && s.OwnUp, StoreUp: d.store.Up(),
		},
	}
	if s.NoPlace > 0 {
		v.Notices = append(v.Notices, web.Notice{Level: web.Warn, Text: fmt.Sprintf(
			"%d discovered relays are not dialled (limits.max_relays, limits.relays_per_owner): the list says why", s.NoPlace)})
	}
	for _, c := range d.conditions() {
		if !c.OK {
			v.Notices = append(v.Notices, web.Notice{Level: web.Warn, Text: c.Why})
		}
	}
	for _, view := range slices.Concat(s.Relays, s.Waiting) {
		rv := relayView(view)
		if r.cfg.Sync.Negentropy == "off" && rv.Mode != "" {
			rv.Why = "sync.negentropy is off"
		}
		rv.EventsReceived = r.received.Received(view.URL)
		v.Relays = append(v.Relays, rv)
	}
	return v
}

func relayView(r *sync.RelayView) web.RelayView {
	v := web.RelayView{
		URL: string(r.URL), Name: nameBeside(r), Origin: r.Origin.String(), Phase: int(r.Phase), PhaseName: r.Phase.String(),
		Health: r.Health.String(), NextDial: r.NextDial,
		EventsStored: r.Stored, FiltersOpen: r.LiveFilters, BatchesPending: r.BatchesPending + r.BatchesFailed,
		Doing: r.Doing, NoPlace: r.NoPlace, Cursor: r.Cursor, LastFullSync: r.LastFull,
		LiveByID: r.ByID, LiveWide: r.Wide, Polled: r.Polled, SetAside: r.Aside, Note: r.Note,
	}
	if r.Polled > 0 {
		v.PollEvery = int64(r.PollEvery.Round(time.Second).Seconds())
	}
	if r.Failures > 0 {
		v.LastFailure = web.Failure{At: r.LastFailureAt, Cause: r.LastCause.String(), Reason: r.LastFailure}
	}
	if r.Phase.Open() {
		v.ConnectedSince, v.Mode, v.Why = r.UpSince, r.Mode, r.ModeWhy
	}
	for _, c := range r.Changes {
		v.Changes = append(v.Changes, web.Change{At: c.At, From: c.From.String(), To: c.To.String(), Why: c.Why})
	}
	return v
}

// nameBeside is what a relay calls itself, when that says more than its URL.
func nameBeside(r *sync.RelayView) string {
	if strings.TrimSuffix(r.Name, "/") == string(r.URL) || r.Name == r.URL.Host() {
		return ""
	}
	return r.Name
}

// conditions of /readyz (DESIGN §10).
func (d *daemon) conditions() []web.Condition {
	r := d.ring.Load()
	s, p := r.snapshot.Load(), r.publisher.Own()
	cond := func(name string, ok bool, why string) web.Condition {
		if ok {
			why = ""
		}
		return web.Condition{Name: name, OK: ok, Why: why}
	}
	write := "the own relay's write socket is not open: " + p.Err
	switch {
	case p.Up && p.Halted != "":
		write = "the own relay takes nothing from us: " + p.Halted
	case p.Up && p.Limited:
		write = "the own relay answered rate-limited: exempt this address from its limits"
	case p.Err == "":
		write = "the own relay's write socket is not open"
	}
	return []web.Condition{
		cond("own_relay_read", s.OwnUp, fmt.Sprintf("the own relay %s cannot be read", r.own)),
		cond("own_relay_write", p.Ready(), write),
		cond("store", d.store.Up(), "the database cannot be written"),
		cond("picture", s.Loaded, "the first picture of the own relay is not complete"),
	}
}
