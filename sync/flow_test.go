package sync

import (
	"strconv"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

const (
	one = relayurl.URL("wss://one.example.com")
	two = relayurl.URL("wss://two.example.com")
)

func npub(pk event.PubKey) string {
	s, err := nip19.EncodePublicKey(pk.String())
	if err != nil {
		panic(err)
	}
	return s
}

func anns(a ...*nip34.Announcement) []*nip34.Announcement { return a }

func TestFreshStartAsksAllLayersWithoutSince(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one, two)
	s.picture(anns(a), root("issue", a.Ref))

	require.Len(t, s.dials, 2)
	require.Equal(t, Connecting, s.phase(one))
	s.up(one)
	require.Equal(t, Syncing, s.phase(one))

	open := s.pending(one)
	require.Equal(t, map[string]int64{a.Ref.String(): 0}, tagValues(open, "a"))
	require.Equal(t, map[string]int64{id("issue").String(): 0}, tagValues(open, "E"))
	require.Equal(t, map[string]int64{"tool": 0}, tagValues(open, "d"))
	require.Contains(t, kinds(open), event.KindAnnouncement)

	for _, sub := range s.live[s.conn(one)][0].Open {
		for _, f := range sub.All() {
			require.True(t, f.LimitZero)
			require.Nil(t, f.Since)
		}
	}
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, s.now, s.e.relays[one].lastFull)
}

func kinds(bs []relay.Batch) []int {
	var out []int
	for _, b := range bs {
		for _, f := range b.Filters {
			out = append(out, f.Kinds...)
		}
	}
	return out
}

func TestConnectedWaitsForWhatWasLearned(t *testing.T) {
	for _, comes := range []bool{true, false} {
		t.Run(map[bool]string{true: "it comes back", false: "it never does"}[comes], func(t *testing.T) {
			s := newScript(t)
			a := announce("alice", "tool", t0, nil, one)
			s.picture(anns(a))
			s.up(one)
			for _, b := range s.pending(one) {
				s.settle(b, id("issue"))
			}
			require.Equal(t, Syncing, s.phase(one))
			s.elapse(5 * time.Second)
			require.Equal(t, Syncing, s.phase(one))
			if comes {
				s.facts(selfsub.Facts{Roots: []selfsub.Root{root("issue", a.Ref)}, Picture: 1})
				require.Equal(t, map[string]int64{id("issue").String(): 0}, tagValues(s.pending(one), "e"), "a new want")
				s.settleAll(one)
			} else {
				s.elapse(time.Second)
			}
			require.Equal(t, Connected, s.phase(one))
		})
	}
}

func TestNewWantsAreOnlyTheDifference(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("first", a.Ref))
	s.sync(one)
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("first", a.Ref), root("second", a.Ref)}, Picture: 1})
	open := s.pending(one)
	require.Equal(t, map[string]int64{id("second").String(): 0}, tagValues(open, "e"))
	require.Empty(t, tagValues(open, "a"))
	live := s.live[s.conn(one)]
	require.Len(t, live, 2)
	require.Len(t, live[1].Open, 1, "one REQ is sent again")
	require.Equal(t, Connected, s.phase(one), "new wants do not move it back")
}

func TestQuickReconnectAsksEverythingSinceTheCursor(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("issue", a.Ref))
	s.sync(one)
	s.elapse(time.Minute)
	s.mark(one)
	cursor := s.now
	s.elapse(10 * time.Second)
	s.down(one)
	s.elapse(10 * time.Minute)
	s.up(one)

	since := cursor.Add(-15 * time.Minute).Unix()
	open := s.pending(one)
	require.Equal(t, map[string]int64{a.Ref.String(): since}, tagValues(open, "a"))
	require.Equal(t, map[string]int64{id("issue").String(): since}, tagValues(open, "e"))
	require.Equal(t, map[string]int64{"tool": since}, tagValues(open, "d"))

	// a second absence before the pass is through must not be asked from a younger moment
	s.elapse(time.Minute)
	s.mark(one)
	s.down(one)
	s.elapse(5 * time.Minute)
	s.up(one)
	require.Equal(t, map[string]int64{a.Ref.String(): since}, tagValues(s.pending(one), "a"))
	s.elapse(time.Minute)
	s.mark(one)
	marked := s.now
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, marked, s.e.relays[one].cursor, "the cursor jumps once the pass is through")
}

