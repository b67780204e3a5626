package relay

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func seriesOf(n int) (events []nostr.Event, fs []nostr.Filter) {
	for i := range n {
		events = append(events, relaytest.Event(1, 1617, 9000, fmt.Sprint("patch", i), nostr.Tag{"a", "tool"}))
	}
	for i := range 20 {
		events = append(events, relaytest.Event(1, 1621, int64(8000-i), fmt.Sprint("issue", i), nostr.Tag{"a", "tool"}))
	}
	for i := range 10 {
		v := fmt.Sprint("none", i)
		if i == 0 {
			v = "tool"
		}
		fs = append(fs, nostr.Filter{Tags: nostr.TagMap{"a": {v}}})
	}
	return events, fs
}

// A patch series of 150 in one second, asked with nine other filters (limit 100 each), at a relay that caps at 500 and has
// given a full page of 500 before.
func TestSecondLargerThanASharedPageAfterAFullOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, fs := seriesOf(150)
		g := newRig(t, relaytest.Options{Events: append(relaytest.Notes(700, 1, 7000), events...)}, nil)
		g.ask(1, kinds(1))
		g.wait(1)
		g.ask(2, fs...)
		end := g.wait(2)
		require.Empty(t, end.Err)
		t.Logf("%+v", end.Filters[0])
		sameIDs(t, wireIDs(events), g.sink.ids(2))
	})
}

// The same without the full page before: the second would fit a page asked alone with the relay's own limit.
func TestSecondLargerThanASharedPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events, fs := seriesOf(150)
		g := newRig(t, relaytest.Options{Events: events}, nil)
		g.ask(2, fs...)
		end := g.wait(2)
		require.Empty(t, end.Err)
		t.Logf("%+v", end.Filters[0])
		sameIDs(t, wireIDs(events), g.sink.ids(2))
	})
}
