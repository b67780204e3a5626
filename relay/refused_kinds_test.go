package relay

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// guarding answers like relays that guard kind 1, in the words of khatru's policies.
func guarding(reason string, notes bool) func(string, []nostr.Filter) string {
	return func(_ string, fs []nostr.Filter) string {
		for _, f := range fs {
			if f.Authors == nil && (bare(f) || (!notes && isNotes(f))) {
				return reason
			}
		}
		return ""
	}
}

const wantsAuthor = "blocked: an author must be specified to get their kind:1 notes"

func TestKindsAreStatedToWhoBarsFiltersWithout(t *testing.T) {
	for _, reason := range []string{wantsAuthor, "restricted: state kinds", "auth-required: for these kinds"} {
		for _, notes := range []bool{true, false} {
			t.Run(fmt.Sprint(reason, ", kind 1 is given: ", notes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fs, events := chunks("a", 24, 10)
					note := relaytest.Event(1, 1, 500, "note", nostr.Tag{"a", "a7-003"})
					g := newRig(t, relaytest.Options{
						Events: append(slices.Clone(events), note), RefuseREQ: guarding(reason, notes), Concurrent: true, Delay: time.Second,
					}, nil)
					fs = append(fs, kinds(30617), nostr.Filter{Kinds: []int{1, 7, 1621}, Tags: nostr.TagMap{"a": {"a7-003"}}})
					g.ask(1, fs...)
					allDone(t, g.wait(1))
					want := []Evidence{{Reason: reason, StateKinds: true}}
					if notes {
						events = append(events, note)
					} else {
						want = append(want, Evidence{Reason: reason, Tag: "kinds", Value: "1"})
					}
					require.Equal(t, want, lessEvidence(reported[Evidence](g)))
					sameIDs(t, wireIDs(events), g.sink.ids(1))
					require.Zero(t, g.sink.held)

					// Another connection knows of the kinds.
					g = newRig(t, relaytest.Options{
						Events: append(slices.Clone(events), note), RefuseREQ: guarding(reason, notes), Concurrent: true,
					}, func(o *ConnOptions) { o.Learned.StateKinds = time.Now().Add(time.Hour) })
					g.ask(1, fs...)
					allDone(t, g.wait(1))
					sameIDs(t, wireIDs(events), g.sink.ids(1))
					require.ElementsMatch(t, want[1:], lessEvidence(reported[Evidence](g)))
				})
			})
		}
	}
}

// A relay that wants a login for everything is not asked more than that once.
func TestStatingKindsIsTriedOnceWhereItIsOfNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, _ := chunks("a", 4, 10)
		g := newRig(t, relaytest.Options{RefuseREQ: func(string, []nostr.Filter) string { return "auth-required: log in" }}, nil)
		for id, reqs := range []int{3, 1, 1} {
			before := len(g.relay.Requests())
			g.ask(BatchID(id+1), fs...)
			end := g.wait(BatchID(id + 1))
			require.Equal(t, "closed: auth-required: log in", end.Err)
			for _, f := range end.Filters {
				require.True(t, f.Failed)
			}
			require.Len(t, g.relay.Requests(), before+reqs)
		}
		require.Empty(t, reported[Evidence](g))
		require.Zero(t, g.sink.held)
	})
}

// What is barred in passing teaches nothing.
func TestABarredREQIsAskedOnceMoreAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 4, 10)
		asked := 0
		g := newRig(t, relaytest.Options{Events: events, RefuseREQ: func(string, []nostr.Filter) string {
			if asked++; asked == 1 {
				return wantsAuthor
			}
			return ""
		}}, nil)
		g.ask(1, fs...)
		allDone(t, g.wait(1))
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		require.Empty(t, reported[Evidence](g))
	})
}

// Kind 1 counts as not given only where other kinds are.
func TestABarredNoteIsNoProofByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, _ := chunks("a", 4, 10)
		g := newRig(t, relaytest.Options{RefuseREQ: func(string, []nostr.Filter) string { return "auth-required: log in" }},
			func(o *ConnOptions) { o.Learned.StateKinds = time.Now().Add(time.Hour) })
		g.ask(1, fs...)
		require.Equal(t, "closed: auth-required: log in", g.wait(1).Err)
		require.Empty(t, reported[Evidence](g))
		require.Len(t, g.relay.Requests(), 3, "kind 1 was asked once more behind the others")
	})
}

func TestAncestorsAreAskedWithoutKinds(t *testing.T) {
	for name, refuse := range map[string]func(string, []nostr.Filter) string{
		"only others need kinds": refuseFilters(func(f nostr.Filter) bool { return f.IDs == nil && f.Kinds == nil }),
		"they need them, too":    refuseFilters(func(f nostr.Filter) bool { return f.Kinds == nil }),
		"they are barred":        guarding(wantsAuthor, true),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, events := chunks("a", 2, 10)
				odd := relaytest.Event(1, 30023, 400, "of an unlisted kind")
				g := newRig(t, relaytest.Options{Events: append(slices.Clone(events), odd), RefuseREQ: refuse}, nil)
				g.ask(1, fs...)
				allDone(t, g.wait(1))
				g.ask(2, nostr.Filter{IDs: []string{odd.ID, events[3].ID}})
				allDone(t, g.wait(2))
				want := []string{events[3].ID}
				if name == "only others need kinds" {
					want = append(want, odd.ID)
				}
				sameIDs(t, want, g.sink.ids(2))
				before := len(g.relay.Requests())
				g.ask(3, nostr.Filter{IDs: []string{odd.ID, events[3].ID}})
				allDone(t, g.wait(3))
				require.LessOrEqual(t, len(g.relay.Requests())-before, 4, "nothing is tried again")
			})
		})
	}
}

// A rate signal says nothing about the part of a search that it met.
func TestASearchSurvivesRateSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 6, 50)
		asked := 0
		g := newRig(t, relaytest.Options{Events: events, RefuseREQ: func(sub string, fs []nostr.Filter) string {
			if asked++; asked == 4 || asked == 5 {
				return "rate-limited: slow down"
			}
			return refuseFilters(func(f nostr.Filter) bool { return has(f, "a", "a2-030") })(sub, fs)
		}}, nil)
		start := time.Now()
		g.ask(1, fs...)
		allDone(t, g.wait(1))
		require.Equal(t, []Evidence{{Reason: badReq, Tag: "a", Value: "a2-030"}}, lessEvidence(reported[Evidence](g)))
		require.Greater(t, time.Since(start), 2*time.Minute, "each is waited for")
		require.Len(t, reported[Limited](g), 2)

		g.relay.Set(func(o *relaytest.Options) {
			n := 0
			o.RefuseREQ = func(string, []nostr.Filter) string {
				if n++; n < 3 {
					return badReq
				}
				return "rate-limited: slow down"
			}
		})
		before := len(g.relay.Requests())
		g.ask(2, fs...)
		require.Contains(t, g.wait(2).Err, "rate-limited", "not for ever")
		require.LessOrEqual(t, len(g.relay.Requests())-before, 20)
	})
}
