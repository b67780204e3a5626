package relay

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// largeNotes are events of 100 kB each.
func largeNotes(n int) []nostr.Event {
	return relaytest.Notes(n, 1, 100_000, nostr.Tag{"t", strings.Repeat("x", 100_000)})
}

// wordy are events with so many bytes of content, so many seconds apart.
func wordy(n, size, apart int) []nostr.Event {
	out := make([]nostr.Event, n)
	for i := range out {
		out[i] = relaytest.Event(1, 1, int64(100_000+i*apart), strconv.Itoa(i)+strings.Repeat("x", size))
	}
	return out
}

func TestAPageOfLargeEventsWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavy := make(chan chan<- struct{}, 1)
		g := newRig(t, relaytest.Options{Events: largeNotes(100)}, func(o *ConnOptions) { o.Sink.(*sinkhole).heavy = heavy })
		g.tell(liveOf("l0", kinds(7)))
		g.ask(1, kinds(1))
		for n := 20; n < 100; n += 20 { // as many as fit into pageBytes
			require.InDelta(t, n, len(g.sink.ids(1)), 5)
			time.Sleep(roomWait - time.Second)
			synctest.Wait()
			require.InDelta(t, n, len(g.sink.ids(1)), 5, "nothing more is read, and nothing is late")
			(<-heavy) <- struct{}{}
			synctest.Wait()
		}
		require.Empty(t, g.wait(1).Err)
		require.Len(t, g.sink.ids(1), 100)
	})
}

// TestAPageWithoutRoomIsEnded: live events are behind it.
func TestAPageWithoutRoomIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavy := make(chan chan<- struct{}, 1)
		g := newRig(t, relaytest.Options{Events: largeNotes(100)}, func(o *ConnOptions) { o.Sink.(*sinkhole).heavy = heavy })
		g.tell(liveOf("l0", kinds(7)))
		g.ask(1, kinds(1))
		g.relay.Publish(relaytest.Event(1, 7, 1000, "live"))
		time.Sleep(roomWait - time.Second)
		synctest.Wait()
		require.Empty(t, g.sink.ids(0))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 1)
		require.Empty(t, reported[Down](g))
		for g.sink.final(1) == nil {
			select {
			case room := <-heavy:
				room <- struct{}{}
			default:
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		require.Empty(t, g.sink.final(1).Err)
		require.Len(t, g.sink.ids(1), 100)
	})
}

func TestAPageOfSmallEventsAsksForNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(500, 1, 100_000, nostr.Tag{"t", strings.Repeat("x", 600)})}, nil)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		require.Len(t, g.sink.ids(1), 500)
		require.Zero(t, g.sink.rooms)
	})
}

func TestARelayThatIsToBeHungUpNeedsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Events: largeNotes(100)}, func(o *ConnOptions) { o.Sink.(*sinkhole).heavy = make(chan chan<- struct{}, 1) })
		g.ask(1, kinds(1))
		g.hangup()
		require.NotEmpty(t, g.wait(1).Err)
		require.Error(t, <-g.ended)
	})
}

func TestRoomIsGivenWhenTheQueueIsLight(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueBytes = 1000 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	first, second := make(chan struct{}, 1), make(chan struct{}, 1)
	ask := func(conn ConnID, to chan struct{}) {
		b.c.askRoom(b.now, room{conn, to})
		b.settle()
	}
	ask(1, first)
	require.Len(t, first, 1, "at once")
	<-first
	big := ev(strings.Repeat("x", 1000), 1, 2, benchStart, toRepo(1, "x"))
	b.historic(big)
	ask(1, first)
	ask(2, second)
	b.c.gone(b.now, 2)
	b.settle()
	require.Empty(t, first)
	b.ok(big)
	require.Len(t, first, 1)
	require.Empty(t, second, "it is gone")
}

