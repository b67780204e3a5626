package relay

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// fleetRig is a fleet on a network of relays r0, r1, ...
type fleetRig struct {
	fleet   *Fleet
	relays  []*relaytest.Relay
	reports chan Report
	cancel  context.CancelFunc
}

func newFleetRig(t *testing.T, n int, change func(*FleetOptions)) *fleetRig {
	t.Helper()
	var network relaytest.Network
	g := &fleetRig{reports: make(chan Report, 1000)}
	for i := range n {
		r := relaytest.Start(t, relaytest.Options{Events: relaytest.Notes(3, 1, 100)})
		network.Add(fmt.Sprintf("r%d", i), r)
		g.relays = append(g.relays, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g.cancel = cancel
	o := FleetOptions{Conn: ConnOptions{
		Dialer:  NewDialer(DialerOptions{DialContext: network.DialContext}),
		Sink:    &sinkhole{},
		Reports: g.reports,
	}}
	if change != nil {
		change(&o)
	}
	g.fleet = NewFleet(ctx, o)
	t.Cleanup(func() {
		cancel()
		g.fleet.Wait()
	})
	return g
}

func (g *fleetRig) url(i int) relayurl.URL { return relayurl.URL(fmt.Sprintf("ws://r%d", i)) }

// next takes a report of the kind wanted, and fails on another.
func next[R Report](t *testing.T, g *fleetRig) R {
	t.Helper()
	r, ok := (<-g.reports).(R)
	require.True(t, ok, "%T", r)
	return r
}

func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFleetRig(t, 2, nil)
		g.fleet.Dial(1, g.url(0), Stranger, Learned{})
		require.Equal(t, ConnID(1), next[Up](t, g).ID)
		g.fleet.Dial(2, g.url(1), Stranger, Learned{})
		require.Equal(t, ConnID(2), next[Up](t, g).ID)
		g.fleet.Dial(3, g.url(9), Stranger, Learned{})
		down := next[Down](t, g)
		require.Equal(t, ConnID(3), down.ID)
		require.Equal(t, health.CauseDNS, down.Failure.Cause)

		g.fleet.Send(1, liveOf("l0", kinds(1)))
		g.fleet.Send(99, liveOf("l0", kinds(1)))
		g.fleet.Hangup(99)
		synctest.Wait()
		require.Equal(t, []string{"l0"}, g.relays[0].OpenSubs())
		require.Empty(t, g.relays[1].OpenSubs())

		g.fleet.Hangup(1)
		down = next[Down](t, g)
		require.Equal(t, ConnID(1), down.ID)
		require.Equal(t, health.CauseLocal, down.Failure.Cause)
		synctest.Wait()
		g.fleet.Send(1, liveOf("l0", kinds(1))) // it has ended: nothing happens

		g.cancel()
		require.Equal(t, ConnID(2), next[Down](t, g).ID)
		g.fleet.Wait()
		g.fleet.Dial(4, g.url(0), Stranger, Learned{})
		require.Equal(t, health.CauseLocal, next[Down](t, g).Failure.Cause)
		require.Zero(t, g.relays[0].OpenConnections())
	})
}

func TestFleetEndsAConnectionThatTakesNoCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := &stuckSink{release: make(chan struct{})}
		g := newFleetRig(t, 1, func(o *FleetOptions) { o.Commands, o.Conn.Sink = 4, stuck })
		g.fleet.Dial(1, g.url(0), Stranger, Learned{})
		next[Up](t, g)
		g.fleet.Send(1, AskBatch{Batch{ID: 1}}) // its mark gets stuck
		synctest.Wait()
		for i := range 5 {
			g.fleet.Send(1, AskBatch{Batch{ID: BatchID(i + 2)}})
		}
		close(stuck.release)
		require.Equal(t, health.CauseTimeout, next[Down](t, g).Failure.Cause)
	})
}

// stuckSink does not come back from its first mark until it is released.
type stuckSink struct {
	sinkhole
	release chan struct{}
}

func (s *stuckSink) Mark(m Mark) {
	<-s.release
	s.sinkhole.Mark(m)
}

func TestStartAndStopStress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFleetRig(t, 4, nil)
		id := ConnID(0)
		for round := range 25 {
			for i := range g.relays {
				id++
				g.fleet.Dial(id, g.url(i), Stranger, Learned{})
				g.fleet.Send(id, liveOf("l0", kinds(1)))
				g.fleet.Send(id, AskBatch{Batch{ID: BatchID(id), Filters: historicKinds(1)}})
			}
			switch round % 4 {
			case 0:
				synctest.Wait()
			case 1:
				time.Sleep(time.Second)
			case 2:
				g.relays[round%4].Drop()
			}
			for i := range g.relays {
				g.fleet.Hangup(id - ConnID(i))
			}
		}
		go func() {
			for range g.reports {
			}
		}()
		g.cancel()
		g.fleet.Wait()
		close(g.reports)
	})
}

func TestMetricsOfAForgottenRelayGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		m := NewMetrics(reg)
		g := newFleetRig(t, 1, func(o *FleetOptions) { o.Conn.Metrics = m })
		series := func() int { return testutil.CollectAndCount(m.attempts) + testutil.CollectAndCount(m.events) }

		g.relays[0].Down(true)
		g.fleet.Dial(1, g.url(0), Stranger, Learned{})
		next[Down](t, g)
		m.offence(g.url(0), OffenceForged)
		require.Zero(t, series(), "a relay that was never reached has no series")
		require.Zero(t, testutil.CollectAndCount(m.offences))

		g.relays[0].Down(false)
		g.fleet.Dial(2, g.url(0), Stranger, Learned{})
		next[Up](t, g)
		g.fleet.Send(2, AskBatch{Batch{ID: 1, Filters: historicKinds(1)}})
		synctest.Wait()
		require.GreaterOrEqual(t, testutil.ToFloat64(m.events.WithLabelValues("ws://r0", "historic")), 3.0, "as they arrive")
		require.InDelta(t, 1, testutil.ToFloat64(m.attempts.WithLabelValues("ws://r0", "success")), 0)
		require.Positive(t, testutil.ToFloat64(m.pages))
		m.offence(g.url(0), OffenceForged)
		require.Equal(t, 1, testutil.CollectAndCount(m.offences))

		m.Forget(g.url(0))
		require.Zero(t, series())
		require.Zero(t, testutil.CollectAndCount(m.offences)+testutil.CollectAndCount(m.last))
		families, err := reg.Gather()
		require.NoError(t, err)
		require.NotEmpty(t, families)
	})
}
