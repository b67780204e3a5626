package sync

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func relayN(n int) relayurl.URL { return relayurl.URL(fmt.Sprintf("wss://r%d.example.com", n)) }

// named makes announcements by so many owners that name a relay.
func named(u relayurl.URL, owners int) (out []*nip34.Announcement) {
	for i := range owners {
		out = append(out, announce(fmt.Sprint(u, i), "repo", t0, nil, u))
	}
	return out
}

// six relays are named by 1 to 6 owners.
func six() (out []*nip34.Announcement) {
	for n := 1; n <= 6; n++ {
		out = append(out, named(relayN(n), n)...)
	}
	return out
}

// placed lists the relays that have a place.
func (s *script) placed() (out []relayurl.URL) {
	for u, r := range s.e.relays {
		if !r.place.IsZero() {
			out = append(out, u)
		}
	}
	slices.Sort(out)
	return out
}

func (s *script) doing(u relayurl.URL) string {
	snapshot := s.e.Snapshot(s.now)
	for _, v := range slices.Concat(snapshot.Relays, snapshot.Waiting) {
		if v.URL == u {
			require.Equal(s.t, !slices.Contains(s.placed(), u), v.NoPlace)
			return v.Doing
		}
	}
	return ""
}

// failDials has the open dials of a relay fail, for so long.
func (s *script) failDials(u relayurl.URL, d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); s.elapse(time.Minute) {
		if s.phase(u) == Connecting {
			s.report(relay.Down{ID: s.conn(u), At: s.now, Failure: &health.Failure{Cause: health.CauseRefused}})
		}
	}
}

func small(c *Config) { c.MaxRelays = 3 }

func TestPlacesGoToThoseWhomMostOwnersName(t *testing.T) {
	t.Run("in one picture", func(t *testing.T) {
		s := newScript(t, small)
		s.picture(six())
		require.ElementsMatch(t, []relayurl.URL{relayN(4), relayN(5), relayN(6)}, dialled(s))
		require.Equal(t, "no free place: 3 owners, the last place needs 5", s.doing(relayN(3)))
		snapshot := s.e.Snapshot(s.now)
		require.Equal(t, 3, snapshot.NoPlace)
		require.Len(t, snapshot.Relays, 3, "nothing is kept of who never had a place")
	})
	t.Run("in batches, the worst first", func(t *testing.T) {
		s := newScript(t, small)
		for _, a := range six() {
			s.facts(selfsub.Facts{Announcements: anns(a), Picture: 1})
		}
		require.ElementsMatch(t, []relayurl.URL{relayN(1), relayN(2), relayN(3)}, dialled(s))
		s.up(relayN(1))
		s.picture(six())
		require.Equal(t, []relayurl.URL{relayN(4), relayN(5), relayN(6)}, s.placed())
		require.Contains(t, s.hung, s.conn(relayN(1)))
		s.report(relay.Down{ID: s.conn(relayN(1)), At: s.now})
		s.elapse(time.Hour)
		require.Equal(t, Disconnected, s.phase(relayN(1)))
	})
}

func TestARestartKeepsThePlaces(t *testing.T) {
	s := newScript(t, small)
	s.picture(slices.Concat(named(relayN(1), 1), named(relayN(2), 1), named(relayN(3), 1)))
	s.elapse(time.Hour)
	s.facts(selfsub.Facts{Announcements: six(), Picture: 1})
	s.elapse(time.Hour)
	require.Equal(t, []relayurl.URL{relayN(1), relayN(2), relayN(3)}, s.placed())
	s.restart()
	require.Equal(t, []relayurl.URL{relayN(1), relayN(2), relayN(3)}, s.placed(), "they keep them for a day")
	s.picture(six())
	s.elapse(time.Hour)
	require.Equal(t, []relayurl.URL{relayN(1), relayN(2), relayN(3)}, s.placed())
	require.Equal(t, "no free place yet: 4 owners; a place is kept for a day", s.doing(relayN(4)))
}

