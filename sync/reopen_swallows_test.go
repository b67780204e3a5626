package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// A subscription is opened again in the moment in which roots change places.
func TestWhatChangesWhileASubscriptionIsOpenedAgainIsSent(t *testing.T) {
	s, a, _ := narrow(t, 2*time.Hour)
	s.elapse(5 * time.Minute)
	s.settleAll(one)
	s.elapse(time.Minute)
	newer := selfsub.Root{ID: id("newer"), CreatedAt: s.now.Unix(), Refs: event.References{Refs: []event.Ref{a.Ref}}}
	s.facts(selfsub.Facts{Roots: []selfsub.Root{newer}, Picture: 1})
	s.settleAll(one)
	s.elapse(3 * time.Minute)
	s.report(relay.Closed{ID: s.conn(one), At: s.now, Sub: "l9", Reason: "error: idle"}) // not the one that will change
	s.elapse(time.Minute)
	v := s.e.names.roots.of[newer.ID]
	require.True(t, s.e.relays[one].live.Has(2, v))
	require.True(t, s.liveTagged(one, "e", newer.ID.String()), "the engine believes it is live, and the relay was never asked")
}

// A value that the relay refuses comes back when its repo is named anew.
func TestARefusedValueIsNotLiveWhenItsRepoIsNamedAgain(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.report(relay.Evidence{ID: s.conn(one), At: s.now, Reason: "error: filter", Tag: "a", Value: a.Ref.String()})
	s.settleAll(one)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil)), Picture: 1})
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Hour), nil, one)), Picture: 1})
	require.False(t, s.liveTagged(one, "a", a.Ref.String()))
}
