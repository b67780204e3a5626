package relay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestWhatWasLearnedIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(100, 1, 100_000)
		g := newRig(t, speaking(events), func(o *ConnOptions) {
			o.Negentropy, o.Known = true, ledgerOf(events[:50]...)
			o.Learned.NoNegentropy, o.Learned.NoNegentropyWhy = time.Now().Add(time.Hour), "capped"
		})
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		require.Empty(t, g.relay.Reconciliations())
	})
}

func TestWhatIsInTheWorksIsNotFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(100, 1, 100_000)
		g := newNegRig(t, speaking(events), events[:50])
		g.sink.known = map[event.ID]bool{}
		for _, e := range events[50:90] {
			id, err := event.ParseID(e.ID)
			require.NoError(t, err)
			g.sink.known[id] = true
		}
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		sameIDs(t, wireIDs(events[90:]), g.sink.ids(1))
		require.Equal(t, 50, g.sink.awaited)
	})
}

// An event that several filters list is fetched once, by whichever asks for it first; what that one cannot get the others try.
func TestWhatSeveralFiltersListIsFetchedOnce(t *testing.T) {
	for _, script := range []relaytest.Negentropy{
		{},
		{IDsCap: 70},
		{Withhold: func(id string) bool { return id < "2" }},
	} {
		synctest.Test(t, func(t *testing.T) {
			events := relaytest.Notes(3000, 1, 100_000)
			lack, ours := everyNth(events, 4)
			script.Speak = true
			g := newNegRig(t, relaytest.Options{Events: events, Negentropy: script}, ours)
			g.relay.Set(func(o *relaytest.Options) { o.Delay, o.Concurrent = 200*time.Millisecond, true })
			until := []nostr.Timestamp{101_000, 102_000, 103_000, 104_000}
			var fs []nostr.Filter
			for i := range until {
				fs = append(fs, nostr.Filter{Kinds: []int{1}, Until: &until[i]})
			}
			g.tell(AskBatch{Batch{ID: 1, Filters: fs[:2]}}, AskBatch{Batch{ID: 2, Filters: fs[2:]}})
			for _, id := range []BatchID{1, 2} {
				end := g.wait(id)
				require.Empty(t, end.Err)
				require.True(t, end.Filters[0].Done && end.Filters[1].Done)
			}
			got := map[string]bool{}
			for _, d := range g.sink.delivered {
				got[d.Event.ID.String()] = true
			}
			for _, e := range lack {
				require.True(t, got[e.ID])
			}
			if script.Withhold == nil { // else all is paged
				require.Less(t, g.relay.Sent(), len(lack)+20)
			}
		})
	}
}

// A batch that is cancelled takes nothing with it that another one lists too.
func TestWhatACancelledBatchWasFetchingIsFetchedForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(1000, 1, 100_000)
		lack, ours := everyNth(events, 2)
		g := newNegRig(t, speaking(events), ours)
		g.relay.Set(func(o *relaytest.Options) { o.Delay, o.Concurrent = time.Second, true })
		until := nostr.Timestamp(200_000)
		g.tell(AskBatch{Batch{ID: 1, Filters: []nostr.Filter{kinds(1)}}},
			AskBatch{Batch{ID: 2, Filters: []nostr.Filter{{Kinds: []int{1}, Until: &until}}}})
		time.Sleep(500 * time.Millisecond)
		require.Len(t, g.relay.Reconciliations(), 2)
		g.tell(CancelBatch{ID: 1})
		require.NotEmpty(t, g.wait(1).Err)
		require.Empty(t, g.wait(2).Err)
		sameIDs(t, wireIDs(lack), g.sink.ids(2))
	})
}

func TestOnlyOneReconciliationIsOpenAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const filters = 6
		var events, ours []nostr.Event
		var fs []nostr.Filter
		for k := range filters {
			notes := relaytest.Notes(20, 1000+k, 100_000)
			events, ours = append(events, notes...), append(ours, notes[5:]...)
			fs = append(fs, kinds(1000+k))
		}
		script := speaking(events)
		script.Negentropy.Delay = time.Second
		g := newNegRig(t, script, ours)
		g.tell(AskBatch{Batch{ID: 1, Filters: fs[:3]}}, AskBatch{Batch{ID: 2, Filters: fs[3:], Background: true}})
		require.Empty(t, g.wait(1).Err)
		require.Empty(t, g.wait(2).Err)
		asked := g.relay.Reconciliations()
		require.Len(t, asked, filters)
		for i := 1; i < filters; i++ {
			require.GreaterOrEqual(t, asked[i].At.Sub(asked[i-1].At), time.Second)
		}
		require.LessOrEqual(t, g.relay.HighWater(), 8)
	})
}

func TestFewerIDsAtATimeAreLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(5000, 1, 100_000)
		lack, ours := everyNth(events, 2)
		script := speaking(events)
		script.Negentropy.IDsCap = 100
		g := newNegRig(t, script, ours)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		sameIDs(t, wireIDs(lack), g.sink.ids(1))
		require.LessOrEqual(t, len(g.relay.Requests()), len(lack)/100+15)
	})
}

func TestWhatIsTooBigIsSplitByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		events := relaytest.Notes(2000, 1, now)
		lack, ours := everyNth(events, 4)
		script := speaking(events)
		script.Negentropy.Cap = 300
		g := newNegRig(t, script, ours)
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.Empty(t, end.Err)
		require.True(t, end.Filters[0].Done)
		sameIDs(t, wireIDs(lack), g.sink.ids(1))
		require.Less(t, g.relay.Sent(), len(lack)+100, "it is reconciled, not paged")
	})
}

func TestWhatListsMoreThanIsTakenAtOnceIsGoneOnWith(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			events := relaytest.Notes(4000, 1, time.Now().Unix())
			ours, lack := everyNth(events, 20)
			g := newRig(t, speaking(events), func(o *ConnOptions) {
				o.Negentropy, o.Known, o.NegIDs = true, ledgerOf(ours...), 500
			})
			g.relay.Set(func(o *relaytest.Options) { o.Delay = time.Second })
			g.ask(1, kinds(1))
			if refuses { // while the first ids are fetched
				time.Sleep(500 * time.Millisecond)
				g.tell(SetLimits{Limits{NoNegentropy: true}})
			}
			end := g.wait(1)
			require.Empty(t, end.Err)
			require.True(t, end.Filters[0].Done)
			got := map[string]bool{}
			for _, id := range g.sink.ids(1) {
				got[id] = true
			}
			for _, e := range lack {
				require.True(t, got[e.ID])
			}
			require.Equal(t, refuses, len(g.relay.Reconciliations()) == 1)
			require.Less(t, len(g.relay.Reconciliations()), 40)
		})
	}
}

func TestHalvesMeet(t *testing.T) {
	at := func(n int64) *nostr.Timestamp { s := nostr.Timestamp(n); return &s }
	for _, f := range []nostr.Filter{{}, {Since: at(10)}, {Until: at(90)}, {Since: at(10), Until: at(11)}} {
		lower, upper, ok := halves(f, 5, 100)
		require.True(t, ok)
		require.Equal(t, f.Since, lower.Since, "as far down as the whole")
		require.Equal(t, f.Until, upper.Until)
		require.Equal(t, *lower.Until+1, *upper.Since)
	}
	_, _, ok := halves(nostr.Filter{Since: at(10), Until: at(10)}, 5, 100)
	require.False(t, ok)
	_, _, ok = halves(nostr.Filter{Until: at(5)}, 5, 100)
	require.False(t, ok)
}

func TestLedgerThatCannotBeReadMeansPages(t *testing.T) {
	events := relaytest.Notes(100, 1, 100_000)
	for name, known := range map[string]KnownIDs{
		"fails": func(context.Context, nostr.Filter, func(int64, event.ID)) error { return errors.New("no") },
		"hangs": func(ctx context.Context, _ nostr.Filter, _ func(int64, event.ID)) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"is too large": func(ctx context.Context, _ nostr.Filter, yield func(int64, event.ID)) error {
			for i := range 3_000_000 {
				yield(1000, event.ID{byte(i), byte(i >> 8), byte(i >> 16)})
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, speaking(events), func(o *ConnOptions) { o.Negentropy, o.Known = true, known })
				until := nostr.Timestamp(200_000)
				if name == "is too large" {
					until = 1000
				}
				g.ask(1, nostr.Filter{Kinds: []int{1}, Until: &until})
				require.Empty(t, g.wait(1).Err)
				require.Empty(t, g.relay.Reconciliations())
			})
		})
	}
}

func TestWhatThereIsNoRoomForIsFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(4000, 1, 100_000)
		lack, ours := everyNth(events, 2)
		script := speaking(events)
		script.MaxSubs, script.Concurrent, script.Delay = 4, true, 100*time.Millisecond
		g := newNegRig(t, script, ours)
		g.ask(1, kinds(1))
		end := g.wait(1)
		require.Empty(t, end.Err)
		sameIDs(t, wireIDs(lack), g.sink.ids(1))
		require.Less(t, len(g.relay.Requests()), 40, "it is not paged")
	})
}