// A relay that has been Connected for a day and gave nothing makes way; what is known of it stays, and so do the wants.
func TestWhatIsKnownOfARelayStaysWhenItLosesItsPlace(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 1 })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("issue", a.Ref))
	s.sync(one)
	s.mark(one)
	cursor := s.e.relays[one].cursor
	s.elapse(10 * time.Minute)
	s.facts(selfsub.Facts{Announcements: named(two, 2), Roots: []selfsub.Root{root("of two", named(two, 2)[0].Ref)}, Picture: 1})
	s.elapse(23 * time.Hour)
	require.Equal(t, []relayurl.URL{one}, s.placed())
	s.settleAll(one)
	s.elapse(time.Hour)
	require.Equal(t, []relayurl.URL{two}, s.placed())
	require.Contains(t, s.hung, s.conn(one))
	last := s.e.relays[one].cursor
	require.Equal(t, cursor, last)
	s.report(relay.LiveSettled{ID: s.conn(one), At: s.now}) // the last mark of the connection
	s.report(relay.Down{ID: s.conn(one), At: s.now})
	require.True(t, s.e.relays[one].cursor.After(last), "what was on its way is settled")

	s.up(two)
	require.Contains(t, tagValues(s.pending(two), "e"), id("of two").String(), "its history is fetched")
	s.settleAll(two)
	require.Equal(t, Connected, s.phase(two))

	s.facts(selfsub.Facts{Announcements: named(one, 3), Roots: []selfsub.Root{root("while away", a.Ref)}, Picture: 1})
	s.elapse(time.Hour)
	row := s.state.relays[one]
	require.True(t, row.Place.IsZero())
	require.Equal(t, s.e.relays[one].cursor, row.Cursor)
	require.NotEmpty(t, s.state.coverage[pair{one, a.Ref}].Roots.Spans())
	s.restart()
	s.picture(slices.Concat(anns(a), named(two, 2), named(one, 3)), root("issue", a.Ref), root("while away", a.Ref))
	require.Equal(t, []relayurl.URL{two}, s.placed())
	s.elapse(25 * time.Hour)
	require.Equal(t, []relayurl.URL{one}, s.placed(), "4 owners name it, and two had its day")
	s.up(one)
	asked := tagValues(s.pending(one), "e")
	require.Contains(t, asked, id("issue").String())
	require.Contains(t, asked, id("while away").String())
}

func TestADeadRelayGivesItsPlaceBack(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 1; c.Bootstrap = []relayurl.URL{"wss://well.example.com"} })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up("wss://well.example.com")
	s.sync(one)
	s.mark(one)
	s.e.relays[one].credit(5, s.now)
	s.facts(selfsub.Facts{Announcements: named(two, 1), Picture: 1})
	s.down(one)
	s.failDials(one, 20*time.Hour)
	require.Equal(t, []relayurl.URL{one}, s.placed())
	s.failDials(one, 6*time.Hour)
	require.Equal(t, []relayurl.URL{two}, s.placed())
	require.Equal(t, "no free place yet: 1 owner; a place is kept for a day", s.doing(one))
	require.Contains(t, s.state.relays, one)
	s.restart()
	s.picture(slices.Concat(anns(a), named(two, 1)))
	s.up("wss://well.example.com")
	s.up(two)
	dials := len(s.dials)
	s.elapse(25 * time.Hour)
	require.Equal(t, []relayurl.URL{one}, s.placed(), "it gave something, and two did not")
	require.Len(t, s.dials, dials+1)
	s.failDials(one, time.Hour)
	require.Equal(t, []relayurl.URL{two}, s.placed(), "it still is dead")
	require.Equal(t, "no place: not reached; a candidate again when a dial is due", s.doing(one))
}

// Of a relay whose history is given up it is still known when it may be dialled, and that it has failed.
func TestARelayWhoseHistoryIsGivenUpIsNotTakenForNew(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 1; c.Bootstrap = []relayurl.URL{"wss://well.example.com"} })
	three := relayN(3)
	s.picture(slices.Concat(named(one, 3), named(two, 2), named(three, 1)))
	s.up("wss://well.example.com")
	var before standing
	c := s.e.election.candidates[two]
	for _, u := range []relayurl.URL{one, two} {
		require.Equal(t, []relayurl.URL{u}, s.placed())
		s.sync(u)
		s.down(u)
		for end := s.now.Add(48 * time.Hour); slices.Contains(s.placed(), u); s.failDials(u, time.Minute) {
			require.True(t, s.now.Before(end))
			before = s.e.standing(c)
		}
	}
	require.Equal(t, []relayurl.URL{three}, s.placed())
	require.NotContains(t, s.e.relays, two)
	after := s.e.standing(c)
	before.held = time.Time{} // it has lost its place with it
	require.Equal(t, before, after)
	require.True(t, after.reached)
	require.True(t, after.due.After(s.now))

	for end := s.now.Add(48 * time.Hour); s.e.relays[two] == nil; s.failDials(s.placed()[0], time.Minute) {
		require.True(t, s.now.Before(end))
	}
	require.False(t, s.now.Before(after.due))
	require.Equal(t, after.failing, s.e.relays[two].health.FailingSince)
}

