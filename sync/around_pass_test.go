package sync

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// aroundOf gives what is asked around repos: replies to these ids, deletions of these authors, and ancestors, with their since.
func aroundOf(bs []relay.Batch) (replies, authors, ancestors map[string]int64) {
	replies, authors, ancestors = map[string]int64{}, map[string]int64{}, map[string]int64{}
	put := func(into map[string]int64, since *int64, values []string) {
		for _, v := range values {
			if into[v] = 0; since != nil {
				into[v] = *since
			}
		}
	}
	for _, b := range bs {
		for _, f := range b.Filters {
			var since *int64
			if f.Since != nil {
				at := int64(*f.Since)
				since = &at
			}
			switch {
			case f.IDs != nil:
				put(ancestors, since, f.IDs)
			case len(f.Kinds) == 2 && f.Kinds[0] == event.KindDeletion:
				put(authors, since, f.Authors)
			case len(f.Kinds) == 6:
				put(replies, since, f.Tags["e"])
			}
		}
	}
	return replies, authors, ancestors
}

func TestTheLedgerIsAskedOnceForSeveralRelays(t *testing.T) {
	s := newScript(t)
	s.hold = true
	a := announce("alice", "tool", t0, nil, one, two)
	s.picture(anns(a), root("issue", a.Ref))
	s.up(one)
	s.up(two)
	s.settleAll(one)
	s.settleAll(two)
	require.Len(t, s.recalled, 1)
	require.Equal(t, []event.Ref{a.Ref}, s.recalled[0].Coords)
	require.Equal(t, []event.ID{id("issue")}, s.recalled[0].Roots)
	require.True(t, s.recalled[0].Since.IsZero(), "what was never looked around is looked around whole")
	require.Equal(t, Syncing, s.phase(one))
	s.recall(Recalled{Replies: []event.ID{id("comment")}, Authors: []event.PubKey{key("bob")}}, nil)
	for _, open := range [][]relay.Batch{s.pending(one), s.pending(two)} {
		replies, authors, ancestors := aroundOf(open)
		require.Equal(t, map[string]int64{id("comment").String(): 0}, replies)
		require.Equal(t, map[string]int64{key("bob").String(): 0}, authors)
		require.Empty(t, ancestors)
	}
	s.settleAll(one)
	s.settleAll(two)
	require.Equal(t, Connected, s.phase(one))
	require.True(t, s.e.repos[a.Ref].wants[one].around)
	require.True(t, s.state.coverage[pair{one, a.Ref}].Around, "and is stored")
}

// Replies to replies: younger than 90 days in every pass, all of them in the daily one, those of the tier in rotations. Deletions in every
// historic pass.
func TestWhatEachPassAsksAroundARepo(t *testing.T) {
	tests := []struct {
		name      string
		until     func(*script)
		since     time.Duration // of the replies that are looked at, before now; 0: all
		deletions bool
	}{
		{"after an absence", func(s *script) {
			s.down(one)
			s.elapse(5 * time.Minute)
			s.up(one)
		}, replyAge, true},
		{"daily", func(s *script) {
			for s.phase(one) != Syncing {
				s.settleAll(one)
				s.recalled = nil
				s.elapse(time.Minute)
			}
		}, 0, true},
		{"hot rotation", func(s *script) { s.elapse(5 * time.Minute) }, hot, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			a := announce("alice", "tool", t0, nil, one)
			s.picture(anns(a), root("issue", a.Ref))
			s.ledger = Recalled{Replies: []event.ID{id("comment")}, Authors: []event.PubKey{key("bob"), key("carol")}}
			s.sync(one)
			s.mark(one)
			s.recalled, s.ledger = nil, Recalled{Replies: []event.ID{id("other")}, Authors: s.ledger.Authors}
			tt.until(s)
			var open []relay.Batch
			for range 20 {
				for _, b := range s.pending(one) {
					open = append(open, b)
					s.settle(b)
				}
			}
			require.NotEmpty(t, s.recalled)
			require.True(t, slices.ContainsFunc(s.recalled, func(q RecallQuery) bool {
				if tt.since == 0 {
					return q.Since.IsZero()
				}
				return s.now.Add(-tt.since).Sub(q.Since).Abs() < 2*time.Hour
			}), "%v", s.recalled)
			replies, authors, _ := aroundOf(open)
			require.Contains(t, replies, id("other").String())
			require.Equal(t, tt.deletions, len(authors) == 2, "%v", authors)
		})
	}
}

// lacking is a connected script to which something was accepted that names events that nobody knows.
func lacking(t *testing.T, n int) (*script, event.Ref, []event.ID) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("issue", a.Ref))
	s.sync(one)
	s.mark(one)
	var lacks []event.ID
	for i := range n {
		lacks = append(lacks, id("ancestor "+strconv.Itoa(i)))
	}
	s.report(relay.Accepted{Events: []relay.AcceptedEvent{{
		ID: id("comment"), Kind: 1111, CreatedAt: t0.Unix(), Refs: event.References{IDs: []event.ID{id("issue")}}, Lacks: lacks,
	}}})
	return s, a.Ref, lacks
}