func TestWantsThatWerePendingAreAskedWithoutSince(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(time.Minute)
	s.mark(one)
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("late", a.Ref)}, Picture: 1})
	require.NotEmpty(t, s.pending(one))
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	require.Equal(t, map[string]int64{id("late").String(): 0}, tagValues(s.pending(one), "e"))
}

func TestLongAbsenceIsAFreshStart(t *testing.T) {
	tests := []struct {
		absent time.Duration
		fresh  bool
	}{{14*time.Minute + 59*time.Second, false}, {15*time.Minute + time.Second, true}}
	for _, tt := range tests {
		t.Run(tt.absent.String(), func(t *testing.T) {
			s := newScript(t)
			a := announce("alice", "tool", t0, nil, one)
			s.picture(anns(a), root("issue", a.Ref))
			s.sync(one)
			s.elapse(23 * time.Hour)
			s.mark(one)
			s.e.relays[one].lastFull = t0.Add(-2 * time.Hour) // today's full pass is older than a day when it is back
			s.down(one)
			s.elapse(tt.absent)
			s.up(one)
			since := s.now.Add(-tt.absent - 15*time.Minute).Unix()
			if tt.fresh {
				since = 0
			}
			require.Equal(t, map[string]int64{id("issue").String(): since}, tagValues(s.pending(one), "e"))
		})
	}
}

func TestSecondFullPassOfADayGoesFromTheCursor(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(time.Hour)
	s.mark(one)
	cursor := s.now
	s.down(one)
	s.elapse(3 * time.Hour)
	s.up(one)
	require.Equal(t, map[string]int64{a.Ref.String(): cursor.Add(-15 * time.Minute).Unix()}, tagValues(s.pending(one), "a"))
}

func TestDailyCatchUpAsksWithoutSinceAndForgetsNothing(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("issue", a.Ref))
	s.sync(one)
	s.elapse(24*time.Hour - time.Second)
	require.Equal(t, Connected, s.phase(one))
	s.elapse(time.Second)
	require.Equal(t, Syncing, s.phase(one))
	open := s.pending(one)
	require.Equal(t, map[string]int64{id("issue").String(): 0}, tagValues(open, "e"))
	require.Len(t, s.live[s.conn(one)], 1, "live stays open as it is")
	require.True(t, s.e.repos[a.Ref].wants[one].roots.confirmed.Has(0))
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, s.now, s.e.relays[one].lastFull)
}

func TestRestartGoesOnWhereItWas(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, []string{"bob"}, one)
	s.picture(anns(a), root("issue", a.Ref), root("patch", event.RepoRef(key("bob"), "tool")))
	s.sync(one)
	s.mark(one)
	cursor := s.now
	s.elapse(5 * time.Minute)
	s.restart()
	require.Len(t, s.dials, 1, "it dials from the store, before the own relay has said anything")
	s.up(one)
	since := cursor.Add(-15 * time.Minute).Unix()
	open := s.pending(one)
	require.Equal(t, map[string]int64{id("issue").String(): since, id("patch").String(): since}, tagValues(open, "e"))
	require.Len(t, tagValues(open, "a"), 2)
}

