package relay

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

const badReq = "ERROR: bad req: filter item too large"

// refuseFilters refuses a REQ for one of its filters.
func refuseFilters(bad func(nostr.Filter) bool) func(string, []nostr.Filter) string {
	return func(_ string, fs []nostr.Filter) string {
		if slices.ContainsFunc(fs, bad) {
			return badReq
		}
		return ""
	}
}

func has(f nostr.Filter, tag, value string) bool { return slices.Contains(f.Tags[tag], value) }

func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return out
}

// chunks gives filters by one tag of so many values each, and an event for every value.
func chunks(tag string, n, values int) (fs []nostr.Filter, events []nostr.Event) {
	for i := range n {
		vs := numbered(fmt.Sprint(tag, i, "-"), values)
		fs = append(fs, tagged(tag, vs...))
		for j, v := range vs {
			events = append(events, relaytest.Event(1, 1621, int64(10_000-100*i-j), v, nostr.Tag{tag, v}))
		}
	}
	return fs, events
}

// allDone wants every filter answered in full.
func allDone(t *testing.T, m Mark) {
	t.Helper()
	require.Empty(t, m.Err)
	for i, f := range m.Filters {
		require.True(t, f.Done && !f.Failed, "filter %d: %+v", i, f)
	}
}

func lessEvidence(es []Evidence) []Evidence {
	out := slices.Clone(es)
	for i := range out {
		out[i].ID, out[i].At = 0, time.Time{}
	}
	return out
}

func butThose(events []nostr.Event, content ...string) []nostr.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e nostr.Event) bool { return slices.Contains(content, e.Content) })
}

func TestARefusedValueIsSetAside(t *testing.T) {
	for _, tt := range []struct {
		name   string
		poison []string
	}{
		{"one", []string{"a3-042"}},
		{"the first", []string{"a0-000"}},
		{"the last", []string{"a5-049"}},
		{"several", []string{"a1-003", "a1-004", "a4-049"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, events := chunks("a", 6, 50)
				g := newRig(t, relaytest.Options{
					Events: events,
					RefuseREQ: refuseFilters(func(f nostr.Filter) bool {
						return slices.ContainsFunc(tt.poison, func(v string) bool { return has(f, "a", v) })
					}),
				}, nil)
				g.ask(1, fs...)
				allDone(t, g.wait(1))
				var want []Evidence
				for _, v := range tt.poison {
					want = append(want, Evidence{Reason: badReq, Tag: "a", Value: v})
				}
				require.ElementsMatch(t, want, lessEvidence(reported[Evidence](g)))
				sameIDs(t, wireIDs(butThose(events, tt.poison...)), g.sink.ids(1))
				require.LessOrEqual(t, len(g.relay.Requests()), 70)
				require.Zero(t, g.sink.held)
				require.Empty(t, reported[Offended](g))

				before := len(g.relay.Requests())
				g.ask(2, tagged("a", "a2-001"), tagged("a", "a2-002"))
				allDone(t, g.wait(2))
				require.LessOrEqual(t, len(g.relay.Requests())-before, 4, "nothing was learned of sizes")
			})
		})
	}
}

func TestALoneRefusedValueIsComparedWithOneThatWasTaken(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after func(nostr.Filter) bool // what is refused in the end
		aside bool
	}{
		{"the value", func(f nostr.Filter) bool { return has(f, "a", "poison") }, true},
		{"everything", func(nostr.Filter) bool { return true }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, events := chunks("a", 1, 20)
				g := newRig(t, relaytest.Options{Events: events}, nil)
				g.ask(1, fs...)
				allDone(t, g.wait(1))
				before := len(g.relay.Requests())
				g.relay.Set(func(o *relaytest.Options) { o.RefuseREQ = refuseFilters(tt.after) })
				g.ask(2, tagged("a", "poison"))
				end := g.wait(2)
				if tt.aside {
					allDone(t, end)
					require.Equal(t, []Evidence{{Reason: badReq, Tag: "a", Value: "poison"}}, lessEvidence(reported[Evidence](g)))
				} else {
					require.Equal(t, "closed: "+badReq, end.Err)
					require.True(t, end.Filters[0].Failed)
					require.Empty(t, reported[Evidence](g))
				}
				asked := map[bool]int{true: 4, false: 3}[tt.aside] // the value once more in the end
				require.Len(t, g.relay.Requests(), before+asked)
				require.Empty(t, g.sink.ids(2), "the comparison brings nothing")
				require.Zero(t, g.sink.held)
			})
		})
	}
}

