package sync

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// dialsOpen lists the dials that are neither up nor down, oldest first.
func (s *script) dialsOpen() (open []Dial) {
	for x, r := range s.e.conns {
		if r.phase == Connecting {
			open = append(open, Dial{ID: x, URL: r.url})
		}
	}
	slices.SortFunc(open, func(a, b Dial) int { return cmp.Compare(a.ID, b.ID) })
	return open
}

func TestAnOutageOfOurOwnMakesNobodyDead(t *testing.T) {
	s := newScript(t, func(c *Config) { c.ConcurrentDials = 4 })
	var relays []relayurl.URL
	for i := range 20 {
		relays = append(relays, relayurl.URL("wss://r"+strconv.Itoa(i)+".example.com"))
	}
	s.picture(anns(announce("alice", "tool", t0, nil, relays...)))
	for len(s.dialsOpen()) > 0 {
		s.report(relay.Up{ID: s.dialsOpen()[0].ID, At: s.now, Limits: relay.AssumedLimits()})
	}
	for _, u := range relays {
		s.settleAll(u)
		s.mark(u)
	}
	s.elapse(10 * time.Minute)
	for _, u := range relays {
		s.down(u)
	}
	lost := s.now
	for s.now.Sub(lost) < 26*time.Hour {
		require.LessOrEqual(t, len(s.dialsOpen()), 4)
		for _, d := range s.dialsOpen() {
			s.report(relay.Down{ID: d.ID, At: s.now, Failure: &health.Failure{Cause: health.CauseTimeout}})
		}
		s.elapse(10 * time.Second)
	}
	snap := s.e.Snapshot(s.now)
	require.Zero(t, snap.Dead)
	require.WithinDuration(t, lost, snap.Outage, 2*time.Minute)

	for len(s.dialsOpen()) == 0 {
		s.elapse(time.Second)
	}
	back := s.now
	for range 100 {
		open := s.dialsOpen()
		require.LessOrEqual(t, len(open), 4, "all are due, and dialled a few at a time")
		if len(open) == 0 {
			break
		}
		s.report(relay.Up{ID: open[0].ID, At: s.now, Limits: relay.AssumedLimits()})
	}
	require.Equal(t, back, s.now, "none of them waits for anything but a free dial")
	snap = s.e.Snapshot(s.now)
	require.Equal(t, 20, snap.Connected)
	require.Zero(t, snap.Outage)
	for _, v := range snap.Relays {
		require.Zero(t, v.Failures, v.URL)
		require.Equal(t, health.Healthy, v.Health)
	}
}

func TestRelaysOfOneHostTakeTurns(t *testing.T) {
	s := newScript(t)
	var relays []relayurl.URL
	for i := range 5 {
		relays = append(relays, relayurl.URL(fmt.Sprintf("wss://many.example.com/%d", i)))
	}
	s.picture(anns(announce("alice", "tool", t0, nil, relays...)))
	turns := map[relayurl.URL]int{}
	for range 12 * 60 {
		for _, x := range s.hung { // an end that we chose
			if r := s.e.conns[x]; r != nil {
				s.report(relay.Down{ID: x, At: s.now})
			}
		}
		for _, d := range s.dialsOpen() {
			turns[d.URL]++
			s.report(relay.Up{ID: d.ID, At: s.now, Limits: relay.AssumedLimits()})
		}
		open := 0
		for _, u := range relays {
			s.settleAll(u)
			if s.phase(u) != Disconnected {
				open++
				s.mark(u)
			}
		}
		require.LessOrEqual(t, open, 2)
		if open < 2 {
			require.NotEmpty(t, s.hung)
		}
		s.elapse(time.Minute)
	}
	for _, u := range relays {
		require.GreaterOrEqual(t, turns[u], 3, u)
	}
}

func TestRelaysOfTheOperatorDoNotTakeTurns(t *testing.T) {
	var relays []relayurl.URL
	for i := range 5 {
		relays = append(relays, relayurl.URL(fmt.Sprintf("wss://many.example.com/%d", i)))
	}
	s := newScript(t, func(c *Config) { c.Bootstrap, c.Pinned = relays[:2], relays[2:] })
	s.picture(anns(announce("alice", "tool", t0, nil, append(relays, one)...)))
	for _, u := range append(relays, one) {
		s.sync(u)
	}
	s.idleAll(append(relays, one), 5*time.Hour)
	require.Empty(t, s.hung)
	for _, u := range relays {
		require.Equal(t, Connected, s.phase(u))
	}
}

func (s *script) idleAll(relays []relayurl.URL, d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.elapse(time.Minute)
		for _, u := range relays {
			s.settleAll(u)
			s.mark(u)
		}
	}
}

func TestARelayThatIsRemovedFreesItsPlaceAtItsHost(t *testing.T) {
	s := newScript(t)
	a, b, c := relayurl.URL("wss://many.example.com/a"), relayurl.URL("wss://many.example.com/b"), relayurl.URL("wss://many.example.com/c")
	s.picture(anns(announce("alice", "tool", t0, nil, a, b), announce("bob", "lib", t0, nil, c)))
	s.sync(a)
	s.sync(b)
	require.Equal(t, Disconnected, s.phase(c))
	require.Equal(t, "waiting: two connections to this host are open", view(s, c).Doing)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil, a)), Picture: 1})
	s.elapse(10 * time.Minute)
	require.Equal(t, Removed, s.phase(b))
	require.Equal(t, Connecting, s.phase(c))
}

// Who stands first in the queue of a host and loses his place may have been told a moment ago that it is his turn.
func TestWhoLosesItsPlaceLetsTheNextOfItsHostPass(t *testing.T) {
	url := func(path string) relayurl.URL { return relayurl.URL("wss://203.0.113.7/" + path) }
	a, b, c, d := url("a"), url("b"), url("c"), url("d")
	s := newScript(t)
	s.picture(slices.Concat(named(a, 4), named(b, 4), named(c, 3), named(d, 2)))
	s.sync(a)
	s.sync(b)
	require.Equal(t, "waiting: two connections to this host are open", view(s, c).Doing)
	s.elapse(2 * time.Minute)
	unname := func(u relayurl.URL, owner int) {
		s.facts(selfsub.Facts{Announcements: anns(announce(fmt.Sprint(u, owner), "repo", t0.Add(time.Hour), nil)), Picture: 1})
	}
	unname(a, 0) // has a review held, so that the next one is a minute off
	unname(c, 0)
	unname(c, 1)
	s.report(relay.Down{ID: s.conn(a), At: s.now})
	s.elapse(2 * time.Minute)
	require.NotContains(t, s.placed(), c, "an address that one owner names")
	require.Equal(t, Connecting, s.phase(d))
}

func view(s *script, u relayurl.URL) *RelayView {
	for _, v := range s.e.Snapshot(s.now).Relays {
		if v.URL == u {
			return v
		}
	}
	return nil
}
