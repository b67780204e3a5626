package relay

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestCreditIsGrantedInOrderAndFreedByOutcomes(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents = 10 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	first, second, third, fourth := b.reserve(1, 6), b.reserve(2, 6), b.reserve(3, 4), b.reserve(4, 1)
	require.Len(t, first, 1)
	require.Empty(t, second)
	require.Empty(t, third, "nobody is overtaken, or large requests would starve")
	require.Empty(t, fourth)

	i, j := issue("i", 2, 1, "x"), issue("j", 2, 1, "x")
	b.from(1, 1, i, j)
	b.c.release(b.now, 1, 4)
	b.settle()
	require.Len(t, second, 1)
	require.Empty(t, third)
	b.ok(i, j)
	require.Len(t, third, 1)
	require.Empty(t, fourth)

	b.c.release(b.now, 2, 100)
	b.settle()
	require.Len(t, fourth, 1)
	b.c.gone(b.now, 3)
	b.c.gone(b.now, 4)
	b.nothingOpen()
	require.Zero(t, b.c.credit.used)
}

func TestCreditOfAConnectionThatIsGoneIsReturned(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents = 10 })
	granted := make(chan struct{}, 1)
	for conn := ConnID(1); conn <= 3; conn++ {
		b.c.reserve(b.now, request{conn, 8, granted})
	}
	b.settle()
	require.Equal(t, 1, b.grants)
	b.c.gone(b.now, 2)
	b.c.gone(b.now, 1)
	<-granted
	b.settle()
	require.Equal(t, 2, b.grants, "the request of connection 2 is forgotten")
	require.Equal(t, map[ConnID]int{3: 8}, b.c.credit.reserved)
}

// What a connection has fetched and not settled is fetched again after a crash, and its credit is the other connections', too.
func TestAConnectionThatHasItsShareWaits(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents, o.ConnEvents = 100, 4 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	require.Len(t, b.reserve(1, 5), 1)
	require.Len(t, b.reserve(1, 3), 1, "below its share it gets a whole page")
	waits := b.reserve(1, 1)
	require.Empty(t, waits, "reserved: half of it")
	require.Len(t, b.reserve(2, 50), 1, "others do not wait for it")

	var events []*event.Event
	for i := range 6 {
		events = append(events, issue(fmt.Sprint(i), 2, 1, "x"))
	}
	b.from(1, 1, events...)
	require.Empty(t, waits, "taken up")
	b.ok(events[:3]...)
	require.Empty(t, waits)
	b.ok(events[3])
	require.Len(t, waits, 1, "below its share again")
	b.ok(events[4:]...)
	require.Equal(t, map[ConnID]int{1: 3, 2: 50}, b.c.credit.reserved)
	require.Empty(t, b.c.credit.taken)
}

// A relay that brings nothing, or a little at a time, keeps its places for creditAge. Then it comes behind others.
func TestCreditThatBringsNothingLapses(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents = 10 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	require.Len(t, b.reserve(1, 8), 1)
	i := issue("i", 2, 1, "x")
	b.from(1, 1, i)
	again, other, third := b.reserve(1, 5), b.reserve(2, 9), b.reserve(3, 1)
	b.wait(creditAge - time.Millisecond)
	require.Empty(t, other)
	b.wait(time.Millisecond)
	require.Len(t, other, 1)
	require.Empty(t, third, "an event without an outcome keeps its place")
	b.ok(i)
	require.Len(t, third, 1)
	require.Empty(t, again)
	b.c.release(b.now, 2, 9)
	b.settle()
	require.Len(t, again, 1, "when nobody else waits")
	b.c.gone(b.now, 1)
	require.Equal(t, 1, b.c.credit.used)
	require.Empty(t, b.c.credit.lapsed)
}

func TestAQuickPageDoesNotMakeASlowOneLookYoung(t *testing.T) {
	c := newCredit(100, 80)
	for n, size := range []int{50, 3} {
		now := benchStart.Add(time.Duration(n) * creditAge / 2)
		c.reserve(request{conn: 1, n: size})
		_, ok := c.grant(now)
		require.True(t, ok)
	}
	c.spend(1)
	c.release(1, 2)
	c.lapse(benchStart.Add(creditAge))
	require.Equal(t, map[ConnID]int{1: 50}, c.lapsed)
	require.Equal(t, 1, c.used)
}

