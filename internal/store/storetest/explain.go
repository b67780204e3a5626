package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/sync"
)

// testExplainRepo checks that what was saved of a repo is told, unwritten rows included, and nothing of others.
func testExplainRepo(t *testing.T, d Database) {
	s := open(t, d, store.Options{})
	one, other := announcement(t, 1, "one"), announcement(t, 2, "other")
	maintainer := event.RepoRef(key(9), "one")
	rows := []sync.Row{
		sync.SaveRepo{Ref: one.Coordinate(), Announcement: one, Full: true, Surveyed: true, Coordinates: []event.Ref{one.Coordinate(), maintainer}},
		sync.SaveRepo{Ref: other.Coordinate(), Announcement: other},
		sync.SaveLack{Repo: one.Coordinate(), ID: event.ID{7}, At: t0},
		sync.SaveRelay{URL: alpha}, sync.SaveRelay{URL: beta},
		sync.SaveCoverage{Relay: beta, Repo: one.Coordinate(), Coords: coverage(1)},
		sync.SaveCoverage{
			Relay: alpha, Repo: one.Coordinate(), States: true, Around: true,
			Coords: coverage(2), Roots: coverage(3, sync.Span{From: 1, To: 2}),
		},
	}
	for n := range uint32(3) {
		rows = append(rows, sync.SaveRoot{Repo: one.Coordinate(), N: n, ID: event.ID{byte(n + 1)}, CreatedAt: 1})
	}
	s.Apply(rows, 0)

	got, found, err := s.ExplainRepo(deadline(t), one.Coordinate())
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, store.RepoExplanation{
		Ref: one.Coordinate(), Full: true, Surveyed: true, Coordinates: []event.Ref{one.Coordinate(), maintainer}, Announced: one.ID,
		Roots: 3, Lacks: 1, Named: []relayurl.URL{alpha},
		Relays: []store.RepoCoverage{
			{Relay: alpha, States: true, Coords: 2, Roots: 2, Around: true},
			{Relay: beta, Coords: 1},
		},
	}, got)

	got, found, err = s.ExplainRepo(deadline(t), other.Coordinate())
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, store.RepoExplanation{Ref: other.Coordinate(), Announced: other.ID, Named: []relayurl.URL{alpha}}, got)

	_, found, err = s.ExplainRepo(deadline(t), event.RepoRef(key(3), "nobody"))
	require.NoError(t, err)
	require.False(t, found)
}
