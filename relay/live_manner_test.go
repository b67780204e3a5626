package relay

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func notesOf(tag, value string) nostr.Filter {
	return nostr.Filter{Kinds: []int{nostr.KindTextNote}, Tags: nostr.TagMap{tag: {value}}}
}

// A relay that guards kind 1 gives live what else is asked beside it.
func TestLiveSubscriptionsGoWithoutKindOneWhereItIsBarred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{RefuseREQ: guarding(wantsAuthor, false)}, nil)
		var set SetLive
		for i := range 3 {
			f := tagged("a", fmt.Sprint("v", i))
			f.Kinds = []int{1111, 1621}
			set.Open = append(set.Open, liveOf(fmt.Sprint("l", i), f, notesOf("a", fmt.Sprint("v", i))).Open...)
		}
		set.Open = append(set.Open, liveOf("l3", notesOf("e", "x")).Open...)
		g.tell(set)
		require.Empty(t, reported[Closed](g))
		require.Equal(t, []string{"l0", "l1", "l2", "l3"}, g.relay.OpenSubs())
		require.Len(t, g.relay.Requests(), 8, "each once more")
		for i := range 3 {
			g.relay.Publish(relaytest.Event(1, 1621, 1000, "x", nostr.Tag{"a", fmt.Sprint("v", i)}))
		}
		g.relay.Publish(relaytest.Event(1, 7, 1000, "not asked for", nostr.Tag{"e", "x"}))
		synctest.Wait()
		require.Len(t, g.sink.ids(0), 3)
		require.Empty(t, reported[Offended](g))
	})
}

func TestLiveSubscriptionsAreAskedInFullAgain(t *testing.T) {
	notes := func(r relaytest.Request) bool { return slices.ContainsFunc(r.Filters, isNotes) }
	for name, login := range map[string]bool{"where it was not kind 1": true, "when what was learned is over": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refuse := guarding(wantsAuthor, false)
				if login {
					refuse = func(string, []nostr.Filter) string { return "auth-required: log in" }
				}
				g := newRig(t, relaytest.Options{RefuseREQ: refuse}, nil)
				f := tagged("a", "v")
				f.Kinds = []int{1621}
				g.tell(liveOf("l", f, notesOf("a", "v")))
				require.Len(t, g.relay.Requests(), 2)
				require.Equal(t, login, len(reported[Closed](g)) == 1)
				if !login {
					g.tell(SetLimits{AssumedLimits()})
				}
				g.relay.Set(func(o *relaytest.Options) { o.RefuseREQ = nil })
				g.tell(liveOf("l", f, notesOf("a", "v")))
				require.True(t, notes(g.relay.Requests()[2]))
			})
		})
	}
}

// All of a burst that is refused for its limit of 0 are asked again.
func TestEveryRefusedLimitOfZeroBecomesOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{RefuseREQ: refuseFilters(func(f nostr.Filter) bool { return f.LimitZero })}, nil)
		var set SetLive
		for i := range 4 {
			set.Open = append(set.Open, Sub{ID: fmt.Sprint("l", i), Filters: []nostr.Filter{filters.AsLive(kinds(30617 + i))}})
		}
		g.tell(set)
		require.Empty(t, reported[Closed](g))
		require.Len(t, g.relay.OpenSubs(), 4)
	})
}