func TestRoomIsGivenWhenTheQueueHasPlaces(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents = 4 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	given := make(chan struct{}, 1)
	b.c.reserve(b.now, request{1, 4, given})
	b.settle()
	<-given
	b.wait(creditAge)
	all := issues("late", 5)
	b.from(1, 1, all...)
	b.c.askRoom(b.now, room{1, given})
	b.settle()
	require.Empty(t, given)
	b.ok(all[0])
	require.Empty(t, given)
	b.ok(all[1])
	require.Len(t, given, 1)
	b.ok(all[2:]...)
	b.nothingOpen()
}

// Who asks for places presses as much as who asks for credit.
func TestPlacesAreMadeWhileTheOwnRelayIsAway(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents, o.Window = 4, 1 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.down()
	b.from(1, 1, issues("late", 5)...)
	given := make(chan struct{}, 1)
	b.c.askRoom(b.now, room{1, given})
	b.settle()
	require.Empty(t, given)
	b.wait(2 * spillPatience)
	require.Len(t, given, 1)
}

func TestNothingIsGrantedWhileTheQueueIsHeavy(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueBytes = 1000 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	big := ev(string(make([]byte, 1000)), 1, 2, benchStart, toRepo(1, "x"))
	b.historic(big)
	granted := b.reserve(1, 1)
	require.Empty(t, granted)
	b.ok(big)
	require.Len(t, granted, 1)
}

func TestNoMoreIsGrantedThanTheQueueHasPlaces(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents, o.ConnEvents = 100, 60 })
	first, second := make(chan struct{}, 1), make(chan struct{}, 1)
	b.c.reserve(b.now, request{1, 60, first})
	b.c.reserve(b.now, request{2, 60, second})
	b.settle()
	require.Len(t, first, 1)
	require.Empty(t, second)
}

// Whatever connections do, the places used are those reserved and those taken up.
func TestCreditAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCredit(100, 80)
		var taken []ConnID
		now := benchStart
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				c.reserve(request{conn: ConnID(rapid.IntRange(1, 4).Draw(t, "conn")), n: rapid.IntRange(0, 150).Draw(t, "n")})
			},
			"grant": func(*rapid.T) { c.grant(now) },
			"lapse": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
				c.lapse(now)
			},
			"release": func(t *rapid.T) {
				c.release(ConnID(rapid.IntRange(1, 4).Draw(t, "conn")), rapid.IntRange(-1, 150).Draw(t, "n"))
			},
			"spend": func(t *rapid.T) {
				conn := ConnID(rapid.IntRange(1, 4).Draw(t, "conn"))
				c.spend(conn)
				taken = append(taken, conn)
			},
			"free": func(t *rapid.T) {
				n := rapid.IntRange(0, len(taken)).Draw(t, "n")
				c.free(taken[:n]...)
				taken = taken[n:]
			},
			"gone": func(t *rapid.T) {
				conn := ConnID(rapid.IntRange(1, 4).Draw(t, "conn"))
				c.gone(conn)
				for _, r := range c.asked {
					if r.conn == conn {
						t.Fatalf("a request of a connection that is gone")
					}
				}
			},
			"": func(t *rapid.T) {
				young, old := 0, maps.Clone(c.reserved)
				for conn, lent := range c.lent {
					for _, l := range lent {
						if l.n <= 0 || l.at.Before(now.Add(-creditAge)) {
							t.Fatalf("connection %d holds %d since %s", conn, l.n, l.at)
						}
						young += l.n
						less(old, conn, l.n)
					}
				}
				if !maps.Equal(old, c.lapsed) {
					t.Fatalf("lapsed are %v, want %v", c.lapsed, old)
				}
				if c.used != young+len(taken) || c.took != len(taken) {
					t.Fatalf("%d used, %d reserved and %d taken up", c.used, young, len(taken))
				}
				per := map[ConnID]int{}
				for _, conn := range taken {
					per[conn]++
				}
				if !maps.Equal(per, c.taken) {
					t.Fatalf("taken up by %v, want %v", c.taken, per)
				}
			},
		})
	})
}
