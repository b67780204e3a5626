package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/web"
	"github.com/ngit-sync/ngit-sync/sync"
)

func TestViewOfARelay(t *testing.T) {
	now := time.Date(2026, 10, 3, 14, 5, 9, 0, time.UTC)
	r := &sync.RelayView{
		URL: "wss://relay.example.com", Name: "wss://relay.example.com/", Phase: sync.Connected, Health: health.Healthy, UpSince: now,
		LiveFilters: 18, ByID: 4000, Wide: true, Polled: 21000, PollEvery: 301_400 * time.Millisecond, Aside: 3,
		Note: "invalid: filter", Doing: "live", LastFailure: "eof", LastCause: health.CauseLost,
		Mode: "paged", ModeWhy: "capped",
	}
	v := relayView(r)
	require.Empty(t, v.Name, "a name that repeats the URL says nothing")
	require.Equal(t, []string{"paged", "capped"}, []string{v.Mode, v.Why})
	require.Equal(t, "paged", modeOf(r))
	require.Equal(t, []any{18, 4000, true, 21000, int64(301), 3}, []any{v.FiltersOpen, v.LiveByID, v.LiveWide, v.Polled, v.PollEvery, v.SetAside})
	require.Equal(t, "invalid: filter", v.Note)
	require.Equal(t, now, v.ConnectedSince)
	require.Zero(t, v.LastFailure, "none is counted")

	r.Polled, r.Phase, r.Failures = 0, sync.Disconnected, 2
	v = relayView(r)
	require.Zero(t, v.PollEvery, "nothing is polled any more")
	require.Zero(t, v.ConnectedSince)
	require.Empty(t, v.Mode, "nobody is asked")
	require.Equal(t, "-", modeOf(r))
	require.Equal(t, "lost", v.LastFailure.Cause)
}

func TestARelayWithoutAPlaceSaysWhy(t *testing.T) {
	r := &sync.RelayView{URL: "wss://one.example.com", NoPlace: true, Doing: "no free place: 1 owner, the last place needs 2", Failures: 3, LastFailure: "refused"}
	v := relayView(r)
	require.True(t, v.NoPlace)
	require.Equal(t, r.Doing, v.Doing)
	var out strings.Builder
	require.NoError(t, printStatus(&out, statusReport{Relays: []web.RelayView{v}}))
	require.Contains(t, out.String(), r.Doing, "and not its last failure")

	other := &sync.RelayView{URL: "wss://two.example.com", NoPlace: true, Doing: "no free place: 1 owner, the last place needs 2"}
	with := &sync.RelayView{URL: "wss://three.example.com", Doing: "live"}
	words := placeWords([]relayurl.URL{r.URL, with.URL}, &sync.Snapshot{Relays: []*sync.RelayView{with}, Waiting: []*sync.RelayView{r, other}})
	require.Equal(t, []string{"wss://one.example.com: no free place: 1 owner, the last place needs 2."}, words)
}
