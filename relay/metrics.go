package relay

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Values of the label `reason` of ngit_sync_events_dropped_total that connections give, beside those of event.ParseError,
// of the publisher and OffenceOffFilter.
const (
	dropLate    = "late"    // behind the end of its subscription
	dropUnasked = "unasked" // for a subscription that never was
)

// Metrics are those of connections (DESIGN §10). A relay has series only after its first successful connect: names come from
// strangers.
type Metrics struct {
	attempts *prometheus.CounterVec
	events   *prometheus.CounterVec
	offences *prometheus.CounterVec
	drops    *prometheus.CounterVec
	last     *prometheus.GaugeVec
	pages    prometheus.Counter
	rounds   prometheus.Counter
	fallback *prometheus.CounterVec

	mu    sync.Mutex                     // connections come and go in goroutines of their own
	known map[relayurl.URL]*atomic.Int64 // events received
}

// NewMetrics registers the metrics; a nil registerer gives metrics that nobody sees.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		attempts: counter("ngit_sync_connection_attempts_total", "Dials, by result: success, failure.", "relay", "result"),
		events:   counter("ngit_sync_events_received_total", "Events that arrived, by what asked for them.", "relay", "mode"),
		offences: counter("ngit_sync_relay_offences_total", "What no honest relay does, by kind.", "relay", "kind"),
		drops:    counter("ngit_sync_events_dropped_total", "Events that were dropped without a record, by reason.", "reason"),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ngit_sync_relay_last_event_timestamp_seconds", Help: "Arrival of the last event.",
		}, []string{"relay"}),
		pages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ngit_sync_pages_total", Help: "Historic REQs sent.",
		}),
		rounds: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ngit_sync_negentropy_rounds_total", Help: "Messages of reconciliations (NIP-77) sent.",
		}),
		fallback: counter("ngit_sync_negentropy_fallback_total", "Times that filters were paged in place of being reconciled, by reason.", "reason"),
		known:    map[relayurl.URL]*atomic.Int64{},
	}
	if reg != nil {
		reg.MustRegister(m.attempts, m.events, m.offences, m.last, m.pages, m.rounds, m.fallback)
		m.drops = shared(reg, m.drops)
	}
	return m
}

// Forget deletes the series of a relay.
func (m *Metrics) Forget(u relayurl.URL) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, u)
	labels := prometheus.Labels{"relay": string(u)}
	m.attempts.DeletePartialMatch(labels)
	m.events.DeletePartialMatch(labels)
	m.offences.DeletePartialMatch(labels)
	m.last.DeletePartialMatch(labels)
}

func (m *Metrics) attempt(u relayurl.URL, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[u] == nil {
		if !ok {
			return
		}
		m.known[u] = new(atomic.Int64)
	}
	result := "failure"
	if ok {
		result = "success"
	}
	m.attempts.WithLabelValues(string(u), result).Inc()
}

func (m *Metrics) offence(u relayurl.URL, kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[u] != nil {
		m.offences.WithLabelValues(string(u), kind).Inc()
	}
}

func (m *Metrics) dropped(reason string) { m.drops.WithLabelValues(reason).Inc() }

func (m *Metrics) page() { m.pages.Inc() }

func (m *Metrics) round() { m.rounds.Inc() }

func (m *Metrics) fellBack(reason string) { m.fallback.WithLabelValues(reason).Inc() }

// Received is how many events have arrived from a relay since the start.
func (m *Metrics) Received(u relayurl.URL) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.known[u]; n != nil {
		return int(n.Load())
	}
	return 0
}

// connMetrics are the series of one connection, looked up once.
type connMetrics struct {
	events [len(modes)]prometheus.Counter
	last   prometheus.Gauge
	count  *atomic.Int64
}

func (m *Metrics) open(u relayurl.URL) connMetrics {
	c := connMetrics{last: m.last.WithLabelValues(string(u)), count: new(atomic.Int64)}
	m.mu.Lock()
	if n := m.known[u]; n != nil {
		c.count = n
	}
	m.mu.Unlock()
	for i, mode := range modes {
		c.events[i] = m.events.WithLabelValues(string(u), mode.String())
	}
	return c
}

func (c connMetrics) received(mode Mode, at time.Time) {
	c.events[mode].Inc()
	c.count.Add(1)
	c.last.Set(float64(at.UnixMilli()) / 1000)
}
