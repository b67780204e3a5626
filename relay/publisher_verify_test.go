package relay

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

func TestSourcesTakeTurnsAtTheSignatureCheck(t *testing.T) {
	var q checks
	names := map[*event.Event]string{}
	push := func(source relayurl.URL, live bool, n int) {
		for i := range n {
			e := new(event.Event)
			names[e] = fmt.Sprint(source, i)
			q.push(verify{event: e, source: source, live: live})
		}
	}
	push("old", false, 2)
	push("flood", true, 1000)
	push("calm", true, 2)
	var begun []*check
	for range 6 {
		c := q.next()
		q.begin(c)
		begun = append(begun, c)
	}
	order := func(checks []*check) (out []string) {
		for _, c := range checks {
			out = append(out, names[c.event])
		}
		return out
	}
	require.Equal(t, []string{"flood0", "calm0", "flood1", "calm1", "flood2", "flood3"}, order(begun))

	var results []string
	yield := func(e *event.Event, _ bool) { results = append(results, names[e]) }
	for _, i := range []int{3, 2, 1, 5, 4, 0} {
		q.finish(begun[i], yield)
	}
	require.Equal(t, []string{"calm0", "calm1", "flood0", "flood1", "flood2", "flood3"}, results, "in order by source")
	for c := q.next(); c != nil; c = q.next() {
		q.begin(c)
		q.finish(c, yield)
	}
	require.Len(t, results, 1004)
	require.Equal(t, []string{"old0", "old1"}, results[1002:], "live first")
	require.Empty(t, q.live.all)
	require.Empty(t, q.rest.all)
}
