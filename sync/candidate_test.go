package sync

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestAnAddressInPlaceOfANameNeedsTwoOwners(t *testing.T) {
	for _, address := range []relayurl.URL{"ws://198.51.100.7:7777", "wss://[2a00:1::7]"} {
		t.Run(string(address), func(t *testing.T) {
			s := newScript(t)
			s.picture(anns(announce("alice", "a", t0, []string{"bob"}, address), announce("alice", "b", t0, nil, address),
				announce("bob", "a", t0, []string{"alice"}, one)))
			s.elapse(24 * time.Hour)
			require.NotContains(t, dialled(s), address, "two repos of one owner, and a maintainer who does not name it himself")
			require.Contains(t, dialled(s), one)
			view := s.e.Snapshot(s.now).Waiting
			require.Equal(t, address, view[0].URL)
			require.Equal(t, "not dialled: an address in place of a name, and only one owner names it", view[0].Doing)

			s.facts(selfsub.Facts{Announcements: anns(announce("carol", "c", s.now, nil, address)), Picture: 1})
			require.Contains(t, dialled(s), address)
		})
	}
}

func TestAnAddressThatTheOperatorAllowsNeedsNobody(t *testing.T) {
	const address = relayurl.URL("ws://10.1.2.3:7777")
	for name, change := range map[string]func(*Config){
		"pinned":        func(c *Config) { c.Pinned = append(c.Pinned, address) },
		"allow_relays":  func(c *Config) { c.AllowRelays = map[relayurl.URL]bool{address: true} },
		"allow_private": func(c *Config) { c.AllowAddress = func(u relayurl.URL) bool { return u == address } },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, change)
			s.picture(anns(announce("alice", "a", t0, nil, address)))
			require.Contains(t, dialled(s), address)
		})
	}
}

// whoNames counts the owners of every relay from the announcements alone.
func whoNames(e *Engine) map[relayurl.URL]int {
	owners := map[relayurl.URL]map[event.PubKey]bool{}
	for _, who := range []string{"alice", "bob", "carol", "dave"} {
		for _, a := range e.index.By(key(who)) {
			if !e.index.Covers(a.Ref) {
				continue
			}
			for _, u := range a.Relays {
				if owners[u] == nil {
					owners[u] = map[event.PubKey]bool{}
				}
				owners[u][a.Ref.PubKey] = true
			}
		}
	}
	out := map[relayurl.URL]int{}
	for u, all := range owners {
		if u != "wss://"+ours {
			out[u] = len(all)
		}
	}
	return out
}

// requireElection compares what is kept up to date with what a count gives.
func requireElection(t *testing.T, e *Engine) {
	x := &e.election
	want, owners, placed, shares := whoNames(e), map[relayurl.URL]int{}, 0, map[filters.Value]int{}
	for u, c := range x.candidates {
		require.Equal(t, u, c.url)
		if c.owners > 0 {
			owners[u] = c.owners
		}
		for r := range c.repos {
			require.Same(t, e.repos[r.ref], r)
			require.Contains(t, r.named, c)
		}
		require.False(t, c.owners == 0 && len(c.repos) == 0 && c.remote == nil, "nobody names %s", u)
		require.Same(t, e.relays[u], c.remote)
		if c.placed() {
			if placed++; e.sharing(c) {
				shares[c.sole]++
			}
		}
	}
	if x.missed || x.leftOut > 0 { // of those who are remembered every word counts
		maps.DeleteFunc(want, func(u relayurl.URL, _ int) bool { return x.candidates[u] == nil })
	}
	require.Equal(t, want, owners)
	require.Equal(t, x.placed, placed)
	require.LessOrEqual(t, placed, e.cfg.MaxRelays)
	require.Equal(t, x.shares, shares)
	for _, n := range shares {
		require.True(t, n <= e.cfg.RelaysPerOwner || x.review.due, "until the next review")
	}
	for n := range x.namings {
		require.Same(t, n.candidate, x.candidates[n.candidate.url])
	}
	for u, r := range e.relays {
		require.Contains(t, x.candidates, u)
		if r.conn != 0 && !r.operator() && r.place.IsZero() {
			require.True(t, r.leaving, "%s has no place and a connection", u)
		}
	}
}

func TestOwnersAreCountedOnce(t *testing.T) {
	s := newScript(t)
	owners := func(u relayurl.URL) int {
		requireElection(t, s.e)
		if c := s.e.election.candidates[u]; c != nil {
			return c.owners
		}
		return 0
	}
	s.picture(anns(announce("alice", "a", t0, []string{"bob"}, one, two), announce("alice", "b", t0, nil, one)))
	require.Equal(t, []int{1, 1}, []int{owners(one), owners(two)})
	s.facts(selfsub.Facts{Announcements: anns(announcement("elsewhere.example.com", "bob", "a", t0, nil, one)), Picture: 1})
	require.Equal(t, 2, owners(one), "a maintainer who names it himself")
	s.facts(selfsub.Facts{Announcements: anns(announcement("elsewhere.example.com", "carol", "a", t0, nil, one)), Picture: 1})
	require.Equal(t, 2, owners(one), "hers is not in scope")
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "a", t0.Add(time.Hour), nil, two)), Picture: 1})
	require.Equal(t, 1, owners(one), "bob is nobody's maintainer any more; alice names it for another repo")
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "b", t0.Add(time.Hour), nil)), Picture: 1})
	require.Zero(t, owners(one))
	s.elapse(time.Hour)
	require.NotContains(t, s.e.election.candidates, one)
}
