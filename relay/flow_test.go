package relay

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestALiveFloodIsReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(10, 7, 100)
		g := newRig(t, relaytest.Options{Events: notes}, func(o *ConnOptions) { o.LivePerSecond = 10 })
		g.tell(liveOf("l0", kinds(1)))
		for i := range 1100 {
			g.relay.Publish(relaytest.Event(1, 1, int64(1000+i), "x"))
		}
		g.ask(1, kinds(7))
		require.InDelta(t, 10, len(g.sink.ids(0)), 2, "at once")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.InDelta(t, 210, len(g.sink.ids(0)), 5)
		require.Nil(t, g.sink.final(1), "the page is behind the flood, and not late")
		time.Sleep(90 * time.Second)
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 1100)
		require.Empty(t, g.wait(1).Err)
		require.Len(t, g.sink.ids(1), 10)
		require.Empty(t, reported[Down](g))
	})
}

// A burst is spread out, however long there was nothing before: it would take every core for a while.
func TestABurstOfLiveEventsIsSpreadOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.tell(liveOf("l0", kinds(1)))
		time.Sleep(time.Minute)
		for i := range 400 {
			g.relay.Publish(relaytest.Event(1, 1, int64(1000+i), "x"))
		}
		synctest.Wait()
		taken := len(g.sink.ids(0))
		require.InDelta(t, liveBurst, taken, 2, "at once")
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			now := len(g.sink.ids(0))
			require.InDelta(t, 2, now-taken, 2, "evenly")
			taken = now
		}
		require.InDelta(t, 210, taken, 5)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 400)
	})
}

// TestFramesThatAreNoEventsAreReadSlowlyToo: what nobody asked for, and what is no event, costs its reading.
func TestFramesThatAreNoEventsAreReadSlowlyToo(t *testing.T) {
	for name, frame := range map[string]string{
		"notices": `["NOTICE","x"]`, "unknown labels": `["X","y"]`, "answers": `["OK","x",true,""]`, "ends": `["EOSE","x"]`,
		"events of no subscription": `["EVENT","x",{}]`, "messages of no session": `["NEG-MSG","x","61"]`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, relaytest.Options{}, func(o *ConnOptions) { o.FramesPerSecond = 10 })
				g.tell(liveOf("l0", kinds(1)))
				for range 100 {
					g.relay.Broadcast(frame)
				}
				g.relay.Publish(relaytest.Event(1, 1, 1000, "last"))
				time.Sleep(8 * time.Second)
				synctest.Wait()
				require.Empty(t, g.sink.ids(0))
				time.Sleep(3 * time.Second)
				synctest.Wait()
				require.Len(t, g.sink.ids(0), 1)
			})
		})
	}
}

// TestLargeFramesCountAsMany: bytes cost too.
func TestLargeFramesCountAsMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, func(o *ConnOptions) { o.FramesPerSecond = 10 })
		g.tell(liveOf("l0", kinds(1)))
		for range 4 {
			g.relay.Broadcast(`["NOTICE","` + strings.Repeat("x", 100*4096) + `"]`)
		}
		g.relay.Publish(relaytest.Event(1, 1, 1000, "last"))
		time.Sleep(35 * time.Second)
		synctest.Wait()
		require.Empty(t, g.sink.ids(0))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 1)
	})
}

func TestTheOperatorsRelayMayBeFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, func(o *ConnOptions) { o.LivePerSecond, o.FramesPerSecond, o.Trust = 1, 1, Operator })
		g.tell(liveOf("l0", kinds(1)))
		for i := range 100 {
			g.relay.Publish(relaytest.Event(1, 1, int64(1000+i), "x"))
		}
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 100)
	})
}

// What was on its way when its subscription was closed is no offence, however long it takes us to read what is in front of it.
func TestWhatAFloodDelaysIsNoOffence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, func(o *ConnOptions) { o.LivePerSecond = 10 })
		g.tell(liveOf("l0", kinds(1)), liveOf("l1", kinds(2)))
		for i := range 600 {
			g.relay.Publish(relaytest.Event(1, 1, int64(1000+i), "x"))
		}
		last := relaytest.Event(1, 2, 5000, "last")
		g.relay.Publish(last)
		g.tell(SetLive{Close: []string{"l1"}})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.True(t, slices.Contains(g.sink.ids(0), last.ID), "it is read")
		require.Empty(t, reported[Offended](g))
	})
}

// An empty page that is to be heard out is not believed because a flood keeps us from hearing it out: it has failed.
func TestAFloodDoesNotEndAnEmptyPageWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, func(o *ConnOptions) { o.LivePerSecond = 10 })
		g.tell(liveOf("l0", kinds(1)))
		g.relay.Set(func(o *relaytest.Options) { o.NoEOSE = true })
		for i := range 15 {
			g.relay.Publish(relaytest.Event(1, 1, int64(1000+i), "x"))
		}
		g.ask(1, kinds(7))
		asked := g.relay.Requests()
		sub := asked[len(asked)-1].Sub
		g.relay.Broadcast(`["EOSE","` + sub + `"]`)
		for i := range 9000 {
			g.relay.Publish(relaytest.Event(1, 1, int64(2000+i), "x"))
		}
		e, err := relaytest.Event(1, 7, 1000, "stored").MarshalJSON()
		require.NoError(t, err)
		g.relay.Broadcast(`["EVENT","` + sub + `",` + string(e) + `]`)
		m := g.wait(1)
		require.False(t, m.Filters[0].Done && !m.Filters[0].Failed, "what it was to show may be on its way")
	})
}
