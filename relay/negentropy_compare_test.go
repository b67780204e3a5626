package relay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// compare asks for a comparison with some events, and gives the ids that are absent.
func (g *rig) compare(id BatchID, ours []nostr.Event, fs ...nostr.Filter) (absent []string, end Mark) {
	g.t.Helper()
	g.tell(AskBatch{Batch{ID: id, Filters: fs, Ours: ledgerOf(ours...), Compare: true}})
	end = g.wait(id)
	for _, id := range end.Absent {
		absent = append(absent, id.String())
	}
	return absent, end
}

func reconciling(o *ConnOptions) { o.Negentropy = true }

// asks counts the REQs by ids, and the ids in them.
func asks(g *rig) (reqs, ids int) {
	for _, r := range g.relay.Requests() {
		for _, f := range r.Filters {
			if f.IDs != nil {
				reqs++
				ids += len(f.IDs)
			}
		}
	}
	return reqs, ids
}

func TestComparisonNamesWhatTheRelayDoesNotHave(t *testing.T) {
	for name, script := range map[string]relaytest.Options{
		"reconciled":              {Negentropy: relaytest.Negentropy{Speak: true}},
		"in small frames":         {Negentropy: relaytest.Negentropy{Speak: true, Frame: 4096}},
		"split":                   {Negentropy: relaytest.Negentropy{Speak: true, Cap: 300}},
		"capped":                  {Negentropy: relaytest.Negentropy{Speak: true, Newest: 100}},
		"refused":                 {},
		"one refused":             {Negentropy: relaytest.Negentropy{Speak: true, Refuse: "error: no", RefuseOnly: func(f nostr.Filter) bool { return f.Kinds[0] == 7 }}},
		"silent":                  {Negentropy: relaytest.Negentropy{Speak: true, Silent: true}},
		"silent in the middle":    {Negentropy: relaytest.Negentropy{Speak: true, Frame: 4096, SilentFrom: 2}},
		"listed and not given":    {Negentropy: relaytest.Negentropy{Speak: true, Made: []string{relaytest.Event(9, 9, 9, "made").ID}}},
		"few ids at a time":       {Negentropy: relaytest.Negentropy{Speak: true, IDsCap: 50}},
		"refused, few ids":        {Negentropy: relaytest.Negentropy{IDsCap: 50}},
		"refused, in small pages": {PageCap: 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now().Unix()
				events := append(relaytest.Notes(2000, 1, now), relaytest.Notes(900, 7, now)...)
				lost, kept := everyNth(events, 10)
				foreign, ours := everyNth(kept, 5)
				script.Events = kept
				g := newRig(t, script, reconciling)
				absent, end := g.compare(1, append(ours, lost...), kinds(1), kinds(7))
				if name == "listed and not given" {
					require.NotEmpty(t, end.Err)
					require.Empty(t, absent, "what fails names none")
					return
				}
				require.Empty(t, end.Err)
				sameIDs(t, wireIDs(lost), absent)
				require.Subset(t, g.sink.ids(1), wireIDs(foreign), "what it has and we have not comes as ever")
				if name == "reconciled" {
					require.Len(t, g.sink.ids(1), len(foreign))
					require.Len(t, g.relay.Reconciliations(), 2)
					require.Less(t, g.relay.Sent(), len(foreign)+4)
				}
			})
		})
	}
}

func TestComparisonOfEqualSetsCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(5000, 1, 100_000)
		g := newRig(t, speaking(events), reconciling)
		absent, end := g.compare(1, events, kinds(1))
		require.Empty(t, end.Err)
		require.Empty(t, absent)
		require.Less(t, g.relay.NegBytes(), 2000)
		require.Zero(t, g.relay.Sent())
	})
}

// A store that does not index a tag neither lists by it nor shows by it. By id it gives what it has.
func TestWhatIsGivenByIDIsNotAbsent(t *testing.T) {
	for _, speaks := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fs, events := chunks("a", 1, 100)
			lost, kept := everyNth(events, 4)
			g := newRig(t, relaytest.Options{Events: kept, Unindexed: "a", Negentropy: relaytest.Negentropy{Speak: speaks}}, reconciling)
			absent, end := g.compare(1, events, fs...)
			require.Empty(t, end.Err)
			sameIDs(t, wireIDs(lost), absent)
			require.Empty(t, g.sink.ids(1), "we have it")
		})
	}
}

func TestWipedRelayIsNotAskedForEverything(t *testing.T) {
	for _, speaks := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			events := relaytest.Notes(5000, 1, 100_000)
			g := newRig(t, relaytest.Options{Negentropy: relaytest.Negentropy{Speak: speaks}}, reconciling)
			absent, end := g.compare(1, events, kinds(1))
			require.Empty(t, end.Err)
			sameIDs(t, wireIDs(events), absent)
			reqs, _ := asks(g)
			require.LessOrEqual(t, reqs, 10)
		})
	}
}

func TestComparisonThatFailsNamesNone(t *testing.T) {
	events := relaytest.Notes(100, 1, 100_000)
	lost, kept := everyNth(events, 2)
	for name, script := range map[string]relaytest.Options{
		"pages are refused": {RefuseREQ: func(_ string, fs []nostr.Filter) string {
			if fs[0].IDs == nil {
				return "error: no"
			}
			return ""
		}},
		"ids are refused": {Negentropy: relaytest.Negentropy{Speak: true}, RefuseREQ: func(_ string, fs []nostr.Filter) string {
			if fs[0].IDs != nil {
				return "error: no"
			}
			return ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script.Events = kept
				g := newRig(t, script, reconciling)
				absent, end := g.compare(1, events, kinds(1))
				require.NotEmpty(t, end.Err)
				require.Empty(t, absent)
			})
		})
	}
	t.Run("our side cannot be read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, speaking(kept), reconciling)
			g.tell(AskBatch{Batch{ID: 1, Filters: []nostr.Filter{kinds(1)}, Compare: true, Ours: func(context.Context, nostr.Filter, func(int64, event.ID)) error {
				return errors.New("no")
			}}})
			end := g.wait(1)
			require.Empty(t, end.Absent)
			require.Len(t, g.sink.ids(1), len(kept))
		})
	})
	t.Run("cut off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, relaytest.Options{Events: kept, Delay: time.Second}, reconciling)
			g.tell(AskBatch{Batch{ID: 1, Filters: []nostr.Filter{kinds(1)}, Compare: true, Ours: ledgerOf(lost...)}})
			for reqs := 0; reqs == 0; reqs, _ = asks(g) {
				require.Nil(t, g.sink.final(1))
				time.Sleep(100 * time.Millisecond)
			}
			g.relay.Drop()
			require.Empty(t, g.wait(1).Absent)
		})
	})
}

// What is too much for one reconciliation is compared in halves of its time, to the last second.
func TestSecondThatIsTooLargeToBeComparedIsPaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := relaytest.Notes(50, 1, 100_000)
		g := newRig(t, speaking(events), reconciling)
		at := nostr.Timestamp(1000)
		g.tell(AskBatch{Batch{ID: 1, Filters: []nostr.Filter{{Kinds: []int{1}, Since: &at, Until: &at}}, Compare: true,
			Ours: func(_ context.Context, _ nostr.Filter, yield func(int64, event.ID)) error {
				for i := range maxOurs + 1 {
					yield(1000, event.ID{byte(i), byte(i >> 8), byte(i >> 16)})
				}
				return nil
			}}})
		end := g.wait(1)
		require.Empty(t, end.Err)
		require.Empty(t, end.Absent)
	})
}
