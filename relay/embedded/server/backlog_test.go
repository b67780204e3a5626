package server

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/heaptest"
)

// gone reads until the relay ends the connection.
func (p *peer) gone() {
	p.t.Helper()
	p.conn.SetReadLimit(-1)
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for {
		if _, _, err := p.conn.Read(ctx); err != nil {
			require.NoError(p.t, ctx.Err(), "it is still connected")
			return
		}
	}
}

// large is a REQ with n values of 100 bytes.
func large(sub string, n int) string {
	return fmt.Sprintf(`["REQ",%q,{"limit":0,"#t":[%s"x"]}]`, sub, strings.Repeat(`"`+strings.Repeat("t", 100)+`",`, n))
}

// Filters of all clients count together: whose are the largest has to go, whoever has brought the last.
func TestWhoHasTheLargestFiltersIsCutOff(t *testing.T) {
	s := start(t, NewMemory(), Limits{TotalBytes: 300_000})
	most, other := dial(t, s), dial(t, s)
	for range 20 { // one takes the place of the other
		most.write("%s", large("a", 1500))
		most.want("EOSE", "a")
	}
	for range 20 {
		other.write("%s", large("b", 900))
		other.want("EOSE", "b")
		other.write(`["CLOSE","b"]`)
	}
	most.sync()
	other.write("%s", large("c", 1200))
	other.want("EOSE", "c")
	most.gone()
	other.sync()
	other.write("%s", large("d", 1000))
	other.want("EOSE", "d")
	other.sync()
	dial(t, s).sync()
}

// Live events and answers that several do not read count together.
func TestAllThatWaitsIsBounded(t *testing.T) {
	s := start(t, NewMemory(), Limits{OutBytes: math.MaxInt64, TotalBytes: 300_000})
	for range 3 {
		deafWithLive(t, s)
	}
	writer := dial(t, s)
	body := strings.Repeat("x", 50_000)
	for i := 0; s.clients.Load() > 1; i++ {
		ok, _ := writer.publish(sign(t, 1, 1, int64(i), body))
		require.True(t, ok)
		require.Less(t, i, 2000, "they are still connected")
	}
	writer.sync()
}

// Stored events that one has asked for and does not read count too.
func TestStoredEventsThatWaitAreBounded(t *testing.T) {
	m := NewMemory()
	for i := range 300 {
		m.Add(sign(t, 1, 1, int64(i), strings.Repeat("x", 50_000)))
	}
	s := start(t, m, Limits{TotalBytes: 300_000})
	p := dial(t, s)
	p.write(`["REQ","all",{"limit":1000}]`)
	p.gone()
	dial(t, s).sync()
}

// Events that the backend has not answered count for who has sent them.
func TestEventsWithoutAnAnswerAreBounded(t *testing.T) {
	b := &stalled{Memory: NewMemory(), taken: make(chan struct{}, 100), gate: make(chan struct{})}
	s := start(t, b, Limits{TotalBytes: 300_000})
	p, other := dial(t, s), dial(t, s)
	body := strings.Repeat("x", 50_000)
	for i := range 10 {
		if p.conn.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `["EVENT",%s]`, sign(t, 1, 1, int64(i), body).Event)) != nil {
			break
		}
	}
	p.gone()
	close(b.gate)
	other.sync()
}

// What filters count is about what they take. Many requests are measured at once: what connections of the tests before this one
// give back meanwhile is then little beside them.
func TestFiltersCountWhatTheyTake(t *testing.T) {
	for _, n := range []int{1, 10, 64} {
		blanks := strings.Repeat(" ", 300_000)
		msg := `["REQ","x",{` + blanks + `"#t":[` + strings.Repeat(`"`+strings.Repeat("t", n)+`",`, 9999) + `"x"]}]`
		weight := int64(0)
		took := heaptest.Bytes(func() any {
			kept := make([][]nostr.Filter, 25)
			for i := range kept {
				r, err := parseRequest([]byte(msg), Limits{}.withDefaults())
				require.NoError(t, err)
				kept[i], weight = r.filters, weight+weightOf(r.filters)
			}
			return kept
		})
		t.Logf("%d: weight %d, took %d", n, weight, took)
		require.Less(t, took, weight*3/2, n)
		require.Greater(t, took, weight/2, n)
	}
}
