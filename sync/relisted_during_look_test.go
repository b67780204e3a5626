package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestAWantListedAgainDuringTheLookIsLookedAround(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Bootstrap = append(c.Bootstrap, one) })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("r", a.Ref))
	s.up(one)
	r := s.e.relays[one]
	s.ledger.Replies = []event.ID{id("reply")}
	for r.look == nil {
		p := s.pending(one)
		require.NotEmpty(t, p)
		s.settle(p[0])
	}
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Second), nil, two)), Picture: 1})
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Second), nil, one)), Picture: 1})
	looks := 0
	for range 100 {
		p := s.pending(one)
		if len(p) == 0 {
			break
		}
		if _, ok := tagValues(p[:1], "e")[id("reply").String()]; ok {
			looks++
		}
		s.settle(p[0])
	}
	require.Equal(t, 2, looks)
}
