package relay

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// TestConnectionsFromSeeds asks random batches of random honest relays, some of which are lost in the middle. Whatever
// happens: every batch has one final mark, the sink's rules hold, and the relay's limit on subscriptions does too. What
// ends well is complete.
func TestConnectionsFromSeeds(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { seeded(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func seeded(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	var events []nostr.Event
	for range rnd.IntN(300) {
		tags := nostr.Tags{{"t", fmt.Sprint(rnd.IntN(5))}}
		e := relaytest.Event(1+rnd.IntN(2), 101+rnd.IntN(4), int64(1000+rnd.IntN(1+rnd.IntN(400))), fmt.Sprint(rnd.Uint64()), tags...)
		events = append(events, e)
	}
	subs := 2 + rnd.IntN(8)
	caps := []int{20, 50, 500}
	script := relaytest.Options{
		Events:   events,
		PageCap:  caps[rnd.IntN(len(caps))],
		MaxSubs:  subs,
		Delay:    time.Duration(rnd.IntN(3)) * 100 * time.Millisecond,
		Document: fmt.Sprintf(`{"limitation":{"max_subscriptions":%d,"max_filters":%d}}`, subs, 1+rnd.IntN(4)),
	}
	if rnd.IntN(2) == 0 {
		script.Garbage = []string{"{}", `["PING"]`}
	}
	lost := rnd.IntN(3) == 0
	if lost {
		script.DropAfter = 1 + rnd.IntN(400)
	}
	g := newRig(t, script, nil)
	live := 0
	for ; live < min(3, subs-1); live++ {
		g.tell(liveOf(fmt.Sprintf("l%d", live), kinds(101+live)))
	}
	var batches [][]nostr.Filter
	for id := range 1 + rnd.IntN(4) {
		var fs []nostr.Filter
		for range 1 + rnd.IntN(6) {
			f := kinds(101 + rnd.IntN(5))
			if rnd.IntN(2) == 0 {
				f.Tags = nostr.TagMap{"t": {fmt.Sprint(rnd.IntN(6)), "9"}}
			}
			if rnd.IntN(4) == 0 {
				since := nostr.Timestamp(1000 + rnd.IntN(300))
				f.Since = &since
			}
			fs = append(fs, f)
		}
		if len(reported[Down](g)) > 0 {
			break // nobody reads commands any more
		}
		batches = append(batches, fs)
		g.ask(BatchID(id+1), fs...)
	}
	for i, fs := range batches {
		end := g.wait(BatchID(i + 1))
		require.Len(t, end.Filters, len(fs))
		var want []string
		for _, e := range events {
			if nostr.Filters(fs).Match(&e) {
				want = append(want, e.ID)
			}
		}
		got := g.sink.ids(BatchID(i + 1))
		if end.Err == "" {
			sameIDs(t, want, got)
			for _, f := range end.Filters {
				require.True(t, f.Done && !f.Failed, "%+v", f)
			}
		} else {
			require.True(t, lost, end.Err)
			require.Subset(t, want, got)
		}
	}
	require.LessOrEqual(t, g.relay.HighWater(), subs)
	require.Zero(t, g.sink.held)
	if !lost {
		require.Len(t, g.relay.OpenSubs(), live)
		require.Empty(t, reported[Closed](g))
	}
}
