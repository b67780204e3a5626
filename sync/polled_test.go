package sync

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// settleSeeing answers everything like settleAll and gives the since of a value, -1 when it was not asked for.
func settleSeeing(s *script, id event.ID, not ...relay.BatchID) int64 {
	since := int64(-1)
	for range 1000 {
		open := slices.DeleteFunc(s.pending(one), func(b relay.Batch) bool { return slices.Contains(not, b.ID) })
		if len(open) == 0 {
			return since
		}
		if at, ok := tagValues(open[:1], "e")[id.String()]; ok {
			since = at
		}
		s.settle(open[0])
	}
	s.t.Fatal("asked for ever")
	return 0
}

// overflowing is a relay with more warm roots than are live; it gives one that is not.
func overflowing(t *testing.T) (*script, event.ID) {
	return warmRoots(t, -1), id("2999")
}

// warmRoots is a relay with more warm roots than are live, each a little older or younger than the one before.
func warmRoots(t *testing.T, sign time.Duration) *script {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	var roots []selfsub.Root
	for i := range 3000 {
		x := root(strconv.Itoa(i), a.Ref)
		x.CreatedAt = t0.Add(-10*24*time.Hour + sign*time.Duration(i)*time.Second).Unix()
		roots = append(roots, x)
	}
	s.picture(anns(a), roots...)
	s.up(one)
	return s
}

func TestTheWarmRotationIsDueThoughConnectionsAreShort(t *testing.T) {
	s, cold := overflowing(t)
	s.settleAll(one)
	polled := false
	for range 6 {
		for range 25 {
			s.elapse(2 * time.Minute)
			s.mark(one)
			polled = settleSeeing(s, cold) >= 0 || polled
		}
		s.down(one)
		s.elapse(time.Minute)
		s.up(one)
		s.settleAll(one) // the pass of the reconnect
	}
	require.True(t, polled, "what is warm is polled within five hours")
}