// What a relay that reconciles cannot manage once is no verdict; twice in a row is.
func TestSilenceOfARelayThatReconciles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(200, 1, 100_000)
		g := newNegRig(t, speaking(events), events[:150])
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		until := nostr.Timestamp(99_990)
		silent := func(yes bool) { g.relay.Set(func(o *relaytest.Options) { o.Negentropy.Silent = yes }) }
		ask := func(id BatchID) {
			began := time.Now()
			g.ask(id, nostr.Filter{Kinds: []int{1}, Until: &until})
			require.Empty(t, g.wait(id).Err)
			require.Less(t, time.Since(began), 17*time.Second)
		}
		silent(true)
		ask(2)
		require.Empty(t, noNegentropy(g))
		silent(false)
		ask(3)
		silent(true)
		ask(4)
		require.Empty(t, noNegentropy(g))
		ask(5)
		require.Contains(t, noNegentropy(g), "no answer")
		require.Len(t, g.relay.Reconciliations(), 5)
	})
}

// A relay that says nothing at all may be gone: what it makes of NIP-77 is told when it is heard of again.
func TestSilentConnectionProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(200, 1, 100_000)
		script := speaking(events)
		script.Silent = true
		g := newNegRig(t, script, events[:150])
		g.ask(1, kinds(1))
		time.Sleep(16 * time.Second)
		require.Empty(t, g.relay.Reconciliations())
		g.relay.Drop()
		g.wait(1)
		require.Empty(t, noNegentropy(g))
	})
}

// A database that does not answer is waited for once, not for each filter.
func TestLedgerThatDoesNotAnswerIsNotAskedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		g := newRig(t, speaking(relaytest.Notes(100, 1, 100_000)), func(o *ConnOptions) {
			o.Negentropy, o.Known = true, func(ctx context.Context, _ nostr.Filter, _ func(int64, event.ID)) error {
				asked++
				<-ctx.Done()
				return ctx.Err()
			}
		})
		began := time.Now()
		g.ask(1, kinds(1), kinds(7), kinds(1617))
		require.Empty(t, g.wait(1).Err)
		g.ask(2, kinds(1))
		require.Empty(t, g.wait(2).Err)
		require.Less(t, time.Since(began), 30*time.Second)
		require.Equal(t, 1, asked)
		time.Sleep(6 * time.Minute)
		g.ask(3, kinds(1))
		g.wait(3)
		require.Equal(t, 2, asked)
	})
}

// However it ends, the last mark of a batch comes, and nothing is held.
func TestReconciliationThatIsCutShortHasAnEnd(t *testing.T) {
	events := relaytest.Notes(1000, 1, 100_000)
	lack, ours := everyNth(events, 2)
	slow := func(ctx context.Context, f nostr.Filter, yield func(int64, event.ID)) error {
		select {
		case <-time.After(3 * time.Second):
			return ledgerOf(ours...)(ctx, f, yield)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for after := time.Duration(0); after < 20*time.Second; after += 1300 * time.Millisecond {
		for name, end := range map[string]func(g *rig){
			"cancelled": func(g *rig) { g.tell(CancelBatch{1}) },
			"dropped":   func(g *rig) { g.relay.Drop() },
			"hung up":   func(g *rig) { g.hangup() },
		} {
			t.Run(fmt.Sprintf("%s after %s", name, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					script := speaking(events)
					script.Delay, script.Negentropy.Delay = time.Second, time.Second
					g := newRig(t, script, func(o *ConnOptions) { o.Negentropy, o.Known = true, slow })
					g.ask(1, kinds(1))
					time.Sleep(after)
					end(g)
					m := g.wait(1)
					if m.Filters[0].Done {
						require.Empty(t, m.Err)
						require.Len(t, g.sink.ids(1), len(lack))
						return
					}
					require.True(t, m.Filters[0].Failed)
					require.Zero(t, m.Filters[0].Until, "nothing is confirmed that was not asked to its end")
					if name != "cancelled" {
						return
					}
					synctest.Wait()
					g.ask(2, kinds(1))
					require.Empty(t, g.wait(2).Err)
					g.sink.mu.Lock()
					held := g.sink.held
					g.sink.mu.Unlock()
					require.Zero(t, held, "places that nobody needs")
				})
			})
		}
	}
}

// A relay that answers NEG-OPEN before it keeps the session, as khatru does, hears what it did not know what to do with once more.
func TestSessionThatTheRelayDoesNotKnowYetIsGivenAMoment(t *testing.T) {
	for late, opens := range map[time.Duration]int{0: 1, 20 * time.Millisecond: 1, time.Second: maxAgain} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events := relaytest.Notes(3000, 1, 100_000)
				lack, ours := everyNth(events, 10)
				g := newNegRig(t, relaytest.Options{Events: events, Negentropy: relaytest.Negentropy{Speak: true, Frame: 4096, OpensLate: late}}, ours)
				g.ask(1, kinds(1))
				require.Empty(t, g.wait(1).Err)
				require.Len(t, g.relay.Reconciliations(), opens)
				if opens == 1 {
					sameIDs(t, wireIDs(lack), g.sink.ids(1))
					require.Equal(t, len(lack), g.relay.Sent())
				} else {
					require.Subset(t, g.sink.ids(1), wireIDs(lack))
				}
			})
		})
	}
}
