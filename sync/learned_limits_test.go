package sync

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// told is a connected script with so many roots, and the limits that the connection was told since.
func told(t *testing.T, roots int) (*script, *[]relay.Limits) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	var rs []selfsub.Root
	for i := range roots {
		rs = append(rs, root("root"+strconv.Itoa(i), a.Ref))
	}
	limits := &[]relay.Limits{}
	s.watch = func(x Effect) {
		if tell, ok := x.(Tell); ok {
			if c, ok := tell.Command.(relay.SetLimits); ok {
				*limits = append(*limits, c.Limits)
			}
		}
	}
	s.picture(anns(a), rs...)
	s.sync(one)
	s.mark(one)
	return s, limits
}

// idle lets time pass while everything is answered.
func (s *script) idle(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.elapse(min(time.Minute, end.Sub(s.now)))
		s.settleAll(one)
		s.mark(one)
	}
}

func TestEvidenceShrinksLimitsForADay(t *testing.T) {
	shrunk := func(change func(*relay.Limits)) relay.Limits {
		l := relay.AssumedLimits()
		change(&l)
		return l
	}
	for _, tt := range []struct {
		name string
		seen relay.Evidence
		want relay.Limits
	}{
		{"subscriptions", relay.Evidence{Subscriptions: 4}, shrunk(func(l *relay.Limits) { l.Subscriptions = 4 })},
		{"filters", relay.Evidence{FiltersPerREQ: 5}, shrunk(func(l *relay.Limits) { l.FiltersPerREQ = 5 })},
		{"bytes", relay.Evidence{MessageBytes: 9000}, shrunk(func(l *relay.Limits) { l.MessageBytes = 9000 })},
		{"kinds", relay.Evidence{StateKinds: true}, shrunk(func(l *relay.Limits) { l.StateKinds = true })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, limits := told(t, 300)
			sets := len(s.live[s.conn(one)])
			v := tt.seen
			v.ID, v.At, v.Reason = s.conn(one), s.now, "error: too much"
			learnedAt := s.now
			s.report(v)
			require.Equal(t, []relay.Limits{tt.want}, *limits, "the connection is told")
			require.Greater(t, len(s.live[s.conn(one)]), sets, "what is live is laid out anew")
			require.NotEmpty(t, s.pending(one), "what passed by meanwhile is asked")
			s.report(v)
			require.Len(t, *limits, 1, "it says nothing new")
			require.Equal(t, "error: too much", s.e.relays[one].lastNote)
			s.settleAll(one)

			s.idle(time.Hour)
			s.down(one)
			s.elapse(time.Minute)
			s.up(one)
			require.Equal(t, tt.want, s.e.relays[one].limits, "over a reconnect")
			require.Equal(t, tt.want, s.dials[len(s.dials)-1].Learned.Apply(relay.AssumedLimits(), s.now), "and the dialler knows")
			s.settleAll(one)
			s.mark(one)
			s.restart()
			s.elapse(time.Minute)
			s.up(one)
			require.Equal(t, tt.want, s.e.relays[one].limits, "over a restart")
			s.settleAll(one)
			*limits = nil
			s.idle(learnedAt.Add(24*time.Hour - time.Second).Sub(s.now))
			require.Empty(t, *limits)
			sets = len(s.live[s.conn(one)])
			s.idle(time.Second)
			require.Equal(t, []relay.Limits{relay.AssumedLimits()}, *limits, "a day later it is tried again")
			require.Greater(t, len(s.live[s.conn(one)]), sets)
			require.Zero(t, s.e.relays[one].learned.Expires())
		})
	}
}

