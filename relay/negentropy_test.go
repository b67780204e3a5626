package relay

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// ledgerOf is our side: events that we know.
func ledgerOf(events ...nostr.Event) KnownIDs {
	return func(_ context.Context, f nostr.Filter, yield func(int64, event.ID)) error {
		for i := range events {
			if f.Matches(&events[i]) {
				id, err := event.ParseID(events[i].ID)
				if err != nil {
					return err
				}
				yield(int64(events[i].CreatedAt), id)
			}
		}
		return nil
	}
}

// newNegRig is a rig that knows some events.
func newNegRig(t *testing.T, script relaytest.Options, ours []nostr.Event) *rig {
	return newRig(t, script, func(o *ConnOptions) { o.Negentropy, o.Known = true, ledgerOf(ours...) })
}

// everyNth gives one in n events, and the others.
func everyNth(events []nostr.Event, n int) (some, rest []nostr.Event) {
	for i, e := range events {
		if i%n == 0 {
			some = append(some, e)
		} else {
			rest = append(rest, e)
		}
	}
	return some, rest
}

// noNegentropy is the verdict that was reported, empty when there is none.
func noNegentropy(g *rig) string {
	for _, v := range reported[Evidence](g) {
		if v.NoNegentropy != "" {
			return v.NoNegentropy
		}
	}
	return ""
}

func answersNegentropy(g *rig) bool {
	return slices.ContainsFunc(reported[Evidence](g), func(v Evidence) bool { return v.Negentropy })
}

func speaking(events []nostr.Event) relaytest.Options {
	return relaytest.Options{Events: events, Negentropy: relaytest.Negentropy{Speak: true}}
}

func TestOnlyWhatIsMissingIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(3000, 1, 100_000)
		lack, ours := everyNth(events, 10)
		g := newNegRig(t, speaking(events), ours)
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.Empty(t, end.Err)
		require.True(t, end.Filters[0].Done)
		sameIDs(t, wireIDs(lack), g.sink.ids(1))
		for _, d := range g.sink.delivered {
			require.Equal(t, Negentropy, d.Mode)
		}
		require.Len(t, g.relay.Reconciliations(), 1)
		require.Less(t, g.relay.Sent(), len(lack)+2)
		require.True(t, answersNegentropy(g))
		require.Empty(t, noNegentropy(g))
		require.Contains(t, g.relay.Closes(), g.relay.Reconciliations()[0].Sub)
	})
}

func TestEqualSetsCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(5000, 1, 100_000)
		g := newNegRig(t, speaking(events), events)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		require.Empty(t, g.sink.ids(1))
		require.Less(t, g.relay.NegBytes(), 2000)
		require.Zero(t, g.relay.Sent(), "the check finds nothing")
		require.Len(t, g.relay.Requests(), 1, "the check")
	})
}

func TestWithoutAnythingOfOursItIsPaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := append(relaytest.Notes(30, 1, 100_000), relaytest.Notes(30, 7, 100_000)...)
		g := newNegRig(t, speaking(events), nil)
		g.ask(1, kinds(1), kinds(7))
		require.Empty(t, g.wait(1).Err)
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		require.Empty(t, g.relay.Reconciliations())
		require.Len(t, g.relay.Requests()[0].Filters, 2, "such filters share a REQ")
	})
}

func TestWhatReachesBackALittleIsPaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		events := relaytest.Notes(30, 1, now-10)
		g := newNegRig(t, speaking(events), events[:10])
		since := nostr.Timestamp(now - 900)
		g.ask(1, nostr.Filter{Kinds: []int{1}, Since: &since})
		require.Empty(t, g.wait(1).Err)
		require.Empty(t, g.relay.Reconciliations())
	})
}

