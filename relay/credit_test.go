package relay

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestCreditIsGrantedInOrderAndFreedByOutcomes(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueEvents = 10 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	ask := func(conn ConnID, n int) chan struct{} {
		granted := make(chan struct{}, 1)
		b.c.reserve(b.now, request{conn, n, granted})
		b.settle()
		return granted
	}
	first, second, third, fourth := ask(1, 6), ask(2, 6), ask(3, 4), ask(4, 1)
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

func TestNothingIsGrantedWhileTheQueueIsHeavy(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.QueueBytes = 1000 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	big := ev(string(make([]byte, 1000)), 1, 2, benchStart, toRepo(1, "x"))
	b.historic(big)
	granted := make(chan struct{}, 1)
	b.c.reserve(b.now, request{1, 1, granted})
	b.settle()
	require.Empty(t, granted)
	b.ok(big)
	require.Len(t, granted, 1)
}

// Whatever connections do, the places used are those reserved and those taken up.
func TestCreditAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCredit(100)
		taken := 0
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				c.reserve(request{conn: ConnID(rapid.IntRange(1, 4).Draw(t, "conn")), n: rapid.IntRange(0, 150).Draw(t, "n")})
			},
			"grant": func(*rapid.T) { c.grant() },
			"release": func(t *rapid.T) {
				c.release(ConnID(rapid.IntRange(1, 4).Draw(t, "conn")), rapid.IntRange(-1, 150).Draw(t, "n"))
			},
			"spend": func(t *rapid.T) { c.spend(ConnID(rapid.IntRange(1, 4).Draw(t, "conn"))); taken++ },
			"free": func(t *rapid.T) {
				n := rapid.IntRange(0, taken).Draw(t, "n")
				c.free(n)
				taken -= n
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
				reserved := 0
				for conn, n := range c.reserved {
					if n <= 0 {
						t.Fatalf("connection %d holds %d", conn, n)
					}
					reserved += n
				}
				if c.used != reserved+taken {
					t.Fatalf("%d used, %d reserved and %d taken up", c.used, reserved, taken)
				}
			},
		})
	})
}