func TestALimitedPaceIsRememberedForADay(t *testing.T) {
	s, _ := told(t, 1)
	s.report(relay.Limited{ID: s.conn(one), At: s.now, Reason: "rate-limited: slow", REQsPerMinute: 60})
	require.Equal(t, 60, s.state.relays[one].Learned.REQsPerMinute.N)
	s.elapse(2 * time.Minute)
	s.down(one)
	s.elapse(5 * time.Minute)
	require.Equal(t, 60, s.dials[len(s.dials)-1].Learned.REQsPerMinute.N)
	s.up(one)
	require.Equal(t, 60, s.e.relays[one].limits.REQsPerMinute)
	s.settleAll(one)
	s.idle(24 * time.Hour)
	require.Zero(t, s.e.relays[one].limits.REQsPerMinute)
}

func TestARefusedValueIsNotAskedForADay(t *testing.T) {
	a := announce("alice", "tool", t0, nil, one)
	for _, tt := range []struct{ tag, value string }{
		{"a", a.Ref.String()}, {"e", id("root0").String()}, {"d", "tool"},
	} {
		t.Run(tt.tag, func(t *testing.T) {
			s, _ := told(t, 3)
			asked := 0
			var during bool
			see := func(tags map[string][]string) {
				for _, name := range []string{tt.tag, "A", "E", "q"} {
					for _, v := range tags[name] {
						if v == tt.value {
							asked++
						}
					}
				}
			}
			s.watch = func(x Effect) {
				tell, ok := x.(Tell)
				if !ok || !during {
					return
				}
				switch c := tell.Command.(type) {
				case relay.SetLive:
					for _, sub := range c.Open {
						for _, f := range sub.All() {
							see(f.Tags)
						}
					}
				case relay.AskBatch:
					for _, f := range c.Batch.Filters {
						see(f.Tags)
					}
				}
			}
			learnedAt := s.now
			during = true
			s.report(relay.Evidence{ID: s.conn(one), At: s.now, Reason: "error: filter", Tag: tt.tag, Value: tt.value})
			s.settleAll(one)
			require.False(t, s.liveTagged(one, tt.tag, tt.value))
			s.idle(time.Hour)
			s.report(said(id("root0"), s.now)) // it has become active
			s.down(one)
			s.elapse(time.Minute)
			s.up(one)
			s.settleAll(one)
			s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil)), Picture: 1})
			s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Hour), nil, one)), Picture: 1})
			s.settleAll(one)
			s.restart()
			s.picture(anns(announce("alice", "tool", t0.Add(2*time.Hour), nil, one)), root("root0", a.Ref))
			s.elapse(time.Minute)
			s.up(one)
			s.settleAll(one)
			require.Equal(t, 1, s.e.Snapshot(s.now).Relays[0].Aside, "status says so")
			s.idle(learnedAt.Add(24*time.Hour - time.Second).Sub(s.now))
			require.Zero(t, asked)
			s.idle(time.Second)
			require.True(t, s.liveTagged(one, tt.tag, tt.value), "a day later it is tried again")
			s.idle(30 * time.Hour)
			require.Greater(t, asked, 3)
		})
	}
}

func TestAValueThatWasRefusedBeforeItsFirstAnswerIsAskedWhenThatHasExpired(t *testing.T) {
	s, _ := told(t, 1)
	a := announce("alice", "tool", t0, nil, one)
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("poison", a.Ref)}, Picture: 1})
	s.report(relay.Evidence{ID: s.conn(one), At: s.now, Reason: "error: filter", Tag: "e", Value: id("poison").String()})
	for _, b := range s.pending(one) {
		s.fail(b)
	}
	whole := false
	for range 26 * 60 {
		s.elapse(time.Minute)
		for _, b := range s.pending(one) {
			if since, ok := tagValues([]relay.Batch{b}, "e")[id("poison").String()]; ok && since == 0 {
				whole = true
			}
			s.settle(b)
		}
	}
	require.True(t, whole)
	require.True(t, s.e.repos[a.Ref].wants[one].roots.confirmed.Has(1))
}

