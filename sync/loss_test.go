package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func (s *script) fail(b relay.Batch, ends ...relay.FilterEnd) {
	q := s.asked[b.ID]
	delete(s.asked, b.ID)
	if ends == nil {
		ends = make([]relay.FilterEnd, len(b.Filters))
		for i := range ends {
			ends[i].Failed = true
		}
	}
	s.report(relay.Settled{ID: q.conn, Batch: b.ID, At: s.now, Final: true, Filters: ends, Err: "failed"})
}

// liveTagged says whether the live set that the connection has now asks for a value.
func (s *script) liveTagged(u relayurl.URL, tag, v string) bool {
	subs := map[string]relay.Sub{}
	for _, l := range s.live[s.conn(u)] {
		for _, id := range l.Close {
			delete(subs, id)
		}
		for _, o := range l.Open {
			subs[o.ID] = o
		}
	}
	for _, o := range subs {
		for _, f := range o.Filters {
			for _, x := range f.Tags[tag] {
				if x == v {
					return true
				}
			}
		}
	}
	return false
}

func TestClosedSubIsReopenedDuringDailyPass(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(24 * time.Hour)
	require.Equal(t, Syncing, s.phase(one), "the daily pass runs")
	n := len(s.live[s.conn(one)])
	s.report(relay.Closed{ID: s.conn(one), At: s.now, Sub: "l0", Reason: "error: shutting down idle sub"})
	s.elapse(10 * time.Minute) // no live mark comes while l0 is closed
	require.Greater(t, len(s.live[s.conn(one)]), n, "l0 is opened again")
}

func TestClosedSubIsReopenedWhenRateLimited(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(time.Hour)
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("r", a.Ref)}, Picture: 1})
	s.report(relay.Limited{ID: s.conn(one), At: s.now, Reason: "rate-limited: slow"})
	s.fail(s.pending(one)[0])
	s.elapse(30 * time.Second)
	n := len(s.live[s.conn(one)])
	s.report(relay.Closed{ID: s.conn(one), At: s.now, Sub: "l0", Reason: "rate-limited: slow"})
	s.report(relay.Limited{ID: s.conn(one), At: s.now, Reason: "rate-limited: slow"})
	s.elapse(6 * time.Hour)
	require.Greater(t, len(s.live[s.conn(one)]), n, "l0 is opened again")
	require.NotEmpty(t, s.pending(one), "retry")
}

func TestFailedBatchOfDailyPassIsRetried(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(24 * time.Hour)
	require.Equal(t, Syncing, s.phase(one), "the daily pass runs")
	s.fail(s.pending(one)[0])
	require.Empty(t, s.pending(one))
	s.elapse(time.Hour)
	require.NotEmpty(t, s.pending(one), "retried")
}

func TestSharedCoordinateStaysLive(t *testing.T) {
	s := newScript(t)
	al := announce("alice", "tool", t0, []string{"bob"}, one)
	bo := announce("bob", "tool", t0, nil, one)
	s.picture(anns(al, bo), root("r", al.Ref, bo.Ref))
	s.sync(one)
	require.True(t, s.liveTagged(one, "a", bo.Ref.String()))
	require.True(t, s.liveTagged(one, "e", id("r").String()))
	// bob's own announcement no longer lists us: his repo is wanted no more, but he is still a maintainer of alice's
	bo2 := announcement("elsewhere.example.com", "bob", "tool", t0.Add(time.Hour), nil, one)
	s.facts(selfsub.Facts{Announcements: anns(bo2), Picture: 1})
	require.True(t, s.e.repos[al.Ref].current[bo.Ref])
	require.True(t, s.liveTagged(one, "a", bo.Ref.String()), "bob's coordinate is still wanted for alice's repo")
}
func TestSharedRootStaysLive(t *testing.T) {
	s := newScript(t)
	al := announce("alice", "tool", t0, []string{"bob"}, one)
	bo := announce("bob", "tool", t0, nil, one)
	s.picture(anns(al, bo), root("r", al.Ref, bo.Ref))
	s.sync(one)
	bo2 := announcement("elsewhere.example.com", "bob", "tool", t0.Add(time.Hour), nil, one)
	s.facts(selfsub.Facts{Announcements: anns(bo2), Picture: 1})
	require.True(t, s.liveTagged(one, "e", id("r").String()), "the root is still alice's")
}

