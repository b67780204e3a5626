package web

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoticeOfALimitedOwnRelay(t *testing.T) {
	s := Snapshot{Totals: Totals{OwnRelayLimits: true, WaitingEvents: 41200, LeftSeconds: 28*86400 + 5*3600}}
	got := s.notices()
	require.Len(t, got, 1)
	require.Contains(t, got[0].Text, "which takes 28d 5h")
	require.Contains(t, got[0].Text, "docs/how-to/own-relay.md")
	require.Empty(t, s.Notices, "the snapshot stays as it is")

	s.Totals.LeftSeconds = 0
	require.NotContains(t, s.notices()[0].Text, "which takes")
	s.Totals.WaitingEvents = 0
	require.Empty(t, s.notices())
	require.Equal(t, ", 2h 0m left", left(Totals{LeftSeconds: 7200}))
	require.Empty(t, left(Totals{LeftSeconds: 60}))
}
