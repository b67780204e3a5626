package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// narrow is a script whose relay has room for one root beside the wide filters: of three the one that was active an hour ago. The other
// has been silent for the time given, the third for months.
func narrow(t *testing.T, silent time.Duration) (s *script, a *nip34.Announcement, other selfsub.Root) {
	s = newScript(t, func(c *Config) { c.TagsPerFilter = 1 })
	a = announce("alice", "tool", t0, nil, one)
	lively := root("lively", a.Ref)
	lively.CreatedAt = t0.Add(-time.Hour).Unix()
	other = root("other", a.Ref)
	other.CreatedAt = t0.Add(-silent).Unix()
	old := root("old", a.Ref)
	old.CreatedAt = t0.Add(-100 * 24 * time.Hour).Unix()
	s.picture(anns(a), lively, other, old)
	s.upNarrow()
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.True(t, s.liveTagged(one, "e", id("lively").String()))
	require.False(t, s.liveTagged(one, "e", id("other").String()))
	return s, a, other
}

func (s *script) upNarrow() {
	l := relay.AssumedLimits()
	l.Subscriptions, l.FiltersPerREQ = 3, 12
	s.upWith(one, l)
}

func said(of event.ID, at time.Time) relay.Accepted {
	return relay.Accepted{Events: []relay.AcceptedEvent{{ID: id("comment"), Kind: 1111, CreatedAt: at.Unix(), Refs: event.References{IDs: []event.ID{of}}}}}
}

// asksFor gives the since with which a root is asked at present; ok says whether it is.
func (s *script) asksFor(x event.ID) (since int64, ok bool) {
	since, ok = tagValues(s.pending(one), "e")[x.String()]
	return since, ok
}

func TestWhatIsNotLiveIsPolledByItsActivity(t *testing.T) {
	for _, tt := range []struct {
		name         string
		silent, when time.Duration
	}{
		{"hot: every poll interval", 2 * time.Hour, 5 * time.Minute},
		{"warm: every hour", 48 * time.Hour, time.Hour},
		{"else: by the daily pass", 40 * 24 * time.Hour, 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _, other := narrow(t, tt.silent)
			for s.now.Sub(t0) < tt.when-time.Second {
				s.elapse(min(time.Minute, tt.when-time.Second-s.now.Sub(t0)))
				_, asked := s.asksFor(other.ID)
				require.False(t, asked, "at %s", s.now.Sub(t0))
				s.settleAll(one)
				s.mark(one)
			}
			s.elapse(time.Second)
			for range 20 {
				since, asked := s.asksFor(other.ID)
				if asked {
					require.Equal(t, tt.when == 24*time.Hour, since == 0)
					return
				}
				for _, b := range s.pending(one) {
					s.settle(b)
				}
			}
			t.Fatal("not asked")
		})
	}
}

func TestWhatBecomesLiveIsPolledUntilThatIsAnswered(t *testing.T) {
	s, a, _ := narrow(t, 2*time.Hour)
	s.elapse(5 * time.Minute)
	s.settleAll(one)
	s.elapse(time.Minute)
	newer := selfsub.Root{ID: id("newer"), CreatedAt: s.now.Unix(), Refs: event.References{Refs: []event.Ref{a.Ref}}}
	s.facts(selfsub.Facts{Roots: []selfsub.Root{newer}, Picture: 1})
	asked := s.now
	s.settleAll(one)
	s.elapse(4 * time.Minute)
	require.True(t, s.liveTagged(one, "e", newer.ID.String()), "it is more active")
	since, ok := s.asksFor(newer.ID)
	require.True(t, ok, "nobody listened between its question and now")
	require.LessOrEqual(t, since, asked.Unix())
	for _, b := range s.pending(one) {
		s.fail(b)
	}
	s.elapse(5 * time.Minute)
	since, ok = s.asksFor(newer.ID)
	require.True(t, ok, "nor was that answered")
	require.LessOrEqual(t, since, asked.Unix())
	s.settleAll(one)
	s.elapse(5 * time.Minute)
	_, ok = s.asksFor(newer.ID)
	require.False(t, ok, "it was polled once more")
}

func TestWhatBecomesLiveBeforeItsFirstAnswerIsPolledAfterIt(t *testing.T) {
	s, a, _ := narrow(t, 2*time.Hour)
	s.elapse(5 * time.Minute)
	s.settleAll(one)
	s.elapse(5*time.Minute - time.Second)
	newer := selfsub.Root{ID: id("newer"), CreatedAt: s.now.Unix(), Refs: event.References{Refs: []event.Ref{a.Ref}}}
	s.facts(selfsub.Facts{Roots: []selfsub.Root{newer}, Picture: 1})
	asked := s.now
	s.elapse(time.Second)
	require.True(t, s.liveTagged(one, "e", newer.ID.String()))
	s.settleAll(one)
	s.elapse(5 * time.Minute)
	since, ok := s.asksFor(newer.ID)
	require.True(t, ok, "nobody listened between its question and the moment at which it became live")
	require.LessOrEqual(t, since, asked.Unix())
}

func TestASlowFirstAnswerIsPolledFromItsQuestion(t *testing.T) {
	s, a, _ := narrow(t, 2*time.Hour)
	older := selfsub.Root{ID: id("older"), CreatedAt: t0.Add(-3 * time.Hour).Unix(), Refs: event.References{Refs: []event.Ref{a.Ref}}}
	s.facts(selfsub.Facts{Roots: []selfsub.Root{older}, Picture: 1})
	slow := s.pending(one)
	require.Len(t, slow, 1)
	asked := s.now
	for range 40 { // it is not live, and rotations begin and end meanwhile
		s.elapse(time.Minute)
		for _, b := range s.pending(one) {
			if b.ID != slow[0].ID {
				s.settle(b)
			}
		}
	}
	s.settle(slow[0])
	s.elapse(5 * time.Minute)
	since, ok := s.asksFor(older.ID)
	require.True(t, ok)
	require.LessOrEqual(t, since, asked.Unix(), "no rotation has asked for it yet")
}

func TestARootThatWakesWhileTheRelayIsAwayIsAskedFromTheTop(t *testing.T) {
	for _, restart := range []bool{false, true} {
		s, a, other := narrow(t, 20*24*time.Hour)
		s.elapse(50 * time.Minute)
		s.settleAll(one)
		s.mark(one)
		s.down(one)
		if restart {
			s.restart()
			s.picture(anns(a))
		}
		s.report(said(other.ID, s.now))
		s.elapse(5 * time.Minute)
		s.upNarrow()
		since, ok := s.asksFor(other.ID)
		require.True(t, ok)
		require.Zero(t, since, "it was polled by the hour, and from here on is by the poll interval: what lies between is asked")
	}
}

func TestAnHourlyRotationThatNeverCameIsMadeUpFor(t *testing.T) {
	s, _, other := narrow(t, 48*time.Hour)
	first := s.now
	for range 50 {
		s.elapse(time.Minute)
		s.settleAll(one)
		s.mark(one)
	}
	s.down(one)
	s.elapse(time.Minute)
	s.upNarrow()
	s.settleAll(one)
	for range 60 {
		s.elapse(time.Minute)
		if since, ok := s.asksFor(other.ID); ok {
			require.LessOrEqual(t, since, first.Unix(), "it was asked at the first connect, and then only what came since the cursor")
			return
		}
		s.settleAll(one)
		s.mark(one)
	}
	t.Fatal("not asked within an hour")
}