func TestTheFirstRotationGoesBackToTheFreshStart(t *testing.T) {
	s, cold := overflowing(t)
	s.settleAll(one)
	start := s.now
	s.elapse(50 * time.Minute)
	s.mark(one)
	s.settleAll(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	s.settleAll(one)
	for range 40 {
		s.elapse(2 * time.Minute)
		if at := settleSeeing(s, cold); at >= 0 {
			require.LessOrEqual(t, at, start.Unix(), "nobody has asked since")
			return
		}
	}
	t.Fatal("never polled")
}

func TestWhatIsConfirmedLateIsPolledFromWhereItWasAsked(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	var roots []selfsub.Root
	for i := range 3000 {
		x := root(strconv.Itoa(i), a.Ref)
		x.CreatedAt = t0.Add(-time.Hour).Unix()
		roots = append(roots, x)
	}
	s.picture(anns(a), roots...)
	s.up(one)
	s.settleAll(one)
	s.elapse(12 * time.Minute)
	s.settleAll(one)
	late := root("late", a.Ref) // hot, but less than those that are live
	late.CreatedAt = t0.Add(-2 * time.Hour).Unix()
	s.facts(selfsub.Facts{Roots: []selfsub.Root{late}, Picture: 1})
	asked := s.now
	slow := s.pending(one)[0]
	require.Contains(t, tagValues([]relay.Batch{slow}, "e"), late.ID.String())
	for range 30 {
		s.elapse(2 * time.Minute)
		settleSeeing(s, late.ID, slow.ID)
	}
	s.settle(slow) // it has paged for an hour
	for range 10 {
		s.elapse(time.Minute)
		if at := settleSeeing(s, late.ID); at >= 0 {
			require.LessOrEqual(t, at, asked.Unix(), "nobody has asked since")
			return
		}
	}
	t.Fatal("never polled")
}

func TestWhatBecomesLiveDuringARotationIsPolledByIt(t *testing.T) {
	s := warmRoots(t, +1)
	s.settleAll(one)
	for range 70 { // the first of them
		s.elapse(time.Minute)
		s.mark(one)
		s.settleAll(one)
	}
	r := s.e.relays[one]
	start := r.warmth.since
	for r.warmth.pass == nil {
		s.elapse(time.Minute)
		s.mark(one)
		for _, b := range s.pending(one) {
			if r.warmth.pass == nil || !b.Background {
				s.settle(b)
			}
		}
	}
	polled := map[filters.Value]bool{}
	for _, v := range s.e.repos[event.Ref{Kind: event.KindAnnouncement, PubKey: key("alice"), D: "tool"}].roots {
		polled[v] = !r.live.Has(filters.Roots, v)
	}
	s.report(relay.Foreign{ID: s.conn(one)}) // there is room for more
	s.settle(s.pending(one)[0])
	asked := map[string]int64{}
	for range 150 {
		for range 1000 {
			open := s.pending(one)
			if len(open) == 0 {
				break
			}
			for v, at := range tagValues(open[:1], "e") {
				if was, ok := asked[v]; !ok || at < was {
					asked[v] = at
				}
			}
			s.settle(open[0])
		}
		s.elapse(time.Minute)
		s.mark(one)
	}
	n := 0
	for v := range r.live.Values(filters.Roots) {
		if id := s.e.names.roots.names[v].String(); polled[v] {
			n++
			require.LessOrEqual(t, asked[id], start.Unix(), "nobody has asked since")
		}
	}
	require.NotZero(t, n)
}

func TestAWarmRootThatBecomesLiveIsPolledOnce(t *testing.T) {
	s, _ := overflowing(t)
	s.settleAll(one)
	for range 70 {
		s.elapse(time.Minute)
		s.mark(one)
		s.settleAll(one)
	}
	x := root("newer", event.Ref{Kind: event.KindAnnouncement, PubKey: key("alice"), D: "tool"})
	x.CreatedAt = t0.Add(-5 * 24 * time.Hour).Unix()
	s.facts(selfsub.Facts{Roots: []selfsub.Root{x}, Picture: 1})
	asked := s.now
	s.settleAll(one)
	v := s.e.names.roots.of[x.ID]
	require.False(t, s.e.relays[one].live.Has(filters.Roots, v))
	polled := int64(-1)
	for range 120 {
		s.elapse(time.Minute)
		s.mark(one)
		if at := settleSeeing(s, x.ID); at >= 0 && (polled < 0 || at < polled) {
			polled = at
		}
	}
	require.True(t, s.e.relays[one].live.Has(filters.Roots, v))
	require.NotEqual(t, int64(-1), polled, "nobody listened from its first ask until it became live")
	require.LessOrEqual(t, polled, asked.Unix())
}

func TestPolledSurvivesARestart(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	var roots []selfsub.Root
	for i := range 3000 {
		x := root(strconv.Itoa(i), a.Ref)
		x.CreatedAt = t0.Add(-10*24*time.Hour + time.Duration(i)*time.Second).Unix()
		roots = append(roots, x)
	}
	s.picture(anns(a), roots...)
	s.up(one)
	s.settleAll(one)
	for range 110 {
		s.elapse(time.Minute)
		s.mark(one)
		s.settleAll(one)
	}
	start := s.e.relays[one].warmth.since
	s.restart()
	s.picture(anns(a), roots...)
	l := relay.AssumedLimits()
	l.Subscriptions = 100
	s.report(relay.Up{ID: s.conn(one), At: s.now, Limits: l})
	least := int64(1 << 60)
	for range 130 {
		for range 1000 {
			p := s.pending(one)
			if len(p) == 0 {
				break
			}
			if at, ok := tagValues(p[:1], "e")[roots[0].ID.String()]; ok && at < least {
				least = at
			}
			s.settle(p[0])
		}
		s.elapse(time.Minute)
		s.mark(one)
	}
	require.False(t, s.e.relays[one].overflows())
	require.LessOrEqual(t, least, start.Unix())
}
