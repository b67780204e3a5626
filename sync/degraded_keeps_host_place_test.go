package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

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