func TestAncestorsAreAskedAtOnceAndByThemselves(t *testing.T) {
	s, ref, lacks := lacking(t, 3)
	open := s.pending(one)
	require.Len(t, open, 1)
	require.True(t, open[0].Wanted)
	_, _, ancestors := aroundOf(open)
	require.Len(t, ancestors, 3)
	require.Len(t, open[0].Filters, 1, "and nothing else")
	require.Len(t, s.state.lacks, 3)

	s.report(relay.Accepted{Events: []relay.AcceptedEvent{{ID: lacks[0], Kind: 1617, CreatedAt: t0.Unix()}}})
	require.Len(t, s.state.lacks, 2, "what was found is not lacking")
	s.settleAll(one)
	s.restart()
	s.up(one)
	wanted := 0
	for range 20 {
		for _, b := range s.pending(one) {
			_, _, ancestors := aroundOf([]relay.Batch{b})
			require.Equal(t, b.Wanted, len(ancestors) > 0, "a wanted batch holds nothing else")
			require.NotContains(t, ancestors, lacks[0].String())
			wanted += len(ancestors)
			s.settle(b)
		}
	}
	require.Equal(t, 2, wanted, "the others are asked again by each pass")
	require.Len(t, s.e.repos[ref].lacks, 2)
}

func TestAncestorsOfARepoAreBoundedPerDay(t *testing.T) {
	s, ref, _ := lacking(t, 1500)
	require.Len(t, s.e.repos[ref].lacks, 1000)
	require.Len(t, s.state.lacks, 1000)
	s.settleAll(one)
	more := func(from int) {
		var lacks []event.ID
		for i := range 10 {
			lacks = append(lacks, id("ancestor "+strconv.Itoa(from+i)))
		}
		s.report(relay.Accepted{Events: []relay.AcceptedEvent{{
			ID: id("c2"), Kind: 1111, CreatedAt: s.now.Unix(), Refs: event.References{IDs: []event.ID{id("issue")}}, Lacks: lacks,
		}}})
	}
	more(2000)
	require.Len(t, s.e.repos[ref].lacks, 1000)
	s.elapse(24 * time.Hour)
	more(3000)
	require.Len(t, s.e.repos[ref].lacks, 1010, "a new day")
	s.elapse(31 * 24 * time.Hour)
	more(4000)
	require.Len(t, s.e.repos[ref].lacks, 10, "the old ones are given up")
	require.Len(t, s.state.lacks, 10)
	require.Len(t, s.e.lacking, 10)
}

func TestALedgerThatFailsIsAskedAgainInAMinute(t *testing.T) {
	s := newScript(t)
	s.hold = true
	a := announce("alice", "tool", t0, nil, one, two)
	s.picture(anns(a), root("issue", a.Ref))
	s.up(one)
	s.up(two)
	s.settleAll(one)
	s.settleAll(two)
	for range 5 {
		require.Len(t, s.held, 1)
		s.recall(Recalled{}, errors.New("database is away"))
		require.Empty(t, s.held)
		s.elapse(time.Minute - time.Second)
		require.Empty(t, s.held)
		require.Equal(t, Syncing, s.phase(one))
		s.elapse(time.Second)
	}
	s.recall(Recalled{}, nil)
	s.settleAll(one)
	s.settleAll(two)
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, Connected, s.phase(two))
	s.recall(Recalled{}, errors.New("an answer that nobody waits for"))
	s.e.Recalled(99, Recalled{}, nil, s.now)
}

func TestARelayThatGoesWhileTheLedgerIsAskedLooksAroundLater(t *testing.T) {
	s := newScript(t)
	s.hold = true
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	s.settleAll(one)
	s.mark(one)
	require.Len(t, s.held, 1)
	s.down(one)
	s.recall(Recalled{Authors: []event.PubKey{key("bob")}}, nil)
	s.hold = false
	s.ledger = Recalled{Authors: []event.PubKey{key("bob")}}
	s.elapse(time.Minute)
	s.up(one)
	whole := false
	for range 20 {
		for _, b := range s.pending(one) {
			if _, authors, _ := aroundOf([]relay.Batch{b}); len(authors) > 0 && authors[key("bob").String()] == 0 {
				whole = true
			}
			s.settle(b)
		}
	}
	require.True(t, whole, "without since: it was never done")
	require.Equal(t, Connected, s.phase(one))
	require.True(t, s.e.repos[a.Ref].wants[one].around)
}

// A pass that brings back what was lost asks the ledger about it when what was parked behind the roots has had time to follow them.
func TestAfterALossTheLedgerIsAskedWhenRepliesHaveFollowedTheirRoots(t *testing.T) {
	for name, learned := range map[string][]event.ID{"roots came": {id("issue")}, "no root came": nil} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			a := announce("alice", "tool", t0, nil, one)
			s.picture(anns(a), root("issue", a.Ref))
			s.sync(one)
			s.elapse(10 * time.Minute)
			s.settleAll(one)
			s.hold, s.recalled = true, nil
			require.NoError(t, s.command(SyncNow, one))
			for {
				open := s.pending(one)
				if len(open) == 0 {
					break
				}
				s.settle(open[0], learned...)
			}
			if learned != nil {
				require.Empty(t, s.held)
				s.elapse(s.e.cfg.SettleDelay - time.Second)
				require.Empty(t, s.held)
				s.elapse(time.Second)
			}
			require.Len(t, s.held, 1)
		})
	}
}
