package relay

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/policies"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// guardingNegentropy holds for reconciliations what it holds for REQs, by ids too.
func guardingNegentropy(events []nostr.Event, notes bool) relaytest.Options {
	o := speaking(events)
	o.RefuseREQ = guarding(wantsAuthor, notes)
	o.Negentropy.Refuse = wantsAuthor
	o.Negentropy.RefuseOnly = func(f nostr.Filter) bool { return guarding(wantsAuthor, notes)("", []nostr.Filter{f}) != "" }
	return o
}

func TestRelayThatWantsKindsStatedIsReconciled(t *testing.T) {
	for _, known := range []bool{true, false} {
		for _, notes := range []bool{true, false} {
			t.Run(fmt.Sprint("known: ", known, ", kind 1 is given: ", notes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fs, events := chunks("a", 15, 60)
					lack, ours := everyNth(events, 10)
					note := relaytest.Event(1, 1, 500, "note", nostr.Tag{"a", "a3-007"})
					script := guardingNegentropy(append(events[:len(events):len(events)], note), notes)
					if notes {
						lack = append(lack, note)
					}
					g := newRig(t, script, func(o *ConnOptions) {
						o.Negentropy, o.Known = true, ledgerOf(ours...)
						if known {
							o.Learned.StateKinds = time.Now().Add(time.Hour)
						}
					})
					g.ask(1, fs...)
					allDone(t, g.wait(1))
					require.Empty(t, noNegentropy(g))
					require.True(t, answersNegentropy(g))
					got := map[string]int{}
					for _, id := range g.sink.ids(1) {
						got[id]++
					}
					for _, e := range lack {
						require.Equal(t, 1, got[e.ID])
					}
					extra := 0 // the first filter is paged, to find out what is wrong with it
					if !known {
						extra = 60
					}
					require.LessOrEqual(t, g.relay.Sent(), len(lack)+extra+1)
					unstated := 0
					for _, r := range g.relay.Requests() {
						for _, f := range r.Filters {
							if f.IDs != nil && f.Kinds == nil {
								unstated++
							}
						}
					}
					require.Positive(t, unstated, "they are stated only when they are refused without")
					require.LessOrEqual(t, unstated, 6)

					// Another batch has learned.
					before := len(g.relay.Requests())
					fs, more := chunks("a", 15, 62)
					g.relay.Publish(more[len(more)-4:]...)
					g.ask(2, fs...)
					allDone(t, g.wait(2))
					for _, r := range g.relay.Requests()[before:] {
						for _, f := range r.Filters {
							require.NotNil(t, f.Kinds)
						}
					}
					require.Empty(t, noNegentropy(g))
				})
			})
		}
	}
}

// A relay that refuses to reconcile anything is paged, whatever it says of kinds.
func TestRefusalThatIsNotForWantOfKindsIsAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 15, 10)
		script := speaking(events)
		script.Negentropy.Refuse = "blocked: no"
		g := newNegRig(t, script, events[:100])
		g.ask(1, fs...)
		allDone(t, g.wait(1))
		sameIDs(t, wireIDs(events), g.sink.ids(1))
		require.Contains(t, noNegentropy(g), "blocked")
		require.Len(t, g.relay.Reconciliations(), refusalsFirst)
	})
}

// What is not given by ids, with kinds or without, comes by pages.
func TestIDsThatAreRefusedInAnyCaseMeanPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 3, 50)
		script := guardingNegentropy(events, true)
		refuse := script.RefuseREQ
		script.RefuseREQ = func(sub string, fs []nostr.Filter) string {
			if fs[0].IDs != nil {
				return "blocked: not by ids"
			}
			return refuse(sub, fs)
		}
		lack, ours := everyNth(events, 10)
		g := newRig(t, script, func(o *ConnOptions) {
			o.Negentropy, o.Known, o.Learned.StateKinds = true, ledgerOf(ours...), time.Now().Add(time.Hour)
		})
		g.ask(1, fs...)
		allDone(t, g.wait(1))
		require.Subset(t, g.sink.ids(1), wireIDs(lack))
		reqs, _ := asks(g)
		require.LessOrEqual(t, reqs, 3*(maxFailures+1))
	})
}

func TestReconcilingWithKhatruThatGuardsItsNotes(t *testing.T) {
	for _, known := range []bool{true, false} {
		fs, events := chunks("a", 6, 300)
		lack, ours := everyNth(events, 10)
		sink := &sinkhole{}
		reports, commands := make(chan Report, 100), make(chan Command, 10)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		o := ConnOptions{
			ID: 1, Trust: Operator, Dialer: NewDialer(DialerOptions{}), Sink: sink, Reports: reports, Commands: commands,
			Negentropy: true, Known: ledgerOf(ours...),
			URL: newKhatruOf(t, events, 5000, true, func(r *khatru.Relay) {
				r.RejectFilter = append(r.RejectFilter, policies.AntiSyncBots)
			}),
		}
		if known {
			o.Learned.StateKinds = time.Now().Add(time.Hour)
		}
		wg.Go(func() { _ = NewConn(o).Run(ctx) })
		require.IsType(t, Up{}, <-reports)
		commands <- AskBatch{Batch{ID: 1, Filters: fs}}
		<-sink.over(1)
		require.Empty(t, sink.final(1).Err)
		require.Subset(t, sink.ids(1), wireIDs(lack))
		require.Less(t, len(sink.ids(1)), len(lack)+2*300, "most of it is reconciled")
		cancel()
		wg.Wait()
		for len(reports) > 0 {
			if v, ok := (<-reports).(Evidence); ok {
				require.Empty(t, v.NoNegentropy)
			}
		}
		require.Empty(t, sink.faulty())
	}
}
