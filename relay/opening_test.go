package relay

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// A relay that handles every message in a goroutine of its own (khatru) answers the page before it has opened the live
// subscription; what is stored between the two must not be lost.
func TestHistoryWaitsForLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Concurrent: true, Events: relaytest.Notes(5, 1, 1000), RefuseREQ: func(sub string, _ []nostr.Filter) string {
			if sub == "l0" {
				<-time.After(2 * time.Second)
			}
			return ""
		}}, nil)
		g.tell(liveOf("l0", kinds(1)), AskBatch{Batch{ID: 1, Filters: historicKinds(1)}})
		<-time.After(time.Second)
		late := relaytest.Event(3, 1, time.Now().Unix(), "between")
		g.relay.Publish(late)
		g.wait(1)
		<-time.After(time.Minute)
		var got []string
		for _, d := range g.sink.delivered {
			got = append(got, d.Event.ID.String())
		}
		require.Contains(t, got, late.ID)
	})
}
