package demo

import (
	"context"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

func filterKinds(kinds ...int) nostr.Filter { return nostr.Filter{Kinds: kinds} }

func TestTrafficReachesThoseWhoListen(t *testing.T) {
	w := startWorld(t)
	listeners := map[relayurl.URL]*peer{}
	for _, r := range w.Relays() {
		listeners[r.Name] = dial(t, w, r.Name)
		require.Zero(t, listeners[r.Name].page("live", `{"limit":0}`))
	}
	now := baseTime.Add(time.Hour)
	kinds := map[int]int{}
	written := map[event.ID]string{}
	for n := range 60 {
		now = now.Add(time.Second)
		for _, out := range w.write(now, n) {
			kinds[out.Event.Kind]++
			require.True(t, out.Event.Verify())
			require.Equal(t, now.Unix(), int64(out.Event.CreatedAt))
			require.NotEmpty(t, out.On, out.What)
			require.NotEmpty(t, out.What)
			for _, r := range out.On {
				m := listeners[r.Name].read()
				require.Equal(t, []any{"EVENT", "live"}, m[:2])
				require.Equal(t, out.Event.Event.ID, m[2].(map[string]any)["id"])
			}
			written[out.Event.ID] = out.What
		}
	}
	want := w.Expected().Wanted
	for id, what := range written {
		require.Contains(t, want, id, what)
	}
	require.Equal(t, 2, kinds[event.KindAnnouncement])
	require.Equal(t, 2, kinds[event.KindState])
	require.Positive(t, kinds[event.KindComment])
	require.NoError(t, w.source.err)
}

func TestTrafficEndsWithItsContext(t *testing.T) {
	w := startWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := w.Traffic(ctx, time.Millisecond, func(Written) {
		if n++; n == 20 {
			cancel()
		}
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, 20)
}
