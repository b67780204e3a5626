package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// fault is a relay that does not page as NIP-01 says, and what becomes of a batch there.
type fault struct {
	name   string
	script relaytest.Options // of thirty notes when it has no events
	opts   func(*ConnOptions)
	asked  []nostr.Filter // kind 1
	err    string         // of the batch
	failed []int          // filters; with err and none here: all
	gap    bool           // of the first filter
	after  time.Duration  // the final mark comes then, of virtual time
	lacks  int            // events that cannot be had, or not in this batch
	more   int            // events that were made up
	charge string         // the one offence
	slower int            // rate signals told
	mode   string         // why it is not reconciled any more
}

// ties are n events of a kind, so many of each second, from 5000 down.
func ties(n, kind, each int) []nostr.Event {
	out := make([]nostr.Event, n)
	for i := range out {
		out[i] = relaytest.Event(1, kind, 5000-int64(i/each), fmt.Sprint("tie ", kind, i))
	}
	return out
}

// inAll caps the events of a whole REQ.
func inAll(n int, newestFirst bool) relaytest.Spoil {
	return func(_ int, _ []nostr.Filter, a relaytest.Answer) relaytest.Answer {
		if newestFirst {
			slices.SortStableFunc(a.Events, func(x, y nostr.Event) int { return int(y.CreatedAt - x.CreatedAt) })
		}
		a.Events = a.Events[:min(n, len(a.Events))]
		return a
	}
}

// always changes every answer.
func always(change func(*relaytest.Answer)) relaytest.Spoil {
	return func(_ int, _ []nostr.Filter, a relaytest.Answer) relaytest.Answer {
		change(&a)
		return a
	}
}

// onceAt changes the nth answer.
func onceAt(nth int, change func(*relaytest.Answer)) relaytest.Spoil {
	return func(n int, _ []nostr.Filter, a relaytest.Answer) relaytest.Answer {
		if n == nth {
			change(&a)
		}
		return a
	}
}

// hurried sends EOSE behind so many events.
func hurried(n int) func(*relaytest.Answer) {
	return func(a *relaytest.Answer) {
		n := min(n, len(a.Events))
		a.Events, a.Late = a.Events[:n], a.Events[n:]
	}
}

func closing(n int, reason string) func(*relaytest.Answer) {
	return func(a *relaytest.Answer) { a.Events, a.Closed = a.Events[:min(n, len(a.Events))], reason }
}

func backwards(a *relaytest.Answer) { slices.Reverse(a.Events) }

var (
	foreignNotes = relaytest.Notes(20, 9, 1000)
	root         = nostr.Tag{"E", "root"}
	parent       = nostr.Tag{"e", "root"}
	eitherTag    = []nostr.Filter{{Tags: nostr.TagMap{"E": {"root"}}}, {Tags: nostr.TagMap{"e": {"root"}}}}
	dense        = slices.Concat(relaytest.Notes(180, 1, 5000), relaytest.Notes(170, 7, 4000), relaytest.Notes(3, 1617, 40))
	denseSparse  = []nostr.Filter{kinds(1), kinds(7), kinds(1617), kinds(1618)}
)