func TestAValueIsAskedOnceMoreBeforeItIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 1, 20)
		late := relaytest.Event(1, 1621, 5, "late", nostr.Tag{"a", "moody"})
		refusals := 0
		g := newRig(t, relaytest.Options{Events: append(events, late), RefuseREQ: refuseFilters(func(f nostr.Filter) bool {
			if has(f, "a", "moody") {
				refusals++
			}
			return has(f, "a", "moody") && refusals <= 2
		})}, nil)
		g.ask(1, fs...)
		allDone(t, g.wait(1))
		g.ask(2, tagged("a", "moody"))
		allDone(t, g.wait(2))
		require.Equal(t, []string{late.ID}, g.sink.ids(2))
		require.Empty(t, reported[Evidence](g))
	})
}

func TestAValueThatWasTakenIsNotComparedWithItself(t *testing.T) {
	f, ok := otherValue(tagged("a", "x", "y", "z"), "x")
	require.True(t, ok)
	require.Equal(t, []string{"y"}, f.Tags["a"])
	_, ok = otherValue(tagged("a", "x"), "x")
	require.False(t, ok)
	_, ok = otherValue(nostr.Filter{}, "x")
	require.False(t, ok)
}

func TestOneRefusalInPassingTeachesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 4, 20)
		var asked atomic.Int64
		g := newRig(t, relaytest.Options{Events: events, RefuseREQ: func(string, []nostr.Filter) string {
			if asked.Add(1) == 1 {
				return "error: could not query the database"
			}
			return ""
		}}, nil)
		g.ask(1, fs...)
		allDone(t, g.wait(1))
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		require.Empty(t, reported[Evidence](g))
		require.Len(t, g.relay.Requests()[1].Filters, len(fs), "as it was")
	})
}

func TestFewerFiltersAreLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 40, 2)
		g := newRig(t, relaytest.Options{Events: events, MaxFilters: 3}, nil)
		g.ask(1, fs...)
		allDone(t, g.wait(1))
		require.Equal(t, []Evidence{{Reason: "ERROR: bad req: arr too big", FiltersPerREQ: 3}}, lessEvidence(reported[Evidence](g)))
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		requests := g.relay.Requests()
		refused := 0
		for _, r := range requests {
			if len(r.Filters) > 3 {
				refused++
			}
		}
		require.LessOrEqual(t, refused, 8, "what was asked by then, and one search")

		g.ask(2, fs...)
		allDone(t, g.wait(2))
		for _, r := range g.relay.Requests()[len(requests):] {
			require.LessOrEqual(t, len(r.Filters), 3)
		}
		require.Len(t, reported[Evidence](g), 1)
	})
}

func TestSmallerMessagesAreLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 3, 600)
		g := newRig(t, relaytest.Options{
			Events: events,
			RefuseREQ: func(sub string, fs []nostr.Filter) string {
				if filters.MessageBytes(sub, fs) > 5000 {
					return "error: message too large"
				}
				return ""
			},
		}, nil)
		g.ask(1, fs...)
		allDone(t, g.wait(1))
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		evidence := reported[Evidence](g)
		require.Len(t, evidence, 1)
		require.GreaterOrEqual(t, evidence[0].MessageBytes, 4<<10)
		require.LessOrEqual(t, evidence[0].MessageBytes, 5000)
		before := len(g.relay.Requests())
		g.ask(2, fs...)
		allDone(t, g.wait(2))
		for _, r := range g.relay.Requests()[before:] {
			require.LessOrEqual(t, filters.MessageBytes(r.Sub, r.Filters), 5000)
		}
	})
}

