package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
)

func TestNeighboursSendWhatTheyAreNamedFor(t *testing.T) {
	c := small(t)
	beside, err := newNeighbours(bounded(t))
	require.NoError(t, err)
	defer beside.close()
	listen := func(src *source) dialect {
		d := dialPeer(t, src.peer)
		d.say(`["REQ","live",{"kinds":[1111],"limit":0}]`)
		require.Equal(t, []string{"EOSE", "live"}, d.hear())
		return d
	}
	require.Error(t, flooding(beside.flooder, c.live), "nobody listens")
	d := listen(beside.flooder)
	require.NoError(t, flooding(beside.flooder, c.live))
	for _, e := range c.live {
		require.Equal(t, []string{"EVENT", "live", e.event.ID}, d.hear())
	}

	d = listen(beside.garbler)
	require.NoError(t, garbling(beside.garbler, c.live, 3))
	_, msg, err := d.ws.Read(t.Context())
	require.NoError(t, err)
	var parts []json.RawMessage
	require.NoError(t, json.Unmarshal(msg, &parts))
	var e nostr.Event
	require.NoError(t, e.UnmarshalJSON(parts[2]))
	require.True(t, e.CheckID())
	signed, _ := e.CheckSignature()
	require.False(t, signed)
	_, msg, err = d.ws.Read(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, byte(']'), msg[len(msg)-1], "half of a message")
	require.Equal(t, []string{"EVENT", "nobody", c.live[2].event.ID}, d.hear())
	require.True(t, beside.garbler.connected())
	require.False(t, beside.burster.connected())
}

func TestASluggishPeerWritesByteByByte(t *testing.T) {
	src, err := newSource(bounded(t), newStore(), loopback)
	require.NoError(t, err)
	defer src.close()
	d := dialPeer(t, src.peer)
	d.say(`["REQ","a",{"kinds":[1],"limit":0}]`)
	require.Equal(t, []string{"EOSE", "a"}, d.hear())
	src.sluggish.Store(true)
	began := time.Now()
	d.say(`["REQ","b",{"kinds":[1],"limit":0}]`)
	require.Equal(t, []string{"EOSE", "b"}, d.hear())
	require.Greater(t, time.Since(began), time.Duration(len(`["EOSE","b"]`))*time.Millisecond)
}
