package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// invented are so many announcements by so many owners, that name ten relays each which nobody else names.
func invented(name string, owners, n int) (out []*nip34.Announcement) {
	for i := range n {
		out = append(out, announce(fmt.Sprint(name, i%owners), fmt.Sprint(name, i), t0, nil, someRelays(fmt.Sprint(name, i), 10)...))
	}
	return out
}

func someRelays(name string, n int) (out []relayurl.URL) {
	for i := range n {
		out = append(out, relayurl.URL(fmt.Sprintf("wss://%s-%d.example.com", name, i)))
	}
	return out
}

// honest are announcements by five owners that name four relays each.
func honest(name string) (out []*nip34.Announcement) {
	for i := range 5 {
		out = append(out, announce(fmt.Sprint(name, i), "repo", t0, nil, someRelays(fmt.Sprint(name, i), 4)...))
	}
	return out
}

// crowded is a script with three places, and room for a hundred candidates without one.
func crowded(t *testing.T) *script {
	s := newScript(t, small)
	s.e.election.most = 100
	return s
}

func (s *script) announceAll(as []*nip34.Announcement) {
	for _, a := range as {
		s.facts(selfsub.Facts{Announcements: anns(a), Picture: 1})
		require.LessOrEqual(s.t, len(s.e.election.candidates)-len(s.e.relays), s.e.election.most)
	}
	s.elapse(2 * reviewEvery)
	require.LessOrEqual(s.t, len(s.e.election.candidates)-len(s.e.relays), s.e.election.most)
}

// remembers reports whether all relays that these announcements name are candidates, each named by as many owners as there are.
func (s *script) remembers(as []*nip34.Announcement) bool {
	owners := map[relayurl.URL]map[event.PubKey]bool{}
	for _, a := range as {
		for _, u := range a.Relays {
			if u == "wss://"+ours {
				continue
			}
			if owners[u] == nil {
				owners[u] = map[event.PubKey]bool{}
			}
			owners[u][a.Ref.PubKey] = true
		}
	}
	for u, by := range owners {
		c := s.e.election.candidates[u]
		if c == nil {
			return false
		}
		require.Len(s.t, by, c.owners, u)
	}
	return true
}

func TestInventedRelaysLeaveOthersToBeRemembered(t *testing.T) {
	for name, owners := range map[string]int{"of one owner": 1, "of ten": 10} {
		t.Run(name, func(t *testing.T) {
			s := crowded(t)
			s.picture(honest("early"))
			s.announceAll(invented("false", owners, 200))
			require.True(t, s.remembers(honest("early")))
			s.announceAll(honest("late"))
			require.True(t, s.remembers(honest("late")))
			s.announceAll(named(relayN(9), 3))
			require.True(t, s.remembers(named(relayN(9), 3)), "one that several name")
			require.Greater(t, s.e.Snapshot(s.now).NoPlace, 1000, "those that are left out are counted")
		})
	}
}

func TestThoseThatWereLeftOutComeWhenThereIsRoom(t *testing.T) {
	s := crowded(t)
	var as []*nip34.Announcement
	for i := range 40 {
		as = append(as, announce("dave", fmt.Sprint(i), t0, nil, someRelays(fmt.Sprint(i), 10)...))
	}
	s.picture(as)
	s.announceAll(nil)
	require.False(t, s.remembers(as[10:]))
	for i := range as[:32] { // they name nothing any more
		s.announceAll(anns(announce("dave", fmt.Sprint(i), t0.Add(time.Hour), nil)))
	}
	s.elapse(2 * reviewEvery)
	require.True(t, s.remembers(as[32:]))
	requireElection(t, s.e)
	for i := range as {
		s.announceAll(anns(announce("dave", fmt.Sprint(i), t0.Add(2*time.Hour), nil)))
	}
	s.elapse(2 * reviewEvery)
	s.elapse(s.cfg.RemoveGrace + time.Minute)
	requireElection(t, s.e)
	require.Empty(t, s.e.election.namings)
	require.Zero(t, s.e.Snapshot(s.now).NoPlace)
}

// forty are announcements by one owner, of ten relays each.
func forty(at time.Time) (as []*nip34.Announcement) {
	for i := range 40 {
		as = append(as, announce("dave", fmt.Sprint(i), at, nil, someRelays(fmt.Sprint(i), 10)...))
	}
	return as
}

// An owner whose relays were left out, and who names them again when others of his are gone, is counted for them: he has no more than his
// share of the places.
func TestRelaysThatWereLeftOutCountForTheirOwner(t *testing.T) {
	s := newScript(t, func(c *Config) { c.MaxRelays, c.RelaysPerOwner = 30, 2 })
	s.e.election.most = 100
	s.picture(forty(t0))
	s.announceAll(nil)
	for i := range 3 {
		require.True(t, s.remembers(forty(t0)[i:i+1]))
		s.facts(selfsub.Facts{Announcements: anns(announce("dave", fmt.Sprint(i), t0.Add(time.Hour), nil)), Picture: 1})
	}
	require.False(t, s.remembers(forty(t0)[20:]))
	for _, a := range forty(t0.Add(time.Hour))[20:] {
		s.facts(selfsub.Facts{Announcements: anns(a), Picture: 1})
		require.LessOrEqual(t, len(s.placed()), 2)
	}
	s.elapse(2 * reviewEvery)
	require.LessOrEqual(t, len(s.placed()), 2)
	requireElection(t, s.e)
	require.Equal(t, 100, len(s.e.election.candidates)-len(s.e.relays), "room is used")
}

// One that is left out has all that its announcements say of it when the operator pairs it.
func TestARelayThatIsLeftOutCanBePaired(t *testing.T) {
	s := crowded(t)
	s.picture(forty(t0))
	s.announceAll(nil)
	u, ref := someRelays("39", 10)[9], forty(t0)[39].Ref
	require.NotContains(t, s.e.election.candidates, u)
	require.NoError(t, s.e.Order(Order{Verb: Pair, URL: u}, s.now))
	s.take()
	s.up(u)
	require.Contains(t, tagValues(s.pending(u), "a"), ref.String())
	require.Equal(t, 1, s.e.election.candidates[u].owners)
	require.NoError(t, s.e.Order(Order{Verb: Unpair, URL: u}, s.now))
	s.take()
	require.Len(t, s.e.repos[ref].wants, 1)
	requireElection(t, s.e)
}

// A relay that gets a place leaves its room to another, and one whose history is given up needs some.
func TestRoomThatAPlaceLeavesIsUsed(t *testing.T) {
	s := crowded(t)
	s.picture(nil)
	s.announceAll(invented("false", 200, 200))
	for range 10 {
		for _, u := range s.placed() {
			s.failDials(u, 2*time.Hour)
		}
		s.elapse(reviewEvery + reviewGap)
		require.InDelta(t, 100, len(s.e.election.candidates)-len(s.e.relays), float64(s.cfg.MaxRelays))
	}
	s.elapse(2 * reviewEvery)
	require.Equal(t, 100, len(s.e.election.candidates)-len(s.e.relays))
}

// What has a place, or a history, stays whoever is named.
func TestWhatHasAPlaceIsRemembered(t *testing.T) {
	s := crowded(t)
	s.picture(six())
	s.up(relayN(6))
	before := s.placed()
	s.announceAll(invented("false", 3, 200))
	require.Equal(t, before, s.placed())
	require.Equal(t, Syncing, s.phase(relayN(6)))
	require.Equal(t, 6, s.e.election.candidates[relayN(6)].owners)
	require.True(t, s.remembers(six()))
}