// TestRoomIsMadeWhileTheOwnRelayIsAway: who asks for room presses as much as who asks for credit.
func TestRoomIsMadeWhileTheOwnRelayIsAway(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueBytes = 10_000; o.Window = 1 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.down()
	for _, name := range names(20, "e") {
		b.historic(ev(name+strings.Repeat("x", 1000), 1, 2, benchStart, toRepo(1, "x")))
	}
	granted := make(chan struct{}, 1)
	b.c.askRoom(b.now, room{1, granted})
	b.settle()
	b.wait(spillPatience)
	require.Len(t, granted, 1)
	require.Less(t, b.c.bytes, int64(10_000))
}

// slowly answers those that ask for room once in so long until a batch has ended.
func (g *rig) slowly(id BatchID, heavy <-chan chan<- struct{}, every time.Duration) Mark {
	for g.sink.final(id) == nil {
		time.Sleep(every)
		select {
		case room := <-heavy:
			room <- struct{}{}
		default:
		}
		synctest.Wait()
	}
	return *g.sink.final(id)
}

// TestIdsWithoutRoomAreAskedForAgain: that we have no room does not show that the relay does not give what it lists.
func TestIdsWithoutRoomAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavy := make(chan chan<- struct{}, 1)
		m := NewMetrics(nil)
		events := largeNotes(200)
		g := newRig(t, speaking(events), func(o *ConnOptions) {
			o.Sink.(*sinkhole).heavy = heavy
			o.Negentropy, o.Known, o.Metrics = true, ledgerOf(events[0]), m
		})
		g.ask(1, kinds(1))
		end := g.slowly(1, heavy, 2*roomWait)
		require.Empty(t, end.Err)
		require.True(t, end.Filters[0].Done)
		sameIDs(t, wireIDs(events[1:]), g.sink.ids(1))
		require.Zero(t, testutil.ToFloat64(m.fallback.WithLabelValues(fallbackUnserved)), "nothing is paged for it")
	})
}

// TestAPageBesideAnotherWithoutRoomIsAskedAgain: it has brought nothing yet.
func TestAPageBesideAnotherWithoutRoomIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavy := make(chan chan<- struct{}, 1)
		events := append(largeNotes(100), relaytest.Event(1, 7, 1000, "beside it"))
		g := newRig(t, relaytest.Options{Events: events}, func(o *ConnOptions) { o.Sink.(*sinkhole).heavy = heavy })
		g.ask(1, kinds(1))
		g.ask(2, kinds(7))
		require.Empty(t, g.slowly(2, heavy, 2*roomWait).Err)
		require.Empty(t, g.slowly(1, heavy, 2*roomWait).Err)
		require.Len(t, g.sink.ids(1), 100)
		require.Len(t, g.sink.ids(2), 1)
	})
}

func TestASecondOfLargeEventsIsReadInStepsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavy := make(chan chan<- struct{}, 1)
		g := newRig(t, relaytest.Options{Events: wordy(100, 200_000, 0)}, func(o *ConnOptions) { o.Sink.(*sinkhole).heavy = heavy })
		g.ask(1, kinds(1))
		end := g.slowly(1, heavy, 2*roomWait)
		require.Empty(t, end.Err)
		require.True(t, end.Filters[0].Done)
		require.Len(t, g.sink.ids(1), 100)
	})
}

// TestWhatComesOfAPageWithoutRoomIsNoOffence: the relay had put it on the wire before it was told.
func TestWhatComesOfAPageWithoutRoomIsNoOffence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := wordy(200, 500_000, 1)
		g := newRig(t, relaytest.Options{Events: events}, func(o *ConnOptions) { o.Sink.(*sinkhole).heavy = make(chan chan<- struct{}, 1) })
		g.ask(1, kinds(1))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Empty(t, reported[Offended](g))
	})
}

// TestTheWaitForRoomBeginsWhenItIsFull: frames have stood behind the wait before.
func TestTheWaitForRoomBeginsWhenItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavy := make(chan chan<- struct{}, 1)
		events := wordy(100, 250_000, 1)
		g := newRig(t, relaytest.Options{Events: events}, func(o *ConnOptions) { o.Sink.(*sinkhole).heavy = heavy })
		g.ask(1, kinds(1))
		g.slowly(1, heavy, roomWait-time.Second)
		require.Equal(t, 101, g.relay.Sent(), "no page was ended: all, and the oldest once more")
	})
}
