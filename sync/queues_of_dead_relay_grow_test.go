package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestWhatComesAndGoesLeavesNothingAtADeadRelay(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("bob", "other", t0, nil, one)))
	for i := range 1000 {
		at := t0.Add(time.Duration(i) * time.Minute)
		s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", at, nil, one)), Picture: 1})
		s.facts(selfsub.Facts{Announcements: anns(announcement("elsewhere.example.com", "alice", "tool", at.Add(time.Second), nil)), Picture: 1})
	}
	r := s.e.relays[one]
	require.Less(t, len(r.todo), 500)
	require.Less(t, len(r.bare), 500)
}