func TestForeignEventsSwitchTheWideFiltersOffForADay(t *testing.T) {
	s, _ := told(t, 3000)
	r := s.e.relays[one]
	require.True(t, r.wide)
	s.report(relay.Foreign{ID: s.conn(one), At: s.now})
	at := s.now
	require.False(t, r.wide)
	for _, sub := range r.live.All() {
		require.Empty(t, sub.Wide)
	}
	s.settleAll(one)
	s.idle(12 * time.Hour)
	require.False(t, r.wide)
	s.idle(at.Add(24 * time.Hour).Sub(s.now))
	require.True(t, r.wide, "a day later they are tried again")
}

// A relay that ends every live subscription is asked for less and less, and in the end polled for everything.
func TestARelayThatEndsEveryLiveSubscriptionIsPolled(t *testing.T) {
	l := relay.AssumedLimits()
	w := newWorld(t, 5, l, 3, 30)
	w.m.refuse = true
	w.m.up()
	r := w.e.relays[one]
	for r.learned.NoLive.IsZero() && w.now.Sub(t0) < 24*time.Hour {
		w.run(time.Minute, 0)
	}
	require.False(t, r.learned.NoLive.IsZero())
	require.Empty(t, w.m.subs, "nothing is asked live")
	w.run(2*time.Hour, 0)
	until := r.learned.NoLive
	w.m.troubled = t0
	for w.now.Before(until.Add(-time.Hour)) {
		w.chatter(time.Hour, 0)
		w.complete("polled")
		require.WithinDuration(t, w.now, r.cursor, 2*w.cfg.PollInterval+slack, "the cursor moves, so that an absence is short")
	}
	w.m.refuse = false
	w.run(2*time.Hour, 0)
	require.NotEmpty(t, w.m.subs, "live is tried again after a day")
	w.chatter(time.Hour, 0)
	w.complete("live again")
}

func TestARelayThatDoesNotReconcileIsPagedForADay(t *testing.T) {
	s, limits := told(t, 1)
	r := s.e.relays[one]
	mode := func() string {
		m, why := r.mode(s.now)
		return m + ": " + why
	}
	require.Equal(t, "paged: NIP-77 was not needed yet", mode())
	s.report(relay.Evidence{ID: s.conn(one), At: s.now, Negentropy: true})
	require.Equal(t, "negentropy: it answers NIP-77", mode())
	require.Empty(t, *limits)
	s.report(relay.Evidence{ID: s.conn(one), At: s.now, Reason: "capped", NoNegentropy: "capped"})
	learnedAt := s.now
	require.Equal(t, "paged: capped", mode())
	require.True(t, (*limits)[0].NoNegentropy)

	s.elapse(2 * time.Minute)
	s.down(one)
	s.elapse(5 * time.Minute)
	require.True(t, s.dials[len(s.dials)-1].Learned.Apply(relay.AssumedLimits(), s.now).NoNegentropy)
	s.up(one)
	require.Equal(t, "paged: capped", mode())
	s.settleAll(one)
	s.mark(one)
	s.restart()
	s.elapse(time.Minute)
	s.up(one)
	r = s.e.relays[one]
	require.Equal(t, "paged: capped", mode(), "over a restart")
	s.settleAll(one)
	*limits = nil
	s.idle(learnedAt.Add(24 * time.Hour).Sub(s.now))
	require.Equal(t, []relay.Limits{relay.AssumedLimits()}, *limits, "the connection tries again")
	require.Equal(t, "paged: NIP-77 was not needed yet", mode())
	require.Empty(t, r.learned.NoNegentropyWhy)
}

// Stored events that came behind EOSE show that what was confirmed may not be all.
func TestLateEventsBringAPassOverEverything(t *testing.T) {
	s, _ := told(t, 1)
	r := s.e.relays[one]
	s.elapse(time.Minute)
	require.Nil(t, r.daily)
	s.report(relay.Evidence{ID: s.conn(one), At: s.now, Reason: "late", Late: true})
	s.elapse(time.Second)
	require.NotNil(t, r.daily)
	require.Equal(t, "late", r.lastNote)
	s.settleAll(one)
	s.elapse(time.Hour)
	require.Nil(t, r.daily, "once")
}
