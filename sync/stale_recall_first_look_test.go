package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestTheLedgerIsAskedAfterTheLastAnswerOfTheRelay(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one, two)
	s.picture(anns(a))
	s.up(one)
	s.up(two)
	s.settleAll(one)
	s.elapse(4 * time.Minute)
	require.Equal(t, Connected, s.phase(one))
	s.ledger.Replies = []event.ID{id("reply")} // what two has brought
	seen := false
	for range 100 {
		open := s.pending(two)
		if len(open) == 0 {
			break
		}
		_, ok := tagValues(open, "e")[id("reply").String()]
		seen = seen || ok
		s.settle(open[0])
	}
	require.True(t, seen, "what tags the reply is asked too")
}