func TestARelayThatNeverAnswersHasItsPlaceForAnHour(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 1; c.Bootstrap = []relayurl.URL{"wss://well.example.com"} })
	s.picture(slices.Concat(named(one, 9), named(two, 1)))
	s.up("wss://well.example.com")
	s.failDials(one, 50*time.Minute)
	require.Equal(t, []relayurl.URL{one}, s.placed())
	s.failDials(one, 40*time.Minute)
	require.Equal(t, []relayurl.URL{two}, s.placed())
}

func TestAFreedPlaceGoesToARelayThatWaits(t *testing.T) {
	for name, free := range map[string]func(s *script){
		"nobody names it any more": func(s *script) {
			s.facts(selfsub.Facts{Announcements: anns(announcement("elsewhere.example.com", "alice", "a", t0.Add(time.Hour), nil)), Picture: 1})
			s.elapse(s.cfg.RemoveGrace)
		},
		"the operator pairs it": func(s *script) { require.NoError(s.t, s.e.Order(Order{Verb: Pair, URL: one}, s.now)); s.take() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, func(c *Config) { c.MaxRelays, c.RemoveGrace = 1, 2*time.Minute })
			s.picture(anns(announce("alice", "a", t0, nil, one)))
			s.facts(selfsub.Facts{Announcements: anns(announce("bob", "b", t0, nil, two)), Picture: 1})
			s.elapse(2 * reviewGap) // the next review that time brings is far away
			require.Equal(t, Removed, s.phase(two))
			require.ErrorIs(t, s.e.Order(Order{Verb: SyncNow, URL: two}, s.now), ErrNoPlace)
			require.Equal(t, []relayurl.URL{one}, s.placed())
			free(s)
			require.Equal(t, []relayurl.URL{two}, s.placed(), "at once")
			require.Equal(t, Connecting, s.phase(two))
		})
	}
}

// A relay without a place that is paired is asked for all of the repos that name it, not for states alone.
func TestAPairedRelayThatHadNoPlaceGivesItsRepos(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 1 })
	lib := announce("bob", "lib", t0, nil, two)
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	s.facts(selfsub.Facts{Announcements: anns(lib), Roots: []selfsub.Root{root("issue", lib.Ref)}, Picture: 1})
	require.Equal(t, []relayurl.URL{one}, s.placed())
	require.NoError(t, s.e.Order(Order{Verb: Pair, URL: two}, s.now))
	s.take()
	s.up(two)
	asked := s.pending(two)
	require.Contains(t, tagValues(asked, "a"), lib.Ref.String())
	require.Contains(t, tagValues(asked, "e"), id("issue").String())
	require.NotContains(t, tagValues(asked, "a"), announce("alice", "tool", t0, nil).Ref.String(), "no announcement of that names it")
}

func TestARelayThatIsUnpairedNeedsAPlace(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 1 })
	s.picture(slices.Concat(named(one, 1), named(two, 1)))
	other := map[relayurl.URL]relayurl.URL{one: two, two: one}[s.placed()[0]]
	require.NoError(t, s.e.Order(Order{Verb: Pair, URL: other}, s.now))
	s.take()
	s.sync(other)
	require.NoError(t, s.e.Order(Order{Verb: Unpair, URL: other}, s.now))
	s.take()
	require.Contains(t, s.hung, s.conn(other))
	require.ErrorIs(t, s.e.Order(Order{Verb: SyncNow, URL: other}, s.now), ErrNoPlace)
}

// A reload builds the engine anew on what is stored.
func TestASmallerLimitKeepsTheBest(t *testing.T) {
	s := newScript(t, small)
	s.picture(six())
	s.elapse(48 * time.Hour)
	s.e.relays[relayN(4)].credit(1, s.now)
	s.e.touch(s.e.relays[relayN(4)])
	s.e.flush(s.now)
	s.take()
	s.cfg.MaxRelays = 2
	s.restart()
	require.Equal(t, []relayurl.URL{relayN(4), relayN(6)}, s.placed())
	require.NotContains(t, dialled(s), relayN(5))
	require.Contains(t, s.state.relays, relayN(5))
	s.cfg.MaxRelays = 0
	s.restart()
	require.Empty(t, s.placed())
	require.Empty(t, s.dials)
	s.cfg.MaxRelays = 6
	s.restart()
	require.Len(t, s.placed(), 6)
}