func TestLateFirstSettledLooksAgain(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(time.Minute)
	s.mark(one)
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("r", a.Ref)}, Picture: 1})
	b := s.pending(one)[0]
	old := s.asked[b.ID]
	s.elapse(time.Minute)
	s.down(one)
	// the publisher is done with the first page after the connection was lost
	ends := make([]relay.FilterEnd, len(b.Filters))
	for i := range ends {
		ends[i] = relay.FilterEnd{Failed: true, Until: t0.Add(-30 * 24 * time.Hour).Unix()}
	}
	s.report(relay.Settled{ID: old.conn, Batch: b.ID, Final: true, Filters: ends, Err: "lost"})
	s.elapse(10 * time.Minute)
	s.up(one)
	top := false
	for _, b := range s.pending(one) {
		for _, f := range b.Filters {
			top = top || (len(f.Tags["e"]) > 0 && f.Until == nil)
		}
	}
	require.True(t, top, "what came while the relay was away is asked")
}

func TestLateCompleteSettledLooksAgain(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(time.Minute)
	s.mark(one)
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("r", a.Ref)}, Picture: 1})
	b := s.pending(one)[0]
	old := s.asked[b.ID]
	s.elapse(time.Minute)
	s.down(one)
	s.elapse(10 * time.Minute)
	s.up(one)
	require.NotEmpty(t, tagValues(s.pending(one), "e"))
	ends := make([]relay.FilterEnd, len(b.Filters))
	for i := range ends {
		ends[i] = relay.FilterEnd{Done: true, Until: 5}
	}
	s.report(relay.Settled{ID: old.conn, Batch: b.ID, Final: true, Filters: ends})
	require.NotEmpty(t, tagValues(s.pending(one), "e"), "the root was in no pass: what came while the relay was away is still asked")
}

func TestDailyPassAfterInterruptedFirstSync(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	s.elapse(30 * time.Second)
	s.mark(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	for range 72 * 120 {
		s.elapse(30 * time.Second)
		s.mark(one)
	}
	require.NotEmpty(t, s.pending(one), "the daily pass is due, three days later")
}

func TestDailyPassDespiteOneFailingBatch(t *testing.T) {
	s := newScript(t, func(c *Config) { c.BatchChunks = 1 })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	asked := 0
	for range 96 * 120 {
		for _, b := range s.pending(one) {
			if len(b.Filters[0].Tags["d"]) > 0 {
				s.fail(b)
				continue
			}
			if len(b.Filters[0].Tags["a"]) > 0 && b.Filters[0].Since == nil {
				asked++
			}
			s.settle(b)
		}
		s.elapse(30 * time.Second)
		s.mark(one)
	}
	require.Greater(t, asked, 1, "four days, one pass")
}

func TestReturnedMaintainerIsAsked(t *testing.T) {
	s := newScript(t)
	v1 := announce("alice", "tool", t0, []string{"bob"}, one)
	s.picture(anns(v1))
	s.sync(one)
	bob := event.Ref{Kind: event.KindAnnouncement, PubKey: key("bob"), D: "tool"}
	// bob leaves, relay two comes, bob returns
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil, one, two)), Picture: 1})
	s.up(two)
	require.NotContains(t, tagValues(s.pending(two), "a"), bob.String())
	s.settleAll(two)
	s.elapse(time.Hour)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Hour), []string{"bob"}, one, two)), Picture: 1})
	require.Contains(t, tagValues(s.pending(two), "a"), bob.String(), "never asked of relay two")
	require.Contains(t, tagValues(s.pending(one), "a"), bob.String(), "not live for an hour")
}

func TestRelistedOperatorRelay(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Pinned = []relayurl.URL{one} })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("r", a.Ref))
	s.sync(one)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil)), Picture: 1})
	require.False(t, s.liveTagged(one, "a", a.Ref.String()))
	s.elapse(time.Hour)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Hour), nil, one)), Picture: 1})
	require.True(t, s.liveTagged(one, "a", a.Ref.String()))
	require.Contains(t, tagValues(s.pending(one), "a"), a.Ref.String(), "an hour without live")
}

func TestRejoinedRelayAfterRestart(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	other := announce("carol", "other", t0, nil, one)
	s.picture(anns(a, other))
	s.sync(one)
	s.mark(one)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil, two)), Picture: 1})
	for range 60 {
		s.elapse(time.Minute)
		s.mark(one)
	}
	v3 := announce("alice", "tool", t0.Add(2*time.Hour), nil, one, two)
	s.facts(selfsub.Facts{Announcements: anns(v3), Picture: 1})
	require.Contains(t, tagValues(s.pending(one), "a"), a.Ref.String())
	require.Zero(t, tagValues(s.pending(one), "a")[a.Ref.String()])
	s.restart() // before the answer
	s.picture(anns(v3, other))
	s.up(one)
	v, ok := tagValues(s.pending(one), "a")[a.Ref.String()]
	require.True(t, ok)
	require.Zero(t, v, "asked without since: nobody listened for an hour")
}

