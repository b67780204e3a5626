package sync

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestADialThatHasToWaitForItsHostGivesItsPlaceOn(t *testing.T) {
	s := newScript(t, func(c *Config) { c.ConcurrentDials = 1 })
	var relays []relayurl.URL
	for i := range 4 {
		relays = append(relays, relayurl.URL(fmt.Sprintf("wss://shared.example.com/%d", i)))
	}
	relays = append(relays, relayurl.URL("wss://zulu.example.com"))
	s.picture(anns(announce("alice", "tool", t0, nil, relays...)))
	for range 3 {
		s.elapse(time.Second)
		last := s.dials[len(s.dials)-1].URL
		if s.phase(last) == Connecting {
			s.up(last)
		}
	}
	s.elapse(time.Minute)
	require.Contains(t, dialled(s), relays[4])
}

// Of three relays that wait for the only dial the first one loses its place, and the others have their turn.
func TestARelayThatLosesItsPlaceGivesItsDialOn(t *testing.T) {
	s := newScript(t, func(c *Config) {
		c.ConcurrentDials, c.MaxRelays, c.Bootstrap = 1, 2, []relayurl.URL{"wss://well.example.com"}
	})
	weak, strong := named(one, 1), named(two, 2)
	s.facts(selfsub.Facts{Announcements: slices.Concat(weak, strong), Picture: 1})
	require.Equal(t, []relayurl.URL{one, two}, s.placed())
	third := relayN(3)
	s.picture(slices.Concat(weak, strong, named(third, 3)))
	require.Equal(t, []relayurl.URL{third, two}, s.placed())
	require.Len(t, s.dials, 1)
	s.up("wss://well.example.com")
	s.up(s.dials[1].URL)
	require.ElementsMatch(t, []relayurl.URL{"wss://well.example.com", two, third}, dialled(s))
}

func dialled(s *script) (out []relayurl.URL) {
	for _, d := range s.dials {
		out = append(out, d.URL)
	}
	return out
}

func TestARelayThatIsDegradedMakesWayToo(t *testing.T) {
	s := newScript(t)
	var relays []relayurl.URL
	for i := range 3 {
		relays = append(relays, relayurl.URL(fmt.Sprintf("wss://shared.example.com/%d", i)))
	}
	s.picture(anns(announce("alice", "tool", t0, nil, relays...)))
	for _, u := range relays[:2] {
		s.up(u)
	}
	for range 24 * 30 {
		s.elapse(2 * time.Minute)
		for _, u := range relays[:2] {
			if !s.phase(u).Open() {
				continue
			}
			for _, b := range s.pending(u) {
				delete(s.asked, b.ID)
				s.report(relay.Settled{ID: s.conn(u), Batch: b.ID, At: s.now, Final: true, Filters: make([]relay.FilterEnd, len(b.Filters)), Err: "error: no"})
			}
		}
	}
	require.NotEmpty(t, s.hung, "a day later")
}