var faults = []fault{
	// Pages.
	{name: "honest"},
	{name: "holds nothing", asked: historicKinds(5), lacks: 30, after: lateWait},
	{name: "no cap in reach", script: relaytest.Options{Events: dense, PageCap: 1000}, asked: denseSparse},
	{name: "cap of 50", script: relaytest.Options{Events: dense, PageCap: 50}, asked: denseSparse},
	{
		name: "cap of 50, stated", asked: denseSparse,
		script: relaytest.Options{Events: dense, PageCap: 50, Document: `{"limitation":{"max_limit":50}}`},
	},
	{name: "cap of 2", script: relaytest.Options{Events: dense, PageCap: 2}, asked: denseSparse, after: 4 * time.Second}, // our pace
	{name: "cap of 40 for all filters", script: relaytest.Options{Events: dense, Spoil: inAll(40, false)}, asked: denseSparse},
	{name: "cap of 40 for the newest", script: relaytest.Options{Events: dense, Spoil: inAll(40, true)}, asked: denseSparse},
	{name: "every message in a goroutine", script: relaytest.Options{Events: dense, PageCap: 50, Concurrent: true}, asked: denseSparse},
	{name: "slow", script: relaytest.Options{Delay: 10 * time.Second}, after: 20 * time.Second},
	{
		name: "far away, with a second larger than a page that cannot be narrowed", gap: true, lacks: 5, after: time.Second,
		script: relaytest.Options{
			Events: append(relaytest.Notes(150, 1, 5025), ties(12, 1, 12)...), PageCap: 8, Delay: 100 * time.Millisecond, Concurrent: true,
		},
	},
	{name: "pages end between ties", script: relaytest.Options{Events: ties(60, 1, 4), PageCap: 10}},
	{
		name: "a second larger than a page", asked: historicKinds(1, 7),
		script: relaytest.Options{Events: slices.Concat(ties(7, 1, 7), ties(7, 7, 7), relaytest.Notes(9, 1, 3000)), PageCap: 8},
	},
	{
		name: "a second larger than a page that cannot be narrowed", gap: true, lacks: 4,
		script: relaytest.Options{Events: append(ties(12, 1, 12), relaytest.Notes(9, 1, 3000)...), PageCap: 8},
	},
	{name: "until is exclusive", script: relaytest.Options{PageCap: 10, BeforeUntil: true}},
	{
		name: "events of both filters end neither", asked: eitherTag,
		script: relaytest.Options{PageCap: 30, Events: slices.Concat(
			relaytest.Notes(60, 1111, 9000, root, parent), relaytest.Notes(80, 1111, 5000, root), relaytest.Notes(80, 1111, 400, parent),
			relaytest.Notes(2, 1111, 100, root, parent))},
	},

	// Hints.
	{name: "finish", script: relaytest.Options{Hint: "finish"}},
	{name: "finish at our own limit", script: relaytest.Options{Events: relaytest.Notes(700, 1, 5000), PageCap: 5000, Hint: "finish"}},
	{name: "more, until it is true no more", script: relaytest.Options{PageCap: 10, Spoil: func(_ int, fs []nostr.Filter, a relaytest.Answer) relaytest.Answer {
		a.Hint = "finish"
		if fs[0].Until == nil || *fs[0].Until > 4973 {
			a.Hint = "more"
		}
		return a
	}}},
	{name: "more, and gives none", script: relaytest.Options{Hint: "more"}, err: "withheld"},

	// Until and limit.
	{name: "ignores until", script: relaytest.Options{IgnoreUntil: true}, err: "unpageable", charge: OffenceUnpageable},
	{name: "ignores until beyond its cap", script: relaytest.Options{IgnoreUntil: true, PageCap: 10}, err: "unpageable", charge: OffenceUnpageable, lacks: 20},
	{ // what comes beyond the pages is read at the pace of live events
		name: "ignores limits", after: 1800 * time.Millisecond,
		script: relaytest.Options{Events: relaytest.Notes(1500, 1, 5000), IgnoreLimit: true},
	},
	{
		name: "ignores limits of several filters", asked: denseSparse,
		script: relaytest.Options{Events: dense, IgnoreLimit: true, Document: `{"limitation":{"max_limit":20}}`},
	},
	{
		name: "ignores limits, a second at a time", after: lateWait, gap: true, lacks: 98,
		script: relaytest.Options{
			Events: append(relaytest.Notes(50, 1, 6000), ties(132, 1, 132)...), IgnoreLimit: true, Document: `{"limitation":{"max_limit":1}}`,
		},
	},
	{
		name: "ignores limits, oldest first", err: moreThanAsked, charge: OffenceEndless, lacks: 700 - 532,
		script: relaytest.Options{Events: relaytest.Notes(700, 1, 5000), IgnoreLimit: true, Spoil: always(backwards)},
	},
	{
		name: "ignores limits and until", err: "unpageable", charge: OffenceUnpageable, lacks: 700 - 532,
		script: relaytest.Options{Events: relaytest.Notes(700, 1, 5000), IgnoreLimit: true, IgnoreUntil: true},
	},

	// EOSE.
	{name: "EOSE early", script: relaytest.Options{PageCap: 10, EarlyEOSE: true}, after: 5 * lateWait},
	{name: "EOSE early, twice", script: relaytest.Options{PageCap: 10, EarlyEOSE: true, DoubleEOSE: true}},
	{name: "EOSE in the middle", script: relaytest.Options{PageCap: 10, Spoil: always(hurried(3))}, after: 5 * lateWait},
	{name: "EOSE behind the first event", script: relaytest.Options{PageCap: 10, Spoil: always(hurried(1))}, after: 5 * lateWait},
	{name: "EOSE early, a second before the events", after: 5 * (lateWait + time.Second), script: relaytest.Options{
		PageCap: 10, Spoil: always(func(a *relaytest.Answer) { hurried(0)(a); a.After = time.Second }),
	}},
	{
		name: "EOSE in the middle of every other page", asked: denseSparse, after: 13 * lateWait,
		script: relaytest.Options{Events: dense, PageCap: 20, Spoil: func(n int, _ []nostr.Filter, a relaytest.Answer) relaytest.Answer {
			if n%2 == 0 {
				hurried(0)(&a)
			}
			return a
		}},
	},
	{name: "EOSE twice", script: relaytest.Options{PageCap: 10, DoubleEOSE: true}},
	{name: "EOSE never", script: relaytest.Options{PageCap: 10, NoEOSE: true}, err: "silent for 30s", after: 5 * 30 * time.Second},
	{
		name: "EOSE never, other waits", script: relaytest.Options{NoEOSE: true}, err: "silent for 3s", after: 6 * time.Second,
		opts: func(o *ConnOptions) { o.Limits.IdleWait = 3 * time.Second },
	},
	{name: "EOSE never, once", script: relaytest.Options{PageCap: 10, Spoil: onceAt(2, func(a *relaytest.Answer) { a.Open = true })}, after: 30 * time.Second},
	{
		name: "EOSE never, oldest first", err: "silent for 30s", after: 30 * time.Second, lacks: 20,
		script: relaytest.Options{PageCap: 10, NoEOSE: true, Spoil: always(backwards)},
	},
	{name: "no answer", script: relaytest.Options{Delay: time.Hour}, err: "no answer in 15s", after: 15 * time.Second, lacks: 30},

	// CLOSED.
	{
		name: "CLOSED for all", script: relaytest.Options{RefuseREQ: func(string, []nostr.Filter) string { return "ERROR: bad req: x" }},
		err: "closed: ERROR: bad req: x", lacks: 30,
	},
	{
		name: "CLOSED for some filters", asked: []nostr.Filter{kinds(7), kinds(1), kinds(7, 8)}, opts: func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 },
		script: relaytest.Options{RefuseREQ: func(_ string, fs []nostr.Filter) string {
			if fs[0].Kinds[0] == 7 {
				return "ERROR: bad req: no kind 7"
			}
			return ""
		}},
		err: "closed: ERROR: bad req: no kind 7", failed: []int{0, 2},
	},
	{name: "CLOSED in the middle of pages", script: relaytest.Options{CloseAfter: 10, CloseReason: "error: that is enough"}},
	{
		name: "CLOSED in place of EOSE", script: relaytest.Options{PageCap: 10, Spoil: always(closing(10, "error: that is enough"))},
		err: "closed: error: that is enough",
	},
	{
		name: "CLOSED in the middle, oldest first", lacks: 20, err: "closed: error: that is enough",
		script: relaytest.Options{Spoil: always(func(a *relaytest.Answer) { backwards(a); closing(10, "error: that is enough")(a) })},
	},
	{name: "relay goes", script: relaytest.Options{DropAfter: 10}, err: "connection lost: lost", lacks: 20},

	// Pace.
	{
		name: "rate limit for all", script: relaytest.Options{RateLimited: true}, after: maxLater * 65 * time.Second,
		err: "closed: rate-limited: slow down, please", slower: 1 + maxLater, lacks: 30,
	},
	{
		name: "rate limit between pages", after: 65 * time.Second, slower: 1,
		script: relaytest.Options{PageCap: 10, Spoil: onceAt(2, closing(0, "rate-limited: slow down"))},
	},
	{
		name: "rate limit in the middle of a page", after: 65 * time.Second, slower: 1,
		script: relaytest.Options{PageCap: 10, Spoil: onceAt(2, closing(5, "rate-limited: slow down"))},
	},
	{
		name: "rate limit at every other REQ", after: 5 * 65 * time.Second, slower: 5,
		script: relaytest.Options{PageCap: 10, Spoil: func(n int, _ []nostr.Filter, a relaytest.Answer) relaytest.Answer {
			if n%2 == 1 {
				closing(0, "rate-limited: slow down")(&a)
			}
			return a
		}},
	},

	// What was not asked for.
	{name: "foreign events once", script: relaytest.Options{Spoil: onceAt(1, add(foreignNotes[:3]))}, charge: OffenceOffFilter},
	{name: "foreign events in every page", script: relaytest.Options{OffFilter: foreignNotes[:3]}, err: "unpageable", charge: OffenceOffFilter},
	{
		name: "many foreign events", script: relaytest.Options{OffFilter: foreignNotes}, err: "events that were not asked for",
		charge: OffenceOffFilter,
	},
	{name: "foreign events behind EOSE", script: relaytest.Options{Spoil: always(func(a *relaytest.Answer) { a.Late = foreignNotes })}},
	{name: "known events behind EOSE", after: 2 * lateWait, script: relaytest.Options{Spoil: always(func(a *relaytest.Answer) { a.Late = a.Events })}},
	{name: "a forged event", script: relaytest.Options{Spoil: onceAt(1, add([]nostr.Event{forgedNote()}))}, charge: OffenceForged},

	// No end.
	{name: "endless", script: relaytest.Options{Endless: true}, err: moreThanAsked, charge: OffenceEndless, gap: true, lacks: 30, more: madeUp},
	{
		name: "endless behind EOSE", script: relaytest.Options{Endless: true, EarlyEOSE: true}, err: moreThanAsked,
		charge: OffenceEndless, gap: true, lacks: 30, more: madeUp,
	},
	{name: "one event for ever", err: moreThanAsked, charge: OffenceEndless, script: relaytest.Options{
		Events: relaytest.Notes(1, 1, 5000), Spoil: always(func(a *relaytest.Answer) { a.Events = slices.Repeat(a.Events, 600) }),
	}},
}

