package relay

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// askSampling asks in the manner of the daily pass that samples.
func (g *rig) askSampling(id BatchID, fs ...nostr.Filter) Mark {
	g.t.Helper()
	g.tell(AskBatch{Batch{ID: id, Filters: fs, Background: true, Sample: true}})
	return g.wait(id)
}

func idSet(events []nostr.Event) func(string) bool {
	set := map[string]bool{}
	for _, e := range events {
		set[e.ID] = true
	}
	return func(id string) bool { return set[id] }
}

// withholding is a relay that leaves some events out of its reconciliations.
func withholding(events, hidden []nostr.Event) relaytest.Options {
	o := speaking(events)
	o.Negentropy.Hide = idSet(hidden)
	return o
}

func TestRelayThatWithholdsIsPaged(t *testing.T) {
	for name, change := range map[string]func(*relaytest.Options){
		"":                   func(*relaytest.Options) {},
		"in small frames":    func(o *relaytest.Options) { o.Negentropy.Frame = 4096 },
		"split":              func(o *relaytest.Options) { o.Negentropy.Cap = 300 },
		"few ids at a time":  func(o *relaytest.Options) { o.Negentropy.IDsCap = 1 },
		"kinds to be stated": func(o *relaytest.Options) { o.RefuseREQ = guarding(wantsAuthor, true) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, events := chunks("a", 4, 100)
				known, unknown := everyNth(events, 2)
				hiddenKnown, _ := everyNth(known, 10)
				hiddenUnknown, _ := everyNth(unknown, 10)
				script := withholding(events, append(hiddenKnown, hiddenUnknown...))
				change(&script)
				g := newNegRig(t, script, known)
				if name == "kinds to be stated" {
					g.tell(AskBatch{Batch{ID: 9, Filters: []nostr.Filter{{Tags: nostr.TagMap{"a": {"nobody"}}}}}})
					g.wait(9)
				}
				allDone(t, g.askSampling(1, fs...))
				got := map[string]bool{}
				for _, id := range g.sink.ids(1) {
					got[id] = true
				}
				for _, e := range unknown {
					require.True(t, got[e.ID], "what it hides comes in the same batch")
				}
				var verdicts []Evidence
				for _, v := range reported[Evidence](g) {
					if v.NoNegentropy != "" {
						verdicts = append(verdicts, v)
					}
				}
				require.Len(t, verdicts, 1)
				require.Contains(t, verdicts[0].NoNegentropy, "withheld")
				require.True(t, verdicts[0].Withholds)
				reconciled := len(g.relay.Reconciliations())
				g.ask(2, fs...)
				g.wait(2)
				require.Len(t, g.relay.Reconciliations(), reconciled)
			})
		})
	}
}

// Without the flag nothing is asked by id that is known.
func TestNothingIsSampledUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(1000, 1, 100_000)
		hidden, _ := everyNth(events, 3)
		g := newNegRig(t, withholding(events, hidden), events)
		g.ask(1, kinds(1))
		require.Empty(t, g.wait(1).Err)
		reqs, _ := asks(g)
		require.Zero(t, reqs)
	})
}

// A relay that has less than we do is asked for one in a hundred of what we know, in one REQ for many filters.
func TestRelayThatHasLessIsNotAccused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 12, 250)
		few, _ := everyNth(events, 7)
		g := newNegRig(t, speaking(few), events)
		allDone(t, g.askSampling(1, fs...))
		require.Empty(t, noNegentropy(g))
		require.Empty(t, g.sink.ids(1))
		reqs, ids := asks(g)
		require.Equal(t, 1, reqs)
		require.Equal(t, 12*3, ids)
		require.Len(t, g.relay.Reconciliations(), 12)
	})
}

func TestHonestRelayIsNotAskedForSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 12, 50)
		g := newNegRig(t, speaking(events), events)
		allDone(t, g.askSampling(1, fs...))
		require.Empty(t, noNegentropy(g))
		reqs, _ := asks(g)
		require.Zero(t, reqs)
	})
}

func TestSampleIsBounded(t *testing.T) {
	s := &session{}
	take := s.sampler(1_000_000)
	for i := range 500_000 {
		take(0, event.ID{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	require.Len(t, s.haves, mostSampled)
	late := 0
	for _, id := range s.haves {
		if n := int(id[0]) | int(id[1])<<8 | int(id[2])<<16; n > 250_000 {
			late++
		}
	}
	require.InDelta(t, mostSampled/2, late, 60, "from all of it")

	x := &sampling{doubted: map[event.ID]struct{}{}}
	for i := range 2 * mostDoubted {
		x.note([]event.ID{{byte(i), byte(i >> 8)}})
	}
	require.Len(t, x.doubted, mostDoubted)
}

// An event that reaches the relay between the two questions was not withheld.
func TestEventThatHasJustArrivedIsNotWithheld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(200, 1, 100_000)
		late, early := everyNth(events, 200)
		script := speaking(early)
		script.Delay = time.Second // of REQs
		g := newNegRig(t, script, events)
		g.tell(AskBatch{Batch{ID: 1, Filters: []nostr.Filter{kinds(1)}, Sample: true}})
		for reqs := 0; reqs == 0; reqs, _ = asks(g) {
			require.Nil(t, g.sink.final(1))
			time.Sleep(100 * time.Millisecond)
		}
		g.relay.Publish(late...)
		require.Empty(t, g.wait(1).Err)
		require.Empty(t, noNegentropy(g))
		require.Len(t, g.relay.Reconciliations(), 2, "it is looked at once more")
		require.Zero(t, g.sink.held)
	})
}

// A store that does not index a tag neither lists by it nor shows by it: pages are of no more use there.
func TestRelayThatDoesNotIndexATagIsNotAccused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, events := chunks("a", 1, 300)
		script := speaking(events)
		script.Unindexed = "a"
		g := newNegRig(t, script, events)
		end := g.askSampling(1, fs...)
		require.Empty(t, end.Err)
		require.Empty(t, noNegentropy(g))
		reqs, _ := asks(g)
		require.Equal(t, 1, reqs)
		require.Len(t, g.relay.Reconciliations(), 2, "it is looked at once more")
		pages := 0
		for _, r := range g.relay.Requests() {
			if r.Filters[0].IDs == nil && r.Filters[0].Limit != 1 {
				pages++
			}
		}
		require.Equal(t, 1, pages, "and paged")
	})
}
