package store

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ngit-sync/ngit-sync/relay"
)

// Metrics are what the store exports. docs/reference/metrics.md names them.
type Metrics struct {
	up      prometheus.Gauge
	ledger  *prometheus.GaugeVec
	pending prometheus.Gauge
	rows    prometheus.Histogram
	seconds prometheus.Histogram
	dropped prometheus.Counter
	refused prometheus.Counter
}

// NewMetrics makes the metrics and registers them; a nil registerer discards them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ngit_sync_store_up", Help: "1 when the last write or check of the database succeeded.",
		}),
		ledger: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ngit_sync_ledger_events", Help: "Events in the ledger, by what became of them.",
		}, []string{"disposition"}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ngit_sync_store_pending_rows", Help: "Rows of the pending table, as written.",
		}),
		rows: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ngit_sync_store_group_rows", Help: "Rows written in one transaction.",
			Buckets: []float64{1, 5, 20, 50, 100, 200, 500},
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ngit_sync_store_group_seconds", Help: "Time of one write transaction.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ngit_sync_store_dropped_rows_total", Help: "Rows that were never written: the queue was full, or the database refused them.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ngit_sync_store_refused_confirms_total", Help: "Confirms not written because rows that they rest on were dropped.",
		}),
	}
	for d := relay.Stored; d <= relay.Parked; d++ {
		m.ledger.WithLabelValues(d.String())
	}
	if reg != nil {
		reg.MustRegister(m.up, m.ledger, m.pending, m.rows, m.seconds, m.dropped, m.refused)
	}
	return m
}

func (m *Metrics) set(c counts) {
	for d := relay.Stored; d <= relay.Parked; d++ {
		m.ledger.WithLabelValues(d.String()).Set(float64(c.disposition[d]))
	}
	m.pending.Set(float64(c.pending))
}

func (m *Metrics) wrote(p *plan, rows int, took time.Duration) {
	for d, n := range p.delta {
		if d <= relay.Parked { // others were written by a later version
			m.ledger.WithLabelValues(d.String()).Add(float64(n))
		}
	}
	m.pending.Add(float64(p.pending))
	m.rows.Observe(float64(rows))
	m.seconds.Observe(took.Seconds())
	m.refused.Add(float64(p.refused))
}
