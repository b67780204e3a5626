package sync

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Metrics are the engine's series (DESIGN §10).
type Metrics struct {
	connected, status, failures, filters *prometheus.GaugeVec
	lastFull                             *prometheus.GaugeVec
	tracked, up, dead                    prometheus.Gauge
	repos, roots, batchesPending         prometheus.Gauge
	batches, gaps                        *prometheus.CounterVec
}

// NewMetrics registers the series; with a nil registerer they are kept but not exported.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{}
	perRelay := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "ngit_sync", Name: name, Help: help}, []string{"relay"})
	}
	total := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "ngit_sync", Name: name, Help: help})
	}
	m.connected = perRelay("relay_connected", "Phase: 0 disconnected, 1 connecting, 2 syncing, 3 connected, 4 connected with incomplete history.")
	m.status = perRelay("relay_status", "Health: 1 healthy, 2 disconnected, 3 degraded, 4 dead, 5 rate limited.")
	m.failures = perRelay("relay_failures", "Failures in a row.")
	m.filters = perRelay("relay_filters", "Live filters open.")
	m.lastFull = perRelay("relay_last_full_sync_timestamp_seconds", "End of the last pass over everything, 0 before the first.")
	m.tracked = total("relays_tracked_total", "Remote relays known.")
	m.up = total("relays_connected_total", "Remote relays with an open connection.")
	m.dead = total("relays_dead_total", "Remote relays that have failed for a day.")
	m.repos = total("repos", "Repositories wanted.")
	m.roots = total("root_events", "Root events known.")
	m.batchesPending = total("batches_pending", "Historic batches asked and not yet settled.")
	m.batches = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "ngit_sync", Name: "batches_total", Help: "Historic batches ended, by result: ok, partial, failed.",
	}, []string{"result"})
	m.gaps = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "ngit_sync", Name: "gap_events_total", Help: "New events that a catch-up has found: the live subscriptions had missed them.",
	}, []string{"relay"})
	for _, r := range []string{"ok", "partial", "failed"} {
		m.batches.WithLabelValues(r)
	}
	if reg != nil {
		reg.MustRegister(m.connected, m.status, m.failures, m.filters, m.lastFull, m.tracked, m.up, m.dead,
			m.repos, m.roots, m.batchesPending, m.batches, m.gaps)
	}
	return m
}

// gap counts what a pass has found. A relay has the series from its first gap on.
func (m *Metrics) gap(u relayurl.URL, events int) {
	if events > 0 {
		m.gaps.WithLabelValues(string(u)).Add(float64(events))
	}
}

func (m *Metrics) batch(result string) { m.batches.WithLabelValues(result).Inc() }

// phase shows a change at once; the rest follows with the next snapshot.
func (m *Metrics) phase(r *remote) {
	if r.phase == Removed || !(r.everUp || r.pinned() || r.phase.Open()) {
		return
	}
	m.connected.WithLabelValues(string(r.url)).Set(float64(r.phase))
}

// relay shows one relay's series; they exist only after a first successful connect or a pin (DESIGN §11).
func (m *Metrics) relay(v *RelayView, exported bool) {
	if !exported {
		return
	}
	u := string(v.URL)
	m.connected.WithLabelValues(u).Set(float64(v.Phase))
	m.status.WithLabelValues(u).Set(float64(v.Health))
	m.failures.WithLabelValues(u).Set(float64(v.Failures))
	m.filters.WithLabelValues(u).Set(float64(v.LiveFilters))
	last := 0.0
	if !v.LastFull.IsZero() {
		last = float64(v.LastFull.Unix())
	}
	m.lastFull.WithLabelValues(u).Set(last)
}

func (m *Metrics) forget(u relayurl.URL) {
	for _, g := range []*prometheus.GaugeVec{m.connected, m.status, m.failures, m.filters, m.lastFull} {
		g.DeleteLabelValues(string(u))
	}
	m.gaps.DeleteLabelValues(string(u))
}

func (m *Metrics) totals(s *Snapshot) {
	m.tracked.Set(float64(len(s.Relays)))
	m.up.Set(float64(s.Connected))
	m.dead.Set(float64(s.Dead))
	m.repos.Set(float64(s.Repos))
	m.roots.Set(float64(s.Roots))
	pending := 0
	for _, v := range s.Relays {
		pending += v.BatchesPending
	}
	m.batchesPending.Set(float64(pending))
}
