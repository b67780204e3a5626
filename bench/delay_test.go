package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

func TestDelayProxyTakesItsTimeAndKeepsWhatItCarries(t *testing.T) {
	const each = 30 * time.Millisecond
	c := small(t)
	s := newStore()
	src, err := newSource(bounded(t), s, loopback)
	require.NoError(t, err)
	defer src.close()
	ids, err := fill(s, c, src.urls())
	require.NoError(t, err)
	p, err := newDelayProxy(bounded(t), src.addresses[0], each)
	require.NoError(t, err)
	defer p.close()

	ws, _, err := websocket.Dial(t.Context(), p.url(), nil)
	require.NoError(t, err)
	d := dialect{t, ws}
	start := time.Now()
	for i := range 5 { // at the same time: a delay is no limit
		d.say(fmt.Sprintf(`["REQ","h%d",{"limit":500}]`, i))
	}
	got := map[string]int{}
	for ends := 0; ends < 5; {
		if msg := d.hear(); msg[0] == "EOSE" {
			ends++
		} else {
			got[msg[2]]++
		}
	}
	took := time.Since(start)
	require.GreaterOrEqual(t, took, 2*each)
	require.Len(t, got, len(ids))
	for id, n := range got {
		require.Equal(t, 5, n, id)
	}
}
