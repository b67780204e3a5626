package relay

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// countingSink grants everything and counts.
type countingSink struct {
	events int
	final  chan Mark
}

func (s *countingSink) Reserve(_ ConnID, _ int, grant chan<- struct{}) { grant <- struct{}{} }
func (s *countingSink) Room(_ ConnID, room chan<- struct{})            { room <- struct{}{} }
func (s *countingSink) Release(ConnID, int)                            {}
func (s *countingSink) Deliver(Delivery)                               { s.events++ }
func (s *countingSink) Await(_ ConnID, _ BatchID, ids []event.ID, lack chan<- []event.ID) {
	lack <- ids
}
func (s *countingSink) Gone(ConnID) {}
func (s *countingSink) Mark(m Mark) {
	if m.Final {
		s.final <- m
	}
}

// BenchmarkHistory downloads 5,000 events over TCP from a relay in this process.
func BenchmarkHistory(b *testing.B) {
	const n = 5000
	r := relaytest.New(relaytest.Options{Events: relaytest.Notes(n, 1, 100_000, nostr.Tag{"t", strings.Repeat("x", 600)})})
	defer r.Close()
	srv := httptest.NewServer(r)
	defer srv.Close()
	sink := &countingSink{final: make(chan Mark, 1)}
	reports, commands := make(chan Report, 100), make(chan Command, 10)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = NewConn(ConnOptions{
			ID: 1, URL: relayurl.URL(strings.Replace(srv.URL, "http", "ws", 1)), Trust: Operator, REQsPerMinute: 1 << 20,
			Dialer: NewDialer(DialerOptions{}), Sink: sink, Reports: reports, Commands: commands,
		}).Run(ctx)
	}()
	require.IsType(b, Up{}, <-reports)
	b.ResetTimer()
	for i := range b.N {
		commands <- AskBatch{Batch{ID: BatchID(i + 1), Filters: []nostr.Filter{kinds(1)}}}
		m := <-sink.final
		require.Empty(b, m.Err)
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
	cancel()
	<-ended
	require.GreaterOrEqual(b, sink.events, n*b.N)
}