func TestACutBatchGoesOnBelowWhereItSettled(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	b := s.pending(one)[0]
	started := s.now
	ends := make([]relay.FilterEnd, len(b.Filters))
	for i := range ends {
		ends[i].Until = 1_700_000_000 + int64(i)
	}
	ends[0] = relay.FilterEnd{Done: true}
	s.report(relay.Settled{ID: s.conn(one), Batch: b.ID, Filters: ends, New: 500})
	s.elapse(time.Minute)
	s.restart()
	s.picture(anns(a))
	s.elapse(time.Second)
	s.up(one)

	var below, beside []nostr.Filter
	for _, q := range s.pending(one) {
		for _, f := range q.Filters {
			if f.Until != nil {
				require.Nil(t, f.Since)
				below = append(below, f)
			} else if f.Since != nil && int64(*f.Since) == started.Add(-15*time.Minute).Unix() {
				beside = append(beside, f)
			}
		}
	}
	require.Len(t, below, len(b.Filters)-1, "what had ended is not asked again from the top")
	require.Len(t, beside, len(b.Filters)-1, "and is looked at once more since the start")
	require.Contains(t, kinds(s.pending(one)), event.KindAnnouncement, "what was confirmed is forgotten by a fresh start")
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Empty(t, s.state.batches)
}

func TestAFailedBatchDegradesUntilItsRetrySucceeds(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	for _, b := range s.pending(one) {
		ends := make([]relay.FilterEnd, len(b.Filters))
		for i, f := range b.Filters {
			ends[i] = relay.FilterEnd{Done: len(f.Tags) == 0, Failed: len(f.Tags) > 0}
		}
		s.report(relay.Settled{ID: s.conn(one), Batch: b.ID, Final: true, Filters: ends, Err: "closed"})
	}
	require.Equal(t, ConnectedDegraded, s.phase(one))
	require.True(t, s.e.relays[one].announcements, "what ended is confirmed")
	require.Zero(t, s.e.relays[one].lastFull)
	s.order = nil
	s.elapse(59 * time.Second)
	require.Empty(t, s.pending(one))
	s.elapse(time.Second)
	require.NotContains(t, kinds(s.pending(one)), event.KindAnnouncement)
	require.Equal(t, ConnectedDegraded, s.phase(one))
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, s.now, s.e.relays[one].lastFull)
}

func TestReportsOfAnOlderConnectionAreDroppedButSettledCounts(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	old := s.conn(one)
	batches := s.pending(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	require.NotEqual(t, old, s.conn(one))
	s.report(relay.Down{ID: old})
	s.report(relay.Closed{ID: old, Sub: "l0"})
	require.Equal(t, Syncing, s.phase(one))
	for _, b := range batches {
		s.settle(b)
	}
	w := s.e.repos[a.Ref].wants[one]
	require.False(t, w.states, "what came in the minute between is still asked")
	s.settleAll(one)
	require.True(t, w.states)
	require.True(t, w.coords.confirmed.Has(0))
}

func TestARelayThatIsNoLongerNamedGoesAfterTheGrace(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Bootstrap = []relayurl.URL{two} })
	s.picture(anns(announce("alice", "tool", t0, nil, one, two)))
	s.sync(one)
	s.sync(two)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil)), Picture: 1})
	s.elapse(10*time.Minute - time.Second)
	require.Equal(t, Connected, s.phase(one))
	conn := s.conn(one)
	s.elapse(time.Second)
	require.Equal(t, Removed, s.phase(one))
	require.Equal(t, []relay.ConnID{conn}, s.hung)
	require.NotContains(t, s.state.relays, one)
	require.Equal(t, Connected, s.phase(two), "a bootstrap relay is never removed")
}

func TestBootstrapIsAskedForAnnouncementsWithNothingWanted(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Bootstrap = []relayurl.URL{one} })
	s.up(one)
	require.Equal(t, []int{event.KindAnnouncement}, kinds(s.pending(one)))
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	a := announce("alice", "tool", t0, nil, two)
	s.picture(anns(a))
	require.Equal(t, map[string]int64{"tool": 0}, tagValues(s.pending(one), "d"), "states of all repos")
	require.Empty(t, tagValues(s.pending(one), "a"), "but not their conversations: no announcement names it")
	require.NotZero(t, s.conn(two))
}

