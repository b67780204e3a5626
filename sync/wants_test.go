package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
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

func TestWhatWasSetAsideIsAskedWhenThatExpires(t *testing.T) {
	s := newScript(t, func(c *Config) { c.FullInterval = 1000 * time.Hour })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.report(relay.Evidence{ID: s.conn(one), Tag: "e", Value: id("poison").String(), Reason: "invalid"})
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("poison", a.Ref), root("fine", a.Ref)}, Picture: 1})
	s.settleAll(one)
	s.elapse(23 * time.Hour)
	s.settleAll(one)
	for range 24 {
		s.elapse(10 * time.Minute)
		for _, b := range s.pending(one) {
			for _, f := range b.Filters {
				for _, v := range f.Tags["e"] {
					if v == id("poison").String() && f.Since == nil {
						return
					}
				}
			}
		}
		s.settleAll(one)
	}
	t.Fatal("never asked from the top")
}

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
