package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// asks reports what relay one is asked of a repo, live and historic: its states, and what tags it.
func (s *script) asks(ref event.Ref) (states, tags [2]bool) {
	states[0], tags[0] = s.liveTagged(one, "d", ref.D), s.liveTagged(one, "a", ref.String())
	for _, b := range s.asked {
		for _, f := range b.batch.Filters {
			for _, v := range f.Tags["d"] {
				states[1] = states[1] || v == ref.D && f.Kinds[0] == event.KindState
			}
			for _, v := range f.Tags["a"] {
				tags[1] = tags[1] || v == ref.String()
			}
		}
	}
	return states, tags
}

func TestOfAHeldRepoOnlyStatesAreAsked(t *testing.T) {
	yes, no := [2]bool{true, true}, [2]bool{}
	a := announce("alice", "tool", t0, nil, one)
	tests := []struct {
		name   string
		then   func(s *script)
		states bool
		tags   bool
	}{
		{"it stays held", func(s *script) { s.report(relay.Holds{Announcements: anns(a)}) }, true, false},
		{"the picture does not show it", func(s *script) { s.picture(nil) }, true, false},
		{"our feed shows it", func(s *script) { s.facts(selfsub.Facts{Announcements: anns(a), Picture: 1}) }, true, true},
		{"the own relay says that it has it", func(s *script) { s.report(relay.Released{ID: a.ID, Ref: a.Ref, Served: true}) }, true, true},
		{"it is given up", func(s *script) { s.report(relay.Released{ID: a.ID, Ref: a.Ref}) }, false, false},
		{"its author deletes it", func(s *script) {
			s.report(relay.Deleted{Deletion: relay.Deletion{Author: a.Ref.PubKey, IDs: []event.ID{a.ID}}})
		}, false, false},
		{"a newer version is held", func(s *script) {
			b := announce("alice", "tool", t0.Add(time.Hour), nil, one)
			s.report(relay.Holds{Announcements: anns(b)})
			s.report(relay.Released{ID: a.ID, Ref: a.Ref, Served: true})
			require.Equal(s.t, b.ID, s.state.repos[a.Ref].Announcement.ID)
		}, true, false},
		{"it was given up before a restart", func(s *script) {
			s.restart()
			s.picture(nil)
			s.up(one)
			s.report(relay.Holds{All: true})
		}, false, false},
		{"it is held after a restart", func(s *script) {
			s.restart()
			s.picture(nil)
			s.report(relay.Holds{Announcements: anns(a), All: true})
			s.up(one)
		}, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			s.picture(nil)
			s.report(relay.Holds{Announcements: anns(a)})
			s.up(one)
			require.False(t, s.state.repos[a.Ref].Full)
			states, tags := s.asks(a.Ref)
			require.Equal(t, yes, states)
			require.Equal(t, no, tags)

			tt.then(s)
			if !tt.states {
				require.NotContains(t, s.e.repos, a.Ref)
				require.NotContains(t, s.state.repos, a.Ref)
				require.Empty(t, s.e.held)
				return
			}
			require.Equal(t, tt.tags, s.state.repos[a.Ref].Full)
			require.Equal(t, tt.tags, !s.e.isHeld(a.Ref))
			states, tags = s.asks(a.Ref)
			require.Equal(t, yes, states)
			require.Equal(t, [2]bool{tt.tags, tt.tags}, tags)
			s.settleAll(one)
			require.Equal(t, Connected, s.phase(one))
		})
	}
}

// What the own relay serves is asked for in full, also at the relays that a held announcement of a maintainer names.
func TestAHeldAnnouncementOfAMaintainerNamesRelays(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, []string{"bob"}, two)
	b := announce("bob", "tool", t0, nil, one)
	s.picture(anns(a))
	s.report(relay.Holds{Announcements: anns(b)})
	s.up(one)
	states, tags := s.asks(a.Ref)
	require.Equal(t, [2]bool{true, true}, states)
	require.Equal(t, [2]bool{true, true}, tags)
	require.False(t, s.state.repos[b.Ref].Full)
	s.facts(selfsub.Facts{Announcements: anns(b), Picture: 1})
	require.True(t, s.state.repos[b.Ref].Full)
}

// Of a repo that the own relay serves nothing changes when a newer announcement is held: it counts when it is shown.
func TestANewerAnnouncementThatIsHeldWaitsForItsTurn(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	b := announce("alice", "tool", t0.Add(time.Hour), nil, one, two)
	s.picture(anns(a))
	s.sync(one)
	s.report(relay.Holds{Announcements: []*nip34.Announcement{b}})
	s.report(relay.Released{ID: b.ID, Ref: b.Ref})
	require.Contains(t, s.e.repos, a.Ref)
	require.NotContains(t, s.e.relays, two)
	s.facts(selfsub.Facts{Announcements: anns(b), Picture: 1})
	require.Contains(t, s.e.relays, two)
}

// When the version that was served is gone, the newer one is still held: its states are asked for.
func TestAHeldAnnouncementOutlivesTheOneThatIsServed(t *testing.T) {
	a := announce("alice", "tool", t0, nil, one)
	b := announce("alice", "tool", t0.Add(time.Hour), nil, one)
	for name, gone := range map[string]func(s *script){
		"its author deletes that": func(s *script) {
			s.report(relay.Deleted{Deletion: relay.Deletion{Author: a.Ref.PubKey, IDs: []event.ID{a.ID}}})
		},
		"the operator removes that": func(s *script) { s.steady(anns(announce("bob", "lib", t0, nil, two))) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.picture(anns(a, announce("bob", "lib", t0, nil, two)))
			s.sync(one)
			s.report(relay.Holds{Announcements: anns(b)})
			gone(s)
			require.Equal(t, b.ID, s.state.repos[b.Ref].Announcement.ID)
			require.False(t, s.state.repos[b.Ref].Full)
			require.True(t, s.liveTagged(one, "d", b.Ref.D))
			require.False(t, s.liveTagged(one, "a", b.Ref.String()))
			s.report(relay.Deleted{Deletion: relay.Deletion{Author: b.Ref.PubKey, Refs: []event.Ref{b.Ref}, Until: b.CreatedAt}})
			require.NotContains(t, s.e.repos, b.Ref)
			require.Empty(t, s.e.held)
			require.Empty(t, s.e.next)
		})
	}
}

func TestAServedAnnouncementCountsThoughANewerOneIsHeld(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	b := announce("alice", "tool", t0.Add(time.Hour), nil, two)
	s.picture(nil)
	s.report(relay.Holds{Announcements: anns(b)})
	s.facts(selfsub.Facts{Announcements: anns(a), Picture: 1})
	s.up(one)
	_, tags := s.asks(a.Ref)
	require.Equal(t, [2]bool{true, true}, tags)
	s.report(relay.Released{ID: b.ID, Ref: b.Ref})
	require.Equal(t, a.ID, s.state.repos[a.Ref].Announcement.ID)
	require.True(t, s.state.repos[a.Ref].Full)
	require.Empty(t, s.e.next)
}