func TestStatesOfJoinedMaintainerSurviveACrash(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	s.mark(one)
	first := s.pending(one)[0]
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), []string{"bob"}, one)), Picture: 1})
	require.Len(t, s.pending(one), 2)
	s.settle(first) // the old question
	v2 := announce("alice", "tool", t0.Add(time.Hour), []string{"bob"}, one)
	s.restart() // before the answer to the new one
	s.picture(anns(v2))
	s.up(one)
	whole := false
	for _, b := range s.pending(one) {
		for _, f := range b.Filters {
			whole = whole || (len(f.Tags["d"]) > 0 && len(f.Authors) > 0 && f.Since == nil)
		}
	}
	require.True(t, whole, "what bob had signed before has never been asked for")
}

func TestChildRootBeforeItsParent(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	child := selfsub.Root{ID: id("child"), CreatedAt: t0.Unix() + 1, Refs: event.References{IDs: []event.ID{id("parent")}}}
	s.picture(anns(a), child, root("parent", a.Ref)) // newest first, as pages come
	s.up(one)
	require.Contains(t, tagValues(s.pending(one), "e"), id("child").String())
}

func TestRemovedWhileConnectingFreesItsDial(t *testing.T) {
	s := newScript(t, func(c *Config) { c.ConcurrentDials = 1 })
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	require.Len(t, s.dials, 1)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil, two)), Picture: 1})
	s.elapse(time.Hour)
	require.Equal(t, Removed, s.phase(one))
	require.Len(t, s.dials, 2, "two is dialled now")
}

func TestSwappedMaintainerKeepsNoProgress(t *testing.T) {
	s := newScript(t)
	// carol was a maintainer before relay one came; now bob is
	s.picture(anns(announce("alice", "tool", t0, []string{"bob", "carol"}, two)))
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), []string{"bob"}, one, two)), Picture: 1})
	s.up(one)
	b := s.pending(one)[0]
	ends := make([]relay.FilterEnd, len(b.Filters))
	for i := range ends {
		ends[i] = relay.FilterEnd{Failed: true, Until: t0.Add(-30 * 24 * time.Hour).Unix()}
	}
	s.fail(b, ends...)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Hour), []string{"carol"}, one, two)), Picture: 1})
	s.settleAll(one)
	carol := event.Ref{Kind: event.KindAnnouncement, PubKey: key("carol"), D: "tool"}.String()
	s.elapse(2 * time.Minute)
	top := false
	for _, b := range s.pending(one) {
		for _, f := range b.Filters {
			for _, v := range f.Tags["a"] {
				top = top || (v == carol && f.Until == nil && f.Since == nil)
			}
		}
	}
	require.True(t, top, "carol's coordinate was never asked from the top")
}

func TestLateHeadDoesNotEndTheNextLook(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(time.Minute)
	s.mark(one)
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("r", a.Ref)}, Picture: 1})
	b := s.pending(one)[0]
	q := s.asked[b.ID]
	ends := make([]relay.FilterEnd, len(b.Filters))
	for i := range ends {
		ends[i] = relay.FilterEnd{Until: t0.Add(-30 * 24 * time.Hour).Unix()}
	}
	s.report(relay.Settled{ID: q.conn, Batch: b.ID, Filters: ends})
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	find := func() (x relay.Batch) {
		for _, b := range s.pending(one) {
			if len(b.Filters[0].Tags["e"]) > 0 && b.Filters[0].Until != nil {
				x = b
			}
		}
		return x
	}
	b2 := find()
	q2 := s.asked[b2.ID]
	ends = make([]relay.FilterEnd, len(b2.Filters))
	heads := 0
	for i, f := range b2.Filters {
		if f.Since != nil {
			ends[i].Done = true // the look from the top is answered, and settles late
			heads++
		} else {
			ends[i].Failed = true
		}
	}
	require.NotZero(t, heads)
	s.down(one)
	s.report(relay.Settled{ID: q2.conn, Batch: b2.ID, Final: true, Filters: ends})
	s.elapse(10 * time.Minute)
	s.up(one)
	again := 0
	for _, f := range find().Filters {
		if f.Since != nil {
			again++
		}
	}
	require.NotZero(t, again, "what came in the second absence is asked")
}