// madeUp is what an endless relay gives before it is left: in some of the pages the same as before.
const madeUp = 4787

// A relay that takes its time behind EOSE is given more; what was believed to be all is asked again.
func TestEventsThatComeLongAfterEOSE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(30, 1, 5000)
		g := newRig(t, relaytest.Options{Events: notes, PageCap: 10, Spoil: always(func(a *relaytest.Answer) {
			hurried(0)(a)
			a.After = 5 * time.Second
		})}, nil)
		for id, told := range []int{1, 2, 2} {
			g.ask(BatchID(id+1), kinds(1))
			allDone(t, g.wait(BatchID(id+1)))
			time.Sleep(10 * time.Second)
			require.Len(t, lessEvidence(reported[Evidence](g)), told)
		}
		require.Equal(t, Evidence{Reason: whyLate, Late: true}, lessEvidence(reported[Evidence](g))[0])
		require.Len(t, g.sink.ids(3), 30)
		require.Empty(t, reported[Offended](g))
	})
}

// While the batch is open its filter is asked once more, and has failed when that is not enough.
func TestEventsBehindEOSEOfAnOpenBatch(t *testing.T) {
	for after, failed := range map[time.Duration]bool{time.Second: false, 5 * time.Second: true} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				notes := relaytest.Notes(30, 1, 5000)
				g := newRig(t, relaytest.Options{Events: notes, PageCap: 10}, func(o *ConnOptions) { o.Limits.FiltersPerREQ = 1 })
				g.prove()
				g.relay.Set(func(o *relaytest.Options) {
					o.Spoil = func(_ int, fs []nostr.Filter, a relaytest.Answer) relaytest.Answer {
						if a.Open = fs[0].Kinds[0] == 7; !a.Open {
							hurried(0)(&a)
							a.After = after
						}
						return a
					}
				})
				g.ask(1, kinds(1), kinds(7))
				end := g.wait(1)
				require.True(t, end.Filters[1].Failed)
				require.Equal(t, failed, end.Filters[0].Failed, end.Err)
				require.Equal(t, !failed, end.Filters[0].Done)
				if failed {
					require.Equal(t, whyLate+" (and 1 more)", end.Err)
					return
				}
				sameIDs(t, wireIDs(notes), slices.Compact(slices.Sorted(slices.Values(append(g.sink.ids(0), g.sink.ids(1)...)))))
			})
		})
	}
}

