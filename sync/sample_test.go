package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay"
)

// samples lets so many days pass and gives, per day, whether its daily pass sampled. restart is done at the end of each, hit is reported of
// each batch that samples.
func samples(t *testing.T, s *script, days int, negentropy bool, restart bool, hit func(relay.Batch)) []bool {
	t.Helper()
	out := make([]bool, days)
	begin := s.now
	for day := range out {
		for s.now.Before(begin.Add(time.Duration(day+1) * 24 * time.Hour)) {
			s.elapse(time.Minute)
			for _, b := range s.pending(one) {
				if b.Sample {
					require.True(t, b.Background)
					out[day] = true
					if hit != nil {
						hit(b)
						continue
					}
				}
				s.settle(b)
			}
			s.mark(one)
		}
		if restart {
			s.restart()
			a := announce("alice", "tool", t0, nil, one)
			s.picture(anns(a), root("root0", a.Ref))
			s.elapse(time.Minute)
			s.up(one)
			if negentropy {
				s.report(relay.Evidence{ID: s.conn(one), At: s.now, Negentropy: true})
			}
		}
	}
	return out
}

func TestWhatARelayListsIsSampledOnceAWeek(t *testing.T) {
	for _, restart := range []bool{false, true} {
		s, _ := told(t, 1)
		s.report(relay.Evidence{ID: s.conn(one), At: s.now, Negentropy: true})
		got := samples(t, s, 18, true, restart, nil)
		var days []int
		for day, sampled := range got {
			if sampled {
				days = append(days, day)
			}
		}
		require.Len(t, days, 3, "%v", days)
		require.InDelta(t, 7, days[1]-days[0], 1)
		require.InDelta(t, 7, days[2]-days[1], 1)
	}
}

// A relay that was paged all along has listed nothing: the next pass of one that reconciles samples.
func TestRelayThatDidNotReconcileIsSampledLater(t *testing.T) {
	s, _ := told(t, 1)
	for _, sampled := range samples(t, s, 5, false, false, nil)[1:] {
		require.True(t, sampled)
	}
	require.Zero(t, s.e.relays[one].learned.Sampled)
}

// What was reconciled at a relay that withholds says nothing: all of it is asked again, by pages, and pages hold for a week.
func TestRelayThatWithholdsIsAskedForAllAnewAndPagedForAWeek(t *testing.T) {
	s, limits := told(t, 300)
	r := s.e.relays[one]
	s.report(relay.Evidence{ID: s.conn(one), At: s.now, Negentropy: true})
	var at time.Time
	first := map[relay.BatchID]bool{}
	samples(t, s, 2, true, false, func(b relay.Batch) {
		if !at.IsZero() {
			if !first[b.ID] {
				s.settle(b)
			}
			return
		}
		at = s.now
		for _, b := range s.pending(one) {
			first[b.ID] = true
		}
		daily := r.daily
		s.report(relay.Evidence{ID: s.conn(one), At: s.now, Reason: "withheld", NoNegentropy: "withheld", Withholds: true})
		require.NotSame(t, daily, r.daily, "the pass begins anew")
		require.Equal(t, s.now, r.daily.started)
		require.True(t, (*limits)[len(*limits)-1].NoNegentropy)
		for _, p := range s.pending(one) {
			require.False(t, first[p.ID])
		}
	})
	require.False(t, at.IsZero())
	require.Equal(t, at.Add(7*24*time.Hour), r.learned.NoNegentropy)
	mode, why := r.mode(s.now)
	require.Equal(t, "paged", mode)
	require.Equal(t, "withheld", why)
	require.True(t, r.lastFull.After(at), "the pass that began anew has ended")
	require.Zero(t, r.learned.Sampled, "it is sampled again as soon as it is reconciled again")
}

// The verdict may come when the daily pass is over: it is due again at once.
func TestRelayThatWithholdsIsAskedAtOnceWhenNothingIsGoingOn(t *testing.T) {
	s, _ := told(t, 1)
	s.idle(time.Minute)
	require.Equal(t, Connected, s.phase(one))
	s.report(relay.Evidence{ID: s.conn(one), At: s.now, Reason: "withheld", NoNegentropy: "withheld", Withholds: true})
	require.Equal(t, Syncing, s.phase(one))
	require.NotNil(t, s.e.relays[one].daily)
}
