package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// steady is a complete picture over a connection that has stood since the one before.
func (s *script) steady(anns []*nip34.Announcement) {
	s.pict++
	s.facts(selfsub.Facts{Announcements: anns, Picture: s.pict, Loaded: true, Steady: true})
}

func TestWhatAnnouncementsThatAreGoneMean(t *testing.T) {
	many := func(n int) (out []*nip34.Announcement) {
		for i := range n {
			out = append(out, announce("alice", fmt.Sprint("repo ", i), t0, nil, one))
		}
		return out
	}
	two, twenty, hundred := many(2), many(20), many(100)
	for _, tt := range []struct {
		name  string
		do    func(s *script)
		repos int
	}{
		{"removed under our eyes", func(s *script) { s.picture(two); s.steady(two[:1]) }, 1},
		{"all of them: a wipe", func(s *script) { s.picture(two); s.steady(nil) }, 2},
		{"all that it showed, of what it holds none is missing: a wipe", func(s *script) {
			s.picture(two)
			s.report(relay.Holds{Announcements: anns(announce("bob", "held", t0, nil, one))})
			s.steady(nil)
		}, 3},
		{"ten of a hundred: tidying", func(s *script) { s.picture(hundred); s.steady(hundred[:90]) }, 90},
		{"eleven of a hundred: a wipe", func(s *script) { s.picture(hundred); s.steady(hundred[:89]) }, 100},
		{"nine of twenty: tidying", func(s *script) { s.picture(twenty); s.steady(twenty[:11]) }, 11},
		{"while the connection was away", func(s *script) { s.picture(two); s.picture(two[:1]) }, 2},
		{"and not back a day later", func(s *script) { s.picture(two); s.picture(two[:1]); s.steady(two[:1]) }, 2},
		{"back, and then removed", func(s *script) { s.picture(two); s.picture(two[:1]); s.steady(two); s.steady(two[:1]) }, 1},
		{"published and removed between two pictures", func(s *script) {
			s.picture(two[:1])
			s.facts(selfsub.Facts{Announcements: two[1:], Picture: s.pict})
			s.steady(two[:1])
		}, 1},
		{"while we were away", func(s *script) { s.picture(two); s.restart(); s.picture(two[:1]) }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			tt.do(s)
			require.Len(t, s.e.repos, tt.repos)
		})
	}
}

// What the own relay has lost is asked for again, of the relays of those repos, and of no others.
func TestLostEventsAreAskedForAgain(t *testing.T) {
	s := newScript(t)
	a, b := announce("alice", "tool", t0, nil, one), announce("bob", "lib", t0, nil, two)
	s.picture(anns(a, b))
	s.sync(one)
	s.sync(two)
	asked := len(s.own)
	s.away = true
	s.steady(anns(a, b))
	require.Len(t, s.own, asked+1, "one survey of both")
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true})
	require.Equal(t, Connected, s.phase(one), "nothing is lost")

	s.e.surveyAgain(s.e.repos[a.Ref])
	s.facts(selfsub.Facts{Picture: s.pict})
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true, Lost: 3})
	require.Equal(t, Syncing, s.phase(one))
	require.Equal(t, Connected, s.phase(two))
	open := s.pending(one)
	require.Contains(t, tagValues(open, "a"), a.Ref.String())
	require.Zero(t, tagValues(open, "a")[a.Ref.String()], "without since")
	require.Contains(t, kinds(open), 30617, "its announcement may be among them")
	require.Equal(t, owed, s.state.relays[one].LastFull, "a restart does not forget it")
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.False(t, s.state.relays[one].LastFull.IsZero())
}

// What is lost while everything is being asked was perhaps asked for before: the whole is asked once more.
func TestLossesInTheMiddleOfAFullPassAreAskedForBehindIt(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.away = true
	s.picture(anns(a))
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true})
	s.up(one)
	require.Equal(t, Syncing, s.phase(one))
	s.steady(anns(a))
	for _, b := range s.pending(one) {
		s.settle(b)
	}
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true, Lost: 1})
	require.Equal(t, owed, s.state.relays[one].LastFull)
	times := 0
	for range 100 {
		open := s.pending(one)
		if _, ok := tagValues(open, "a")[a.Ref.String()]; ok {
			times++
		}
		for _, b := range open {
			s.settle(b)
		}
		s.elapse(time.Minute)
	}
	require.Equal(t, 1, times, "once more")
	require.Equal(t, Connected, s.phase(one))
	require.False(t, s.state.relays[one].LastFull.IsZero())
}

// A full pass that is owed for a loss is made after a restart, too, though there is something else left to ask.
func TestPassForALossIsOwedAfterARestart(t *testing.T) {
	s := newScript(t)
	a := anns(announce("alice", "tool", t0, nil, one))
	s.picture(a)
	s.sync(one)
	s.elapse(time.Minute)
	s.mark(one)
	s.away = true
	s.steady(a)
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true, Lost: 3})
	require.NotEmpty(t, s.pending(one))
	s.facts(selfsub.Facts{Picture: s.pict, Roots: []selfsub.Root{root("new", a[0].Ref)}})
	require.True(t, s.e.Snapshot(s.now).Relays[0].LastFull.IsZero())
	s.away = false
	s.restart()
	s.elapse(time.Second)
	s.picture(a)
	s.up(one)
	asked := false
	for range 100 {
		open := s.pending(one)
		if len(open) == 0 {
			break
		}
		if at, ok := tagValues(open[:1], "a")[a[0].Ref.String()]; ok && at == 0 {
			asked = true
		}
		s.settle(open[0])
		s.elapse(10 * time.Second)
	}
	require.True(t, asked, "without since")
	require.WithinDuration(t, s.now, s.e.relays[one].lastFull, time.Minute)
}

// What is lost of nobody knows which repo is asked for at every relay.
func TestLossElsewhereConcernsEveryRelay(t *testing.T) {
	s := newScript(t)
	a, b := announce("alice", "tool", t0, nil, one), announce("bob", "lib", t0, nil, two)
	s.picture(anns(a, b))
	s.sync(one)
	s.sync(two)
	s.away = true
	s.e.surveyAgain(s.e.repos[a.Ref])
	s.facts(selfsub.Facts{Picture: s.pict})
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true, LostElsewhere: 1})
	require.Equal(t, Syncing, s.phase(one))
	require.Equal(t, Syncing, s.phase(two))
}