func add(events []nostr.Event) func(*relaytest.Answer) {
	return func(a *relaytest.Answer) { a.Events = append(a.Events, events...) }
}

func forgedNote() nostr.Event {
	e := relaytest.Event(1, 1, 4000, "true")
	e.Content = "false"
	return e
}

// Whatever a relay does, its batch has an end in time and the right verdict, everything that can be had has come, and the relay
// is charged with what no honest one does.
func TestHostilePaging(t *testing.T) {
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.run(t) })
		})
	}
}

func (tt fault) run(t *testing.T) {
	if tt.script.Events == nil {
		tt.script.Events = relaytest.Notes(30, 1, 5000)
	}
	if tt.asked == nil {
		tt.asked = historicKinds(1)
	}
	g := newRig(t, tt.script, tt.opts)
	start := time.Now()
	g.ask(1, tt.asked...)
	end := g.wait(1)
	require.InDelta(t, tt.after, g.sink.at[len(g.sink.at)-1].Sub(start), float64(200*time.Millisecond), "its time")

	require.Equal(t, tt.err, end.Err)
	require.Len(t, end.Filters, len(tt.asked))
	for i, f := range end.Filters {
		failed := tt.err != "" && (tt.failed == nil || slices.Contains(tt.failed, i))
		require.Equal(t, failed, f.Failed, "filter %d", i)
		require.Equal(t, !failed, f.Done, "filter %d", i)
		require.Equal(t, tt.gap && i == 0, f.Gap, "filter %d", i)
	}
	got := append(g.sink.ids(1), g.sink.ids(0)...)
	had := 0
	for _, e := range tt.script.Events {
		if slices.Contains(got, e.ID) {
			had++
		}
	}
	require.Equal(t, len(tt.script.Events)-tt.lacks, had, "events that can be had")
	require.Equal(t, had+tt.more, len(slices.Compact(slices.Sorted(slices.Values(got)))), "and no others") //nolint:testifylint // Len would print them all

	var charged []string
	for _, o := range reported[Offended](g) {
		charged = append(charged, o.Kind)
	}
	require.Equal(t, tt.charge, strings.Join(charged, ", "))
	require.Len(t, reported[Limited](g), tt.slower)
	require.Equal(t, tt.mode, noNegentropy(g))
	require.Zero(t, g.sink.held, "credit comes back")
	require.Empty(t, g.relay.OpenSubs())
	for i, m := range g.sink.marksOf(1) {
		require.Equal(t, i == len(g.sink.marksOf(1))-1, m.Final)
		require.Len(t, m.Filters, len(tt.asked))
	}
}
