package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
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
