package relay

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// A question that answers for no filter of its batch is about a value, and what comes for it counts for nothing.
func TestAComparisonWithAnotherValueIsNotDivided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Now().Unix() + 1_000_000
		script := distant(roundTrip, 10, relaytest.Notes(200, 1621, ahead, nostr.Tag{"a", "x"}, nostr.Tag{"a", "y"}))
		g := newRig(t, script, nil)
		since := nostr.Timestamp(ahead - 5)
		f := tagged("a", "x", "y")
		f.Since = &since
		g.ask(1, f)
		allDone(t, g.wait(1))
		g.relay.Set(func(o *relaytest.Options) {
			o.RefuseREQ = refuseFilters(func(f nostr.Filter) bool { return has(f, "a", "poison") })
		})
		g.ask(2, tagged("a", "poison"))
		allDone(t, g.wait(2))
	})
}

// A stretch knows of its relay's pages what the group knows that it is taken from: they may have become smaller.
func TestAStretchExpectsNoLargerPagesThanThoseBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := distant(roundTrip, 40, relaytest.Notes(60, 7, 5000))
		for i := range 300 { // a dozen in one of the seconds
			at := int64(5000 - i)
			if i > 16 {
				at = max(4984, at)
			}
			if i > 27 {
				at = int64(5000 - i + 11)
			}
			script.Events = append(script.Events, relaytest.Event(1, 1, at, time.Duration(i).String()))
		}
		g := newRig(t, script, nil)
		g.ask(1, kinds(7))
		allDone(t, g.wait(1))
		g.relay.Set(func(o *relaytest.Options) { o.PageCap = 10 })
		g.ask(2, kinds(1))
		end := g.wait(2)
		allDone(t, end)
		require.True(t, end.Filters[0].Gap)
		require.GreaterOrEqual(t, len(g.sink.ids(2)), 298)
	})
}

// An empty page of a relay that is out of breath says nothing: the second where a stretch begins has events.
func TestAnEmptyPageOfAStretchIsAskedAgain(t *testing.T) {
	for _, below := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			events := relaytest.Notes(400, 1, 5000)
			script := distant(roundTrip, 10, events)
			divided, empty := false, 0
			script.Spoil = func(_ int, fs []nostr.Filter, a relaytest.Answer) relaytest.Answer {
				divided = divided || fs[0].Since != nil
				if empty == 0 && divided && (fs[0].Since == nil) == below {
					empty++
					a.Events = nil
				}
				return a
			}
			g := newRig(t, script, nil)
			g.ask(1, kinds(1))
			allDone(t, g.wait(1))
			require.Equal(t, 1, empty)
			sameIDs(t, wireIDs(events), g.sink.ids(1))
		})
	}
}

// TestARelayThatRefusesAStretchIsAskedInOne: or a batch there would never end, and remember each of them.
func TestARelayThatRefusesAStretchIsAskedInOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(800, 1, 5000)
		script := distant(roundTrip, 10, events)
		script.RefuseREQ = func(_ string, fs []nostr.Filter) string {
			if fs[0].Since != nil {
				return "error: no since here"
			}
			return ""
		}
		g := newRig(t, script, nil)
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.True(t, end.Filters[0].Failed)
		refused := 0
		for _, r := range g.relay.Requests() {
			if r.Filters[0].Since != nil {
				refused++
			}
		}
		require.LessOrEqual(t, refused, AssumedLimits().Subscriptions)

		f, until := kinds(1), nostr.Timestamp(end.Filters[0].Until)
		f.Until = &until
		g.ask(2, f)
		allDone(t, g.wait(2))
	})
}

// A stretch with a gap leaves nothing behind but that: a relay can make up any number of them.
func TestAStretchWithAGapIsForgottenAndTheGapIsNot(t *testing.T) {
	f := kinds(1)
	p := filters.NewPager([]nostr.Filter{f}, 2)
	for range 2 {
		_, ok := p.Next()
		require.True(t, ok)
		for _, content := range []string{"a", "b"} {
			e, err := event.Wrap(relaytest.Event(1, 1, 1, content))
			require.NoError(t, err)
			p.Event(e)
		}
		p.EOSE(filters.HintNone)
	}
	require.Equal(t, []filters.End{{Done: true, Until: 1, Gap: true}}, p.Ends())
	gap := &group{asked: []nostr.Filter{f}, index: []int{1}, above: []int64{9}, pager: p}
	rest := &group{asked: []nostr.Filter{f}, index: []int{1}, pager: filters.NewPager([]nostr.Filter{{IDs: []string{}}}, 2)}
	b := &batchRun{total: 2, groups: []*group{gap, rest}}
	b.forget(gap)
	require.Equal(t, []*group{rest}, b.groups)
	require.Equal(t, []FilterEnd{{}, {Done: true, Gap: true}}, b.mark(1).Filters)
}

// What we have cancelled was not the relay's fault.
func TestAHistoryIsDividedAfterABatchWasCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, distant(roundTrip, 10, relaytest.Notes(400, 1, 5000)), nil)
		g.ask(1, kinds(1))
		time.Sleep(4*roundTrip + roundTrip/2) // the first stretch is asked
		synctest.Wait()
		g.tell(CancelBatch{ID: 1})
		require.True(t, g.wait(1).Filters[0].Failed)
		g.ask(2, kinds(1))
		allDone(t, g.wait(2))
		require.True(t, slices.ContainsFunc(g.relay.Requests(), func(r relaytest.Request) bool {
			return strings.HasPrefix(r.Sub, "h2-") && r.Filters[0].Since != nil
		}))
	})
}
