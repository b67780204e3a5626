package relay

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Values of the label `reason` of ngit_sync_events_dropped_total that the publisher gives.
const (
	dropKind      = "kind"      // never synced (DESIGN §5)
	dropExpired   = "expired"   // NIP-40
	dropProtected = "protected" // NIP-70
	dropSignature = "signature"
	dropFull      = "queue_full" // a live event, and no room
	dropForeign   = "foreign"    // outside our scope, and only a wide filter asked for it
)

// PublisherMetrics are the publisher's, under the names of DESIGN §10.
type PublisherMetrics struct {
	published *prometheus.CounterVec
	noAnswer  prometheus.Counter
	latency   prometheus.Histogram
	events    [len(modes)]prometheus.Counter
	drops     *prometheus.CounterVec
	up        prometheus.Gauge
	halted    prometheus.Gauge
	parked    prometheus.Gauge
	queue     prometheus.Gauge
	gone      prometheus.Counter

	oldest atomic.Int64 // arrival of the oldest event without an outcome, nanoseconds since 1970; 0: none
}

var modes = [...]Mode{Historic, Live, Negentropy}

// NewPublisherMetrics registers the metrics; a nil registerer gives metrics that nobody sees. ngit_sync_events_dropped_total
// is shared: whoever comes second counts in the first one's.
func NewPublisherMetrics(reg prometheus.Registerer) *PublisherMetrics {
	m := &PublisherMetrics{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ngit_sync_events_published_total",
			Help: "Events sent to the own relay, by its answer.",
		}, []string{"result"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "ngit_sync_event_latency_seconds",
			Help:    "From the arrival of an event to the own relay's OK.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ngit_sync_events_dropped_total",
			Help: "Events that were dropped without a record, by reason.",
		}, []string{"reason"}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ngit_sync_own_relay_up",
			Help: "Whether the publisher's connection to the own relay is open.",
		}),
		halted: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ngit_sync_own_relay_halted",
			Help: "Whether publishing stands still because the own relay takes nothing from us.",
		}),
		parked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ngit_sync_pending_events",
			Help: "Events in the pending table.",
		}),
		queue: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ngit_sync_publish_queue_events",
			Help: "Events that have arrived and have no outcome yet.",
		}),
		gone: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ngit_sync_own_relay_lost_events_total",
			Help: "Events that the own relay had and was found to have no longer.",
		}),
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ngit_sync_events_total",
		Help: "Events newly stored by the own relay, by what brought them.",
	}, []string{"source"})
	for i, mode := range modes {
		m.events[i] = events.WithLabelValues(mode.String())
	}
	for c := classStored; c <= classUnknown; c++ {
		m.published.WithLabelValues(c.String())
	}
	m.noAnswer = m.published.WithLabelValues("no_answer")
	oldest := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ngit_sync_publish_oldest_seconds",
		Help: "Age of the oldest event without an outcome.",
	}, m.oldestSeconds)
	if reg != nil {
		reg.MustRegister(m.published, m.latency, events, m.up, m.halted, m.parked, m.queue, m.gone, oldest)
		m.drops = shared(reg, m.drops)
	}
	for _, reason := range []string{dropKind, dropExpired, dropProtected, dropSignature, dropFull, dropForeign} {
		m.drops.WithLabelValues(reason)
	}
	return m
}

// shared registers a collector, or gives the equal one that is registered already.
func shared[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	err := reg.Register(c)
	var have prometheus.AlreadyRegisteredError
	if errors.As(err, &have) {
		if other, ok := have.ExistingCollector.(C); ok {
			return other
		}
	}
	if err != nil {
		panic(err) // two metrics under one name are a mistake of this package
	}
	return c
}

// answered counts an answer. The latency of an event that had been parked says nothing of the own relay.
func (m *PublisherMetrics) answered(c class, latency time.Duration, direct bool) {
	m.published.WithLabelValues(c.String()).Inc()
	if direct && c.accepted() {
		m.latency.Observe(latency.Seconds())
	}
}

func (m *PublisherMetrics) unanswered() { m.noAnswer.Inc() }

func (m *PublisherMetrics) stored(mode Mode) { m.events[mode].Inc() }

func (m *PublisherMetrics) dropped(reason string) { m.drops.WithLabelValues(reason).Inc() }

func (m *PublisherMetrics) ownUp(up bool) { set(m.up, up) }

func (m *PublisherMetrics) standsStill(halted bool) { set(m.halted, halted) }

func set(g prometheus.Gauge, on bool) {
	if on {
		g.Set(1)
		return
	}
	g.Set(0)
}

// sized sets the gauges of the queue; oldest is zero when it is empty.
func (m *PublisherMetrics) sized(queue, parked int, oldest time.Time) {
	m.queue.Set(float64(queue))
	m.parked.Set(float64(parked))
	if oldest.IsZero() {
		m.oldest.Store(0)
		return
	}
	m.oldest.Store(oldest.UnixNano())
}

func (m *PublisherMetrics) oldestSeconds() float64 {
	at := m.oldest.Load()
	if at == 0 {
		return 0
	}
	return max(0, time.Since(time.Unix(0, at)).Seconds())
}

// lost counts events that the own relay has no longer.
func (m *PublisherMetrics) lost(n int) { m.gone.Add(float64(n)) }
