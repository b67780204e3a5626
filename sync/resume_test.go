package sync

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// page settles a page of each filter of a batch, and another one is to come.
func (s *script) page(b relay.Batch) {
	ends := make([]relay.FilterEnd, len(b.Filters))
	for i := range ends {
		ends[i].Until = t0.Add(-30 * 24 * time.Hour).Unix()
	}
	s.report(relay.Settled{ID: s.asked[b.ID].conn, Batch: b.ID, At: s.now, Filters: ends, New: 500})
}

// countTops counts from now on the filters that ask for all of a repo's layer 2.
func (s *script) countTops() *int {
	n := new(int)
	s.watch = func(x Effect) {
		tell, _ := x.(Tell)
		ask, _ := tell.Command.(relay.AskBatch)
		for _, f := range ask.Batch.Filters {
			if f.Tags["a"] != nil && f.Since == nil && f.Until == nil {
				*n++
			}
		}
	}
	return n
}

// A daily pass right behind a sync that was cut off would fetch all of it again.
func TestASyncThatWasCutOffIsAFullOneWhenItEnds(t *testing.T) {
	tests := []struct {
		name string
		cut  func(*script)
	}{
		{"connection lost", func(s *script) { s.down(one) }},
		{"killed", (*script).restart},
		{"lost, then killed", func(s *script) { s.down(one); s.elapse(time.Minute); s.up(one); s.restart() }},
		{"killed, then lost", func(s *script) { s.restart(); s.up(one); s.down(one); s.elapse(time.Minute) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			a := announce("alice", "tool", t0, nil, one)
			s.picture(anns(a))
			s.up(one)
			s.mark(one)
			s.page(s.pending(one)[0])
			tt.cut(s)
			s.elapse(time.Minute)
			s.picture(anns(a), root("issue", a.Ref))
			tops := s.countTops()
			s.up(one)
			s.settleAll(one)
			require.Equal(t, Connected, s.phase(one))
			require.Zero(t, *tops)
			require.Equal(t, s.now, s.e.relays[one].lastFull)
			s.elapse(23 * time.Hour)
			require.Zero(t, *tops)
			s.elapse(2 * time.Hour)
			require.NotZero(t, *tops, "the daily pass")
		})
	}
}

// One after a long absence was a fresh start as well, though there had been a full one before.
func TestAFreshStartThatWasCutOffGoesOn(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.mark(one)
	s.now = s.now.Add(48 * time.Hour) // it does not run
	s.restart()
	s.picture(anns(a))
	s.up(one)
	s.mark(one)
	s.page(s.pending(one)[0])
	s.down(one)
	s.elapse(time.Minute)
	tops := s.countTops()
	s.up(one)
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Zero(t, *tops)
	require.Equal(t, s.now, s.e.relays[one].lastFull)
	s.elapse(23 * time.Hour)
	require.Zero(t, *tops)
}

// A daily pass has confirmed nothing that tells where it was: it begins again, however it was cut off.
func TestADailyPassThatWasCutOffBeginsAgain(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	full := s.e.relays[one].lastFull
	s.elapse(24 * time.Hour)
	require.NotEmpty(t, s.pending(one))
	s.mark(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	for _, b := range s.pending(one) {
		s.settle(b) // since the cursor
	}
	require.Equal(t, full, s.e.relays[one].lastFull, "not made yet")
	s.settleAll(one)
	require.Equal(t, s.now, s.e.relays[one].lastFull)
}

// Progress of a filter says nothing of one with more values, which a joined maintainer makes of it: it is asked from the top.
func TestAResumePointDoesNotOutliveItsFilter(t *testing.T) {
	for _, how := range []string{"before the restart", "after it"} {
		t.Run(how, func(t *testing.T) {
			s := newScript(t)
			s.picture(anns(announce("alice", "tool", t0, []string{"carol"}, one)))
			s.up(one)
			s.mark(one)
			s.page(s.pending(one)[0])
			joined := announce("alice", "tool", t0.Add(time.Hour), []string{"carol", "bob"}, one)
			if how == "before the restart" {
				s.picture(anns(joined))
			}
			s.restart()
			s.picture(anns(joined))
			s.up(one)
			bob := event.RepoRef(key("bob"), "tool").String()
			asked := map[string]bool{}
			for _, q := range s.pending(one) {
				for _, f := range q.Filters {
					if slices.Contains(f.Tags["a"], bob) {
						require.Nil(t, f.Until, f)
						asked["a"] = true
					}
					if slices.Contains(f.Authors, key("bob").String()) {
						require.Nil(t, f.Until, f)
						asked["authors"] = true
					}
				}
			}
			require.Len(t, asked, 2)
		})
	}
}
