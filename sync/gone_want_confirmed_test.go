package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestABatchOfAGoneRepoConfirmsNothing(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	b := announce("bob", "other", t0, nil, one)
	s.picture(anns(a, b))
	s.up(one)
	open := s.pending(one)
	gone := announcement("elsewhere.example.com", "alice", "tool", t0.Add(time.Hour), nil)
	s.facts(selfsub.Facts{Announcements: anns(gone), Picture: 1})
	require.NotContains(t, s.e.repos, a.Ref)
	for _, x := range open {
		s.settle(x)
	}
	for _, row := range s.state.state().Coverage {
		require.NotEqual(t, a.Ref, row.Repo, "%+v", row)
	}
}