func TestKindsAreStatedWhereTheyAreWanted(t *testing.T) {
	needKinds := func(notes bool) func(string, []nostr.Filter) string {
		return refuseFilters(func(f nostr.Filter) bool { return f.Kinds == nil || (!notes && isNotes(f)) })
	}
	for _, notes := range []bool{true, false} {
		t.Run(fmt.Sprint("kind 1 is given: ", notes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, events := chunks("a", 12, 10)
				note := relaytest.Event(1, 1, 500, "note", nostr.Tag{"a", "a7-003"})
				g := newRig(t, relaytest.Options{Events: append(slices.Clone(events), note), RefuseREQ: needKinds(notes)}, nil)
				g.ask(1, append(fs, kinds(30617))...)
				allDone(t, g.wait(1))
				want := []Evidence{{Reason: badReq, StateKinds: true}}
				if notes {
					events = append(events, note)
				} else {
					want = append(want, Evidence{Reason: badReq, Tag: "kinds", Value: "1"})
				}
				require.Equal(t, want, lessEvidence(reported[Evidence](g)))
				sameIDs(t, wireIDs(events), g.sink.ids(1))
				require.LessOrEqual(t, len(g.relay.Requests()), 60)

				before := len(g.relay.Requests())
				g.ask(2, fs...)
				allDone(t, g.wait(2))
				for _, r := range g.relay.Requests()[before:] {
					for _, f := range r.Filters {
						require.NotNil(t, f.Kinds)
					}
				}
				require.Len(t, reported[Evidence](g), len(want))
				require.Len(t, g.sink.ids(2), len(events))
			})
		})
	}
}

func TestLearnedKindsAreStatedFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 2, 10)
		g := newRig(t, relaytest.Options{
			Events: events, RefuseREQ: refuseFilters(func(f nostr.Filter) bool { return f.Kinds == nil }),
		}, func(o *ConnOptions) { o.Learned.StateKinds = time.Now().Add(time.Hour) })
		require.False(t, reported[Up](g)[0].Limits.StateKinds, "what was learned is not what is stated")
		g.ask(1, fs...)
		end := g.wait(1)
		allDone(t, end)
		require.Len(t, end.Filters, 2)
		require.Empty(t, reported[Evidence](g))
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		for _, r := range g.relay.Requests() {
			one := isNotes(r.Filters[0])
			for _, f := range r.Filters {
				require.Equal(t, one, isNotes(f), "kind 1 shares no REQ")
			}
		}

		g.relay.Set(func(o *relaytest.Options) { o.RefuseREQ = nil })
		l := AssumedLimits()
		g.tell(SetLimits{l})
		before := len(g.relay.Requests())
		g.ask(2, fs...)
		allDone(t, g.wait(2))
		for _, r := range g.relay.Requests()[before:] {
			require.Nil(t, r.Filters[0].Kinds)
		}
	})
}

func TestARelayThatRefusesEverythingIsNotAskedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fs []nostr.Filter
		for _, tag := range []string{"a", "A", "q", "e", "E"} {
			more, _ := chunks(tag, 10, 100)
			fs = append(fs, more...)
		}
		g := newRig(t, relaytest.Options{RefuseREQ: refuseFilters(func(nostr.Filter) bool { return true })}, nil)
		g.ask(1, fs...)
		end := g.wait(1)
		require.True(t, strings.HasPrefix(end.Err, "closed: "+badReq), end.Err)
		for _, f := range end.Filters {
			require.True(t, f.Failed)
		}
		require.LessOrEqual(t, len(g.relay.Requests()), 40)
		require.Empty(t, reported[Evidence](g))
		require.Zero(t, g.sink.held)
		before := len(g.relay.Requests())
		g.ask(2, fs...)
		g.wait(2)
		require.LessOrEqual(t, len(g.relay.Requests())-before, 10, "once a group")
	})
}

