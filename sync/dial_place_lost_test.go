package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
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