func TestRefusalsOfNegentropy(t *testing.T) {
	events := relaytest.Notes(900, 1, 100_000)
	lack, ours := everyNth(events, 3)
	made := []string{strings.Repeat("ab", 32), strings.Repeat("cd", 32)}
	tests := []struct {
		name    string
		script  relaytest.Negentropy
		verdict string // a part of it, empty: none
		failed  bool
		filters int           // 1
		within  time.Duration // one second
		first   time.Duration // from then on pages are asked
	}{
		{name: "not spoken", script: relaytest.Negentropy{}, verdict: "negentropy disabled"},
		{name: "NEG-ERR that says so", script: relaytest.Negentropy{Refuse: "blocked: negentropy not supported"}, verdict: "not supported"},
		{name: "one NEG-ERR", script: relaytest.Negentropy{Refuse: "blocked: go away"}},
		{name: "NEG-ERR for every filter", script: relaytest.Negentropy{Refuse: "blocked: go away"}, filters: 4, verdict: "go away"},
		{name: "NOTICE", script: relaytest.Negentropy{Notice: "could not parse command"}, verdict: "could not parse"},
		{name: "NOTICE about a filter", script: relaytest.Negentropy{Notice: "ERROR: negentropy error: unrecognised filter item: search"}},
		{name: "CLOSED", script: relaytest.Negentropy{Closed: "error: unsupported message"}, verdict: "unsupported"},
		{name: "silence", script: relaytest.Negentropy{Silent: true}, verdict: "no answer", within: 17 * time.Second, first: 15 * time.Second},
		{
			name: "silence after the first answer", script: relaytest.Negentropy{SilentFrom: 2},
			verdict: "in the middle", within: 17 * time.Second, first: 15 * time.Second,
		},
		{name: "another version", script: relaytest.Negentropy{Version: 0x60}, verdict: "version 0"},
		{name: "garbage once", script: relaytest.Negentropy{Garbage: "61ffff"}},
		{name: "garbage", script: relaytest.Negentropy{Garbage: "61ffff"}, filters: 2, verdict: "malformed"},
		{name: "too big", script: relaytest.Negentropy{Cap: 200}, within: lateWait},
		{name: "too big with the cap", script: relaytest.Negentropy{Cap: 200, StateCap: true}, within: lateWait},
		{name: "silently capped", script: relaytest.Negentropy{Newest: 100}, verdict: "capped"},
		{name: "ids that it does not have", script: relaytest.Negentropy{Made: made}, failed: true},
		{
			name:   "ids that it does not give by id",
			script: relaytest.Negentropy{Withhold: func(id string) bool { return id < "8" }},
		},
		{name: "fewer ids at a time", script: relaytest.Negentropy{IDsCap: 25}},
		{name: "ids without end", script: relaytest.Negentropy{Endless: true}, failed: true, within: 5 * time.Minute},
		{name: "rate limit", script: relaytest.Negentropy{Refuse: "rate-limited: slow down"}, within: 10 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.script.Speak = tt.name != "not spoken"
				g := newNegRig(t, relaytest.Options{Events: events, Negentropy: tt.script}, ours)
				began := time.Now()
				fs := []nostr.Filter{kinds(1)}
				for i := range max(0, tt.filters-1) {
					until := nostr.Timestamp(99_600 + i)
					fs = append(fs, nostr.Filter{Kinds: []int{1}, Until: &until})
				}
				g.ask(1, fs...)
				end := g.wait(1)
				require.LessOrEqual(t, time.Since(began), max(time.Second, tt.within))
				if tt.first > 0 {
					require.Equal(t, tt.first, g.relay.Requests()[0].At.Sub(began))
				}
				require.Equal(t, tt.failed, end.Filters[0].Failed, end.Err)
				require.Equal(t, !tt.failed, end.Filters[0].Done, end.Err)
				got := map[string]bool{}
				for _, id := range g.sink.ids(1) {
					got[id] = true
				}
				for _, e := range lack {
					require.True(t, got[e.ID], "everything that can be had")
				}
				if tt.verdict == "" {
					require.Empty(t, noNegentropy(g))
					return
				}
				require.Contains(t, noNegentropy(g), tt.verdict)
				asked := len(g.relay.Reconciliations())
				g.ask(2, kinds(1))
				require.Empty(t, g.wait(2).Err)
				require.Len(t, g.relay.Reconciliations(), asked, "it is not tried again on this connection")
				g.tell(SetLimits{Limits{}})
				g.ask(3, kinds(1))
				g.wait(3)
				require.Greater(t, len(g.relay.Reconciliations()), asked, "until the engine doubts it")
				g.relay.Set(func(o *relaytest.Options) { o.Negentropy = relaytest.Negentropy{Speak: true} })
				g.tell(SetLimits{Limits{}})
				g.ask(4, kinds(1))
				require.Empty(t, g.wait(4).Err)
				said := reported[Evidence](g)
				require.True(t, said[len(said)-1].Negentropy, "and hears that it answers")
			})
		})
	}
}

// A relay that refuses as too large whatever it is asked to reconcile has a filter split a bounded number of times; the rest is paged.
func TestSplitsOfABatchAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(3000, 1, 100_000)
		lack, ours := everyNth(events, 2)
		script := speaking(events)
		script.Negentropy.Cap = 2
		g := newNegRig(t, script, ours)
		since, until := events[0].CreatedAt, events[len(events)-1].CreatedAt // else most splits are empty, and the depth ends first
		g.ask(1, nostr.Filter{Kinds: []int{1}, Since: new(min(since, until)), Until: new(max(since, until))})
		end := g.wait(1)
		require.Empty(t, end.Err)
		require.GreaterOrEqual(t, len(g.sink.ids(1)), len(lack))
		n := len(g.relay.Reconciliations())
		require.Greater(t, n, maxSplits)
		require.LessOrEqual(t, n, 2*maxSplits+1)
	})
}