// A relay that takes no filter by some tags at all: those by the others are answered.
func TestATagThatIsNeverTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upper, _ := chunks("A", 30, 100)
		lower, events := chunks("a", 3, 10)
		g := newRig(t, relaytest.Options{
			Events: events, RefuseREQ: refuseFilters(func(f nostr.Filter) bool { return len(f.Tags["A"]) > 0 }),
		}, nil)
		g.ask(1, append(upper, lower...)...)
		end := g.wait(1)
		require.Equal(t, "closed: "+badReq, end.Err)
		for i, f := range end.Filters {
			require.Equal(t, i < 30, f.Failed)
		}
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		require.LessOrEqual(t, len(g.relay.Requests()), 40)
		require.Empty(t, reported[Evidence](g))

		asked := func(id BatchID) int {
			before := len(g.relay.Requests())
			g.ask(id, upper[0])
			g.wait(id)
			return len(g.relay.Requests()) - before
		}
		require.Equal(t, 1, asked(2), "it was searched in vain")
		g.tell(SetLimits{AssumedLimits()})
		require.Greater(t, asked(3), 1, "and is again when all is forgotten")
	})
}

func TestASearchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 10, 100)
		g := newRig(t, relaytest.Options{Events: events, RefuseREQ: refuseFilters(func(f nostr.Filter) bool {
			return len(f.Tags["a"]) > 1 || (len(f.Tags["a"]) == 1 && f.Tags["a"][0][5]%2 == 0)
		})}, nil)
		g.ask(1, fs...)
		end := g.wait(1)
		require.Contains(t, end.Err, badReq)
		n := len(g.relay.Requests()) // what is taken is paged, too
		require.LessOrEqual(t, n, 3*maxExtra/2)
		require.Greater(t, n, maxExtra/2)
		require.Zero(t, g.sink.held)
	})
}

func TestWhatIsNoComplaintAboutFilters(t *testing.T) {
	for reason, reqs := range map[string]int{
		"rate-limited: slow down":                  1 + maxLater,
		"error: too many concurrent subscriptions": 1,
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, _ := chunks("a", 4, 10)
				g := newRig(t, relaytest.Options{RefuseREQ: func(string, []nostr.Filter) string { return reason }}, nil)
				g.ask(1, fs...)
				require.Equal(t, "closed: "+reason, g.wait(1).Err)
				for _, r := range g.relay.Requests() {
					require.Len(t, r.Filters, len(fs))
				}
				require.Len(t, g.relay.Requests(), reqs)
				require.Empty(t, reported[Evidence](g))
			})
		})
	}
}

func TestASearchThatIsCutShort(t *testing.T) {
	poisoned := refuseFilters(func(f nostr.Filter) bool { return has(f, "a", "a1-005") })
	for _, tt := range []struct {
		name string
		cut  func(*rig)
		err  string
	}{
		{"cancelled", func(g *rig) { g.tell(CancelBatch{1}) }, "cancelled"},
		{"connection lost", func(g *rig) { g.relay.Drop() }, "connection lost: lost"},
		{"no answer", func(g *rig) { g.relay.Set(func(o *relaytest.Options) { o.Delay = time.Hour }) }, "no answer in 15s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, events := chunks("a", 4, 20)
				g := newRig(t, relaytest.Options{Events: events, Delay: time.Second, RefuseREQ: poisoned}, nil)
				g.ask(1, fs...)
				time.Sleep(3500 * time.Millisecond)
				tt.cut(g)
				require.Contains(t, g.wait(1).Err, tt.err)
				require.Zero(t, g.sink.held)
			})
		})
	}
}

// Other batches go on while one is searched, and one that is refused for the same reason waits for what is found out.
func TestASearchHoldsUpNoOtherBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 10, 50)
		notes := relaytest.Notes(30, 7, 900)
		g := newRig(t, relaytest.Options{
			Events: append(events, notes...), Delay: time.Second, Concurrent: true,
			RefuseREQ: refuseFilters(func(f nostr.Filter) bool { return has(f, "a", "a9-049") }),
		}, nil)
		start := time.Now()
		g.ask(1, fs...)
		time.Sleep(1500 * time.Millisecond)
		g.ask(2, kinds(7))
		allDone(t, g.wait(2))
		require.Less(t, time.Since(start), 4*time.Second)
		require.Nil(t, g.sink.final(1))
		allDone(t, g.wait(1))
		require.Len(t, g.sink.ids(1), len(events)-1)
	})
}
