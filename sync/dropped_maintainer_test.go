package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/selfsub"
)

// Bob's repo is no longer wanted for itself, but his announcement still names relays of alice's.
func TestADroppedRepoThatIsAMaintainersIsStillStored(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("alice", "tool", t0, []string{"bob"}, one), announce("bob", "tool", t0, nil, one)))
	theirs := announcement("elsewhere.example.com", "bob", "tool", t0.Add(time.Hour), nil, two)
	s.facts(selfsub.Facts{Announcements: anns(theirs), Picture: 1})
	require.NotNil(t, s.e.relays[two])
	require.Contains(t, s.state.repos, theirs.Ref)
	s.restart()
	require.NotNil(t, s.e.relays[two], "known from the store")
	require.NotEmpty(t, s.e.relays[two].wants)
}