func TestAFailedDialIsBackedOff(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	s.down(one)
	require.Equal(t, Disconnected, s.phase(one))
	s.elapse(4 * time.Second)
	require.Len(t, s.dials, 1)
	s.elapse(time.Second)
	require.Len(t, s.dials, 2)
}

func TestDialsAreLimited(t *testing.T) {
	s := newScript(t, func(c *Config) { c.ConcurrentDials = 3 })
	var relays []relayurl.URL
	for i := range 10 {
		relays = append(relays, relayurl.URL("wss://r"+strconv.Itoa(i)+".example.com"))
	}
	s.picture(anns(announce("alice", "tool", t0, nil, relays...)))
	require.Len(t, s.dials, 3)
	s.up(s.dials[0].URL)
	require.Len(t, s.dials, 4)
	s.down(s.dials[1].URL)
	require.Len(t, s.dials, 5)
}

func TestBeyondTheLiveBudgetTheWideFiltersAreAsked(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	s.settleAll(one)
	s.mark(one)
	cursor := s.now
	var roots []selfsub.Root
	for i := range 3000 {
		roots = append(roots, root(strconv.Itoa(i), a.Ref))
	}
	s.facts(selfsub.Facts{Roots: roots, Picture: 1})
	require.True(t, s.e.relays[one].wide)
	var wide bool
	subs := map[string]int{}
	for _, c := range s.live[s.conn(one)] {
		for _, sub := range c.Open {
			subs[sub.ID] = len(sub.All())
			for _, f := range sub.All() {
				wide = wide || len(f.Tags["K"]) > 0
			}
		}
	}
	require.True(t, wide)
	require.LessOrEqual(t, len(subs), 6, "two of eight subscriptions stay free for history")
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, cursor, s.e.relays[one].cursor)
	w := s.e.repos[a.Ref].wants[one]
	require.False(t, w.roots.confirmed.Incomplete(3000), "history is asked for all of them")
}

func TestAClosedSubscriptionIsOpenedAgainAndItsGapAsked(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.mark(one)
	cursor := s.now
	s.elapse(20 * time.Minute)
	s.report(relay.Closed{ID: s.conn(one), Sub: "l0", Reason: "error: shutting down"})
	s.elapse(time.Minute)
	live := s.live[s.conn(one)]
	require.Len(t, live, 2)
	require.Equal(t, "l0", live[1].Open[0].ID)
	require.Equal(t, map[string]int64{a.Ref.String(): cursor.Add(-15 * time.Minute).Unix()}, tagValues(s.pending(one), "a"))
}

func TestWhatAJoinedMaintainerHadSignedIsAskedAgain(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), []string{"bob"}, one)), Picture: 1})
	open := s.pending(one)
	require.Equal(t, map[string]int64{"tool": 0}, tagValues(open, "d"), "states of all")
	var authors []string
	for _, b := range open {
		for _, f := range b.Filters {
			authors = append(authors, f.Authors...)
		}
	}
	require.Equal(t, []string{key("bob").String()}, authors, "and his announcement")
}

func TestMaintainersBringTheirRelaysAndCoordinates(t *testing.T) {
	s := newScript(t)
	theirs := announcement("elsewhere.example.com", "bob", "tool", t0, nil, two)
	s.picture(anns(theirs))
	require.Empty(t, s.e.repos)
	ours := announce("alice", "tool", t0, []string{"bob"}, one)
	s.facts(selfsub.Facts{Announcements: anns(ours), Picture: 1})
	s.up(two)
	require.Len(t, tagValues(s.pending(two), "a"), 2)
	require.Equal(t, []AskOwn{{Refs: []event.Ref{ours.Ref, theirs.Ref}}}, s.own, "the own relay may hold roots from before")
	require.Contains(t, s.state.repos, theirs.Ref, "the maintainer's announcement is stored with the repo")
}