func TestAnOwnerOpensTwentyRelaysAlone(t *testing.T) {
	s := newScript(t, func(c *Config) { c.ConcurrentDials = 100 })
	var all []*nip34.Announcement
	for repo := range 3 {
		var relays []relayurl.URL
		for n := range 10 {
			relays = append(relays, relayN(10*repo+n))
		}
		all = append(all, announce("alice", fmt.Sprint("repo", repo), t0, nil, relays...))
	}
	s.picture(all)
	var want []relayurl.URL
	for n := range 20 {
		want = append(want, relayN(n))
	}
	slices.Sort(want)
	require.Equal(t, want, s.placed(), "in the order of her repos and tags")
	pk := key("alice")
	require.Equal(t, "not dialled: its only owner has his 20 relays: "+npub(pk), s.doing(relayN(20)))

	s.restart()
	s.picture(append(all, announce("alice", "a", t0, nil, relayN(99))))
	require.Equal(t, want, s.placed(), "a restart and older names change nothing")

	s.elapse(time.Hour)
	s.facts(selfsub.Facts{Announcements: anns(announce("bob", "b", t0, nil, relayN(3), relayN(25))), Picture: s.pict})
	s.elapse(2 * time.Minute)
	require.Contains(t, s.placed(), relayN(25), "two owners name it")
	require.Len(t, s.placed(), 22, "and of 3, so that there is room for one of hers")
	s.facts(selfsub.Facts{Announcements: anns(announcement("elsewhere.example.com", "bob", "b", t0.Add(time.Hour), nil)), Picture: s.pict})
	s.elapse(2 * time.Minute)
	require.Len(t, s.placed(), 20)
}

func TestTheShareOfAnOwnerIsTheConfiguredOne(t *testing.T) {
	s := newScript(t, func(c *Config) { c.RelaysPerOwner = 3 })
	as := anns(announce("alice", "a", t0, nil, relayN(1), relayN(2), relayN(3), relayN(4)))
	s.picture(as)
	require.Len(t, s.placed(), 3)
	require.Contains(t, s.doing(relayN(4)), "its only owner has his 3 relays")
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "b", t0, nil, relayN(5))), Picture: s.pict})
	require.Len(t, s.placed(), 3, "nor at once when she names another one")
	s.facts(selfsub.Facts{Announcements: anns(announce("bob", "b", t0, nil, relayN(1))), Picture: s.pict})
	s.elapse(2 * reviewGap)
	require.Len(t, s.placed(), 4)
}

func TestTheHistoryOfRelaysWithoutAPlaceIsBounded(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 8 })
	var all []*nip34.Announcement
	for n := range 8 {
		all = append(all, named(relayN(n), 1+n)...)
	}
	s.picture(all)
	s.elapse(25 * time.Hour)
	s.cfg.MaxRelays = 3
	s.restart()
	require.Equal(t, []relayurl.URL{relayN(5), relayN(6), relayN(7)}, s.placed())
	require.Equal(t, []relayurl.URL{relayN(2), relayN(3), relayN(4), relayN(5), relayN(6), relayN(7)}, slices.Sorted(maps.Keys(s.e.relays)))
	require.Equal(t, slices.Sorted(maps.Keys(s.e.relays)), slices.Sorted(maps.Keys(s.state.relays)))
	require.Contains(t, s.e.election.candidates, relayN(0))
}

func TestNobodyLosesAPlaceWhileOurNetworkIsDown(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 1 })
	s.picture(slices.Concat(named(one, 1), named(two, 2)))
	s.elapse(25 * time.Hour)
	s.e.outageSince = s.now
	s.facts(selfsub.Facts{Announcements: named(one, 9), Picture: 1})
	s.elapse(11 * time.Minute)
	require.Equal(t, []relayurl.URL{two}, s.placed())
	s.e.outageSince = time.Time{}
	s.elapse(11 * time.Minute)
	require.Equal(t, []relayurl.URL{one}, s.placed())
}

func TestTheListOfRelaysThatWaitIsBounded(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays = 0 })
	for i := range waitingShown/20 + 1 {
		var relays []relayurl.URL
		for n := range 20 {
			relays = append(relays, relayN(20*i+n))
		}
		s.facts(selfsub.Facts{Announcements: anns(announce(fmt.Sprint(i), "repo", t0, nil, relays...)), Picture: 1})
	}
	s.facts(selfsub.Facts{Picture: 1, Loaded: true})
	snapshot := s.e.Snapshot(s.now)
	require.Len(t, snapshot.Waiting, waitingShown)
	require.Equal(t, waitingShown+20, snapshot.NoPlace)
}

func TestLiveEventsCountForAPlace(t *testing.T) {
	s := newScript(t)
	s.picture(named(one, 1))
	s.sync(one)
	s.report(relay.LiveSettled{ID: s.conn(one), At: s.now, New: 3})
	require.Equal(t, 3, s.state.relays[one].Gave)
}
