package event

import (
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
)

func TestExpired(t *testing.T) {
	now := time.Unix(1_700_000_000, 500)
	for _, tc := range []struct {
		tags nostr.Tags
		want bool
	}{
		{nil, false},
		{nostr.Tags{{"expiration"}}, false},
		{nostr.Tags{{"expiration", "soon"}}, false},
		{nostr.Tags{{"expiration", "1699999999"}}, true},
		{nostr.Tags{{"expiration", "1700000000"}}, true},
		{nostr.Tags{{"expiration", "1700000001"}}, false},
		{nostr.Tags{{"expiration", "99999999999999999999"}}, false},
		{nostr.Tags{{"t", "x"}, {"expiration", "1"}, {"expiration", "1800000000"}}, true},
	} {
		e := &Event{Event: &nostr.Event{Tags: tc.tags}}
		require.Equal(t, tc.want, e.Expired(now), "%v", tc.tags)
	}
}

func TestProtected(t *testing.T) {
	for _, tc := range []struct {
		tags nostr.Tags
		want bool
	}{
		{nil, false},
		{nostr.Tags{{"-"}}, true},
		{nostr.Tags{{"t", "-"}, {"-", ""}}, true},
		{nostr.Tags{{"--"}, {"t", "-"}}, false},
	} {
		e := &Event{Event: &nostr.Event{Tags: tc.tags}}
		require.Equal(t, tc.want, e.Protected(), "%v", tc.tags)
	}
}
