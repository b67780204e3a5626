package relay

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestMarksCarryResumePoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(100, 1, 5000), PageCap: 40}, nil)
		g.ask(1, kinds(1))
		g.wait(1)
		var untils []int64
		for _, m := range g.sink.marksOf(1) {
			untils = append(untils, m.Filters[0].Until)
		}
		require.Equal(t, []int64{4962, 4923, 4902}, untils[:3])
	})
}

func TestSlowAnswersAreNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One REQ after the other, ten seconds each: the fourth is answered after forty.
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(5, 1, 5000), Delay: 10 * time.Second},
			func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 })
		g.ask(1, kinds(1), kinds(2), kinds(3), kinds(4), kinds(5))
		end := g.wait(1)
		require.Empty(t, end.Err)
	})
}

func TestPagesWaitForCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(90, 1, 5000)
		g := newRig(t, relaytest.Options{Events: notes, Document: `{"limitation":{"max_limit":40,"max_filters":1}}`}, nil)
		g.sink.places = 100
		g.ask(1, kinds(1), kinds(2), kinds(3))
		time.Sleep(time.Hour) // the sink frees nothing: no deadline runs while the relay owes us nothing
		require.Nil(t, g.sink.final(1))
		require.LessOrEqual(t, g.sink.most, 100)
		before := len(g.relay.Requests())
		require.Positive(t, before)
		time.Sleep(time.Hour)
		require.Len(t, g.relay.Requests(), before, "nothing is asked without credit")

		for g.sink.final(1) == nil {
			g.sink.free()
			synctest.Wait()
		}
		end := g.sink.final(1)
		require.Empty(t, end.Err)
		sameIDs(t, wireIDs(notes), g.sink.ids(1))
		require.LessOrEqual(t, g.sink.most, 100)
	})
}

func TestLostConnectionWhileWaitingForCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.sink.places = 1
		g.ask(1, kinds(1))
		g.ask(2, kinds(2))
		g.relay.Drop()
		require.True(t, g.wait(1).Filters[0].Failed)
		require.True(t, g.wait(2).Filters[0].Failed)
		require.True(t, g.sink.gone)
	})
}

func TestCancelledBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(10, 1, 100), NoEOSE: true}, nil)
		g.ask(1, kinds(1))
		require.Len(t, g.relay.OpenSubs(), 1)
		g.tell(CancelBatch{1})
		end := g.sink.final(1)
		require.Equal(t, "cancelled", end.Err)
		require.Empty(t, g.relay.OpenSubs())
		require.Zero(t, g.sink.held)

		g.sink.places = 20 // and while it waits for credit
		g.ask(2, kinds(1))
		g.tell(CancelBatch{2}, CancelBatch{99})
		require.Equal(t, "cancelled", g.sink.final(2).Err)
		g.ask(3, kinds(1))
		g.sink.places = 0
		g.sink.free()
		synctest.Wait()
		require.Len(t, g.sink.ids(3), 10)
	})
}

func TestEmptyBatchesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.ask(1)
		require.NotNil(t, g.sink.final(1))
		g.ask(2, nostr.Filter{Kinds: []int{}})
		require.True(t, g.sink.final(2).Filters[0].Done)
		require.Empty(t, g.relay.Requests(), "no filter with an empty list is sent")
	})
}

func TestLargeFiltersAreAskedInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var values []string
		for i := range 300 {
			values = append(values, strings.Repeat("v", 30)+string(rune('a'+i%26))+string(rune('a'+i/26)))
		}
		notes := []nostr.Event{
			relaytest.Event(1, 1, 100, "first", nostr.Tag{"t", values[0]}),
			relaytest.Event(1, 1, 200, "last", nostr.Tag{"t", values[299]}),
		}
		g := newRig(t, relaytest.Options{Events: notes, Document: `{"limitation":{"max_message_length":5000}}`}, nil)
		g.ask(1, kinds(7), nostr.Filter{Tags: nostr.TagMap{"t": values}}, kinds(8))
		end := g.wait(1)
		require.Empty(t, end.Err)
		require.Len(t, end.Filters, 3)
		for _, f := range end.Filters {
			require.True(t, f.Done)
		}
		sameIDs(t, wireIDs(notes), g.sink.ids(1))
		require.Empty(t, g.relay.BadMessages())
	})
}

func TestEventsThatAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		past := "1000"
		events := []nostr.Event{
			relaytest.Event(1, 1, 100, "good"),
			relaytest.Event(1, 1, 101, "expired", nostr.Tag{"expiration", past}),
			relaytest.Event(1, 1, 102, "protected", nostr.Tag{"-"}),
			relaytest.Event(1, 20001, 103, "ephemeral"),
			relaytest.Event(1, 1059, 104, "wrapped"),
		}
		forged := relaytest.Event(1, 1, 105, "forged")
		forged.Content = "changed"
		many := nostr.Event{Kind: 1, CreatedAt: 106}
		for range 2001 {
			many.Tags = append(many.Tags, nostr.Tag{"t"})
		}
		relaytest.Sign(&many, 1)
		g := newRig(t, relaytest.Options{Events: append(events, forged, many)}, nil)
		g.ask(1, nostr.Filter{})
		require.Empty(t, g.wait(1).Err)
		require.Equal(t, []string{events[0].ID}, g.sink.ids(1))
		offences := reported[Offended](g)
		require.Len(t, offences, 1)
		require.Equal(t, OffenceForged, offences[0].Kind)
	})
}

func TestUnreadableEventsHideNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []nostr.Event
		for i := range 25 {
			e := nostr.Event{Kind: 1, CreatedAt: nostr.Timestamp(2000 + i)}
			for range 2001 {
				e.Tags = append(e.Tags, nostr.Tag{"t"})
			}
			relaytest.Sign(&e, 1)
			events = append(events, e)
		}
		old := relaytest.Event(1, 1, 100, "old")
		g := newRig(t, relaytest.Options{Events: append(events, old), PageCap: 10}, nil)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		require.Equal(t, []string{old.ID}, g.sink.ids(1))
	})
}

func TestRateSignalsPauseHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(5, 1, 5000)
		g := newRig(t, relaytest.Options{Events: notes}, nil)
		g.relay.Broadcast(`["NOTICE","Slow down, please"]`)
		g.relay.Broadcast(`["NOTICE","rate limit exceeded"]`)
		synctest.Wait()
		start := time.Now()
		require.Len(t, reported[Limited](g), 1, "a burst is one signal")
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.Empty(t, end.Err)
		require.Equal(t, 65*time.Second, g.relay.Requests()[0].At.Sub(start))
	})
}

func TestPaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{Events: relaytest.Notes(400, 1, 5000), PageCap: 2}, func(o *ConnOptions) { o.REQsPerMinute = 60 })
		start := time.Now()
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		n := len(g.relay.Requests())
		require.Greater(t, n, 200)
		took := g.relay.Requests()[n-1].At.Sub(start)
		require.InDelta(t, float64(n-60), took.Seconds(), 5)
	})
}

func TestOneLargeEventSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := func(n int) []nostr.Event {
			var out []nostr.Event
			for i := range n {
				out = append(out, relaytest.Event(1, 1, int64(2000+i), strings.Repeat("x", 3000)))
			}
			return out
		}
		dialer := func(r *ConnOptions) {
			r.Dialer.opts.MessageBytes = 2000
		}
		old := relaytest.Event(1, 1, 100, "old")
		g := newRig(t, relaytest.Options{Events: append(large(1), old)}, dialer)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		require.Equal(t, []string{old.ID}, g.sink.ids(1))
		require.Empty(t, reported[Offended](g))

		// A page of nothing else need not be the end.
		g = newRig(t, relaytest.Options{Events: append(large(12), old), PageCap: 12}, dialer)
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.Equal(t, "events that cannot be read", end.Err)
		require.True(t, end.Filters[0].Failed)
	})
}
