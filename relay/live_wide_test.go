package relay

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func tagged(name string, values ...string) nostr.Filter {
	return nostr.Filter{Tags: nostr.TagMap{name: values}}
}

func TestWideEventsAreToldFromThoseAskedByValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		open := func(value string) {
			g.tell(SetLive{Open: []Sub{{
				ID: "l0", Filters: []nostr.Filter{filters.AsLive(tagged("a", value))}, Wide: []nostr.Filter{filters.AsLive(kinds(1617))},
			}}})
		}
		n := 0
		publish := func(kind int, a string) Delivery {
			n++
			e := relaytest.Event(1, kind, int64(1000+n), fmt.Sprint(n), nostr.Tag{"a", a})
			g.relay.Publish(e)
			synctest.Wait()
			last := g.sink.delivered[len(g.sink.delivered)-1]
			require.Equal(t, e.ID, last.Event.ID.String())
			return last
		}
		open("ours")
		require.Len(t, g.relay.Requests()[0].Filters, 2)
		require.False(t, publish(1, "ours").Wide)
		require.True(t, publish(1617, "theirs").Wide)
		require.False(t, publish(1617, "ours").Wide, "both ask for it")

		open("other")
		require.False(t, publish(1617, "ours").Wide, "the set before asked for it by value, and still counts")
		open("third")
		open("third")
		require.True(t, publish(1617, "ours").Wide)
		require.Empty(t, reported[Offended](g))
	})
}

func TestARelayThatServesReplacedREQsIsNotCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{KeepReplaced: true}, nil)
		for i := range 10 {
			g.tell(liveOf("l0", tagged("a", fmt.Sprint("repo", i)), kinds(100+i)))
		}
		g.relay.Publish(
			relaytest.Event(1, 1, 1000, "x", nostr.Tag{"a", "repo0"}), relaytest.Event(1, 100, 1001, "x"),
			relaytest.Event(1, 1, 1002, "x", nostr.Tag{"a", "repo9"}))
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 1, "what is asked for now")
		require.Empty(t, reported[Offended](g))

		g.tell(SetLive{Close: []string{"l0"}}, liveOf("l0", kinds(7)))
		for i, a := range []string{"repo3", "never"} {
			b, err := relaytest.Event(1, 1, 1003, "x", nostr.Tag{"a", a}).MarshalJSON()
			require.NoError(t, err)
			g.relay.Broadcast(`["EVENT","l0",` + string(b) + `]`)
			synctest.Wait()
			require.Len(t, reported[Offended](g), i, a)
		}
	})
}

func TestPastIsBounded(t *testing.T) {
	var p past
	for i := range 5 * pastGeneration {
		p.add([]nostr.Filter{tagged("a", fmt.Sprint(i))}, nil)
	}
	require.LessOrEqual(t, len(p.young)+len(p.old), 2*pastGeneration)
	e := ev("x", 1, 1, time.Unix(1, 0), nostr.Tag{"a", fmt.Sprint(5*pastGeneration - 1)})
	require.True(t, p.has(e))

	p = past{}
	p.add([]nostr.Filter{tagged("a", "x", "y"), {IDs: []string{e.ID.String()}}}, []nostr.Filter{tagged("a", "x")})
	require.Len(t, p.young, 2, "what is asked for still is not kept twice")
	require.True(t, p.has(e), "by id")
	p = past{}
	p.add([]nostr.Filter{{Authors: []string{e.PubKey.String()}, Kinds: []int{event.KindIssue}}}, nil)
	require.True(t, p.has(e), "roughly")
	require.False(t, p.has(ev("x", event.KindIssue, 2, time.Unix(1, 0))))
}

// A relay with one subscription has none for live: history needs it.
func TestOneSubscriptionIsForHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(30, 1, 5000)
		g := newRig(t, relaytest.Options{
			Events: notes, PageCap: 10, MaxSubs: 1, Document: `{"limitation":{"max_subscriptions":1,"max_filters":1}}`,
		}, nil)
		g.tell(liveOf("l0", kinds(1)), liveOf("l1", kinds(2)))
		closed := reported[Closed](g)
		require.Len(t, closed, 2)
		for i, c := range closed {
			require.Equal(t, fmt.Sprint("l", i), c.Sub)
			require.Equal(t, "no subscription left", c.Reason)
			require.Equal(t, time.Now(), c.At)
		}
		g.ask(1, kinds(1), kinds(2))
		require.Empty(t, g.wait(1).Err)
		sameIDs(t, wireIDs(notes), g.sink.ids(1))
		require.Equal(t, 1, g.relay.HighWater())
	})
}
