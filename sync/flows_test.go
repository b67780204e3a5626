package sync

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// What was pending or had failed when the connection was lost is asked without since; what was confirmed, with it.
func TestQuickReconnectAsksWithoutSinceWhatWasNotConfirmed(t *testing.T) {
	for _, failed := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			t.Run(map[bool]string{false: "pending", true: "failed"}[failed]+map[bool]string{false: ", same process", true: ", restart"}[restart], func(t *testing.T) {
				s := newScript(t)
				a := announce("alice", "tool", t0, nil, one)
				s.picture(anns(a), root("known", a.Ref))
				s.sync(one)
				s.elapse(time.Minute)
				s.mark(one)
				cursor := s.now
				s.facts(selfsub.Facts{Roots: []selfsub.Root{root("late", a.Ref)}, Picture: 1})
				if failed {
					s.fail(s.pending(one)[0])
				}
				if restart {
					s.restart()
					s.picture(anns(a), root("known", a.Ref), root("late", a.Ref))
				} else {
					s.down(one)
				}
				s.elapse(time.Minute)
				s.up(one)
				require.Equal(t, map[string]int64{
					id("known").String(): cursor.Add(-15 * time.Minute).Unix(), id("late").String(): 0,
				}, tagValues(s.pending(one), "e"))
			})
		}
	}
}

// scattered is a script with more live filters than are allowed without a look at packing; all but one in so many of its roots
// then go away with their repos.
func scattered(t *testing.T, left int) *script {
	s := newScript(t, func(c *Config) { c.TagsPerFilter, c.MaxFilters = 1, 20 })
	var f selfsub.Facts
	for i := range 12 {
		a := announce("alice", "repo"+strconv.Itoa(i), t0, nil, one)
		f.Announcements = append(f.Announcements, a)
		f.Roots = append(f.Roots, root("root"+strconv.Itoa(i), a.Ref))
	}
	s.e.cfg.TagsPerFilter = 4
	s.picture(f.Announcements, f.Roots...)
	l := relay.AssumedLimits()
	l.Subscriptions, l.FiltersPerREQ = 40, 40
	s.upWith(one, l)
	s.settleAll(one)
	s.mark(one)
	require.Equal(t, Connected, s.phase(one))
	for i := range 12 {
		if i%4 >= left { // a chunk of four keeps so many
			a := announcement("elsewhere.example.com", "alice", "repo"+strconv.Itoa(i), t0.Add(time.Hour), nil, one)
			s.facts(selfsub.Facts{Announcements: anns(a), Picture: 1})
		}
	}
	return s
}

func TestConsolidationWaitsUntilEverythingNewHasSettled(t *testing.T) {
	s := scattered(t, 4)
	r := s.e.relays[one]
	have := r.live.Filters()
	require.Greater(t, have, 20)
	require.Empty(t, s.pending(one), "it is packed as it is")

	s = scattered(t, 1)
	r = s.e.relays[one]
	require.Equal(t, Connected, s.phase(one))
	require.LessOrEqual(t, r.live.Filters(), 20, "packed")
	open := s.pending(one)
	require.NotEmpty(t, open, "what passed by meanwhile is asked")
	for v, since := range tagValues(open, "e") {
		require.Equal(t, t0.Add(-15*time.Minute).Unix(), since, v)
	}
	opened := map[string]bool{}
	for _, l := range s.live[s.conn(one)] {
		for _, sub := range l.Open {
			opened[sub.ID] = true
		}
		for _, x := range l.Close {
			require.True(t, opened[x])
		}
	}
	sets := len(s.live[s.conn(one)])
	s.settleAll(one)
	s.elapse(time.Minute)
	require.Len(t, s.live[s.conn(one)], sets, "not twice in a row")
}

func TestConsolidationWaitsForWhatIsPending(t *testing.T) {
	s := scattered(t, 2)
	r := s.e.relays[one]
	s.settleAll(one)
	before := r.laidAt
	a := announce("bob", "lib", t0, nil, one)
	s.elapse(time.Minute)
	s.facts(selfsub.Facts{Announcements: anns(a), Roots: []selfsub.Root{root("r", a.Ref)}, Picture: 1})
	require.NotEmpty(t, s.pending(one))
	require.Equal(t, before, r.laidAt, "phase one: the new ones are asked first")
}

func TestDailyPassesAreSpread(t *testing.T) {
	s := newScript(t, func(c *Config) { c.FullJitter = time.Hour })
	s.picture(anns(announce("alice", "tool", t0, nil, one, two)))
	s.sync(one)
	s.sync(two)
	at1, at2 := s.e.relays[one].nextFull, s.e.relays[two].nextFull
	require.NotEqual(t, at1, at2, "each relay has its own")
	for _, at := range []time.Time{at1, at2} {
		require.WithinDuration(t, s.now.Add(24*time.Hour), at, time.Hour)
	}
}

func TestARelayThatIsDownMakesItsDailyPassWhenItIsBack(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(24*time.Hour - time.Minute)
	s.mark(one)
	s.down(one)
	s.elapse(5 * time.Minute)
	s.up(one)
	s.settleAll(one) // since the cursor, and at once behind it the daily one
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, s.now, s.e.relays[one].lastFull)
}

func TestAStuckPassMakesWayForTheDailyOne(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(20 * time.Hour)
	s.mark(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	for s.now.Sub(t0) < 24*time.Hour+time.Minute {
		for _, b := range s.pending(one) {
			if b.Filters[0].Since != nil {
				s.fail(b)
			} else {
				s.settle(b)
			}
		}
		s.elapse(time.Minute)
	}
	require.Greater(t, s.e.relays[one].lastFull, t0.Add(20*time.Hour))
	require.Equal(t, Connected, s.phase(one), "it asked for all that the stuck one did")
}

func TestAFailedBatchIsRetriedAtGrowingIntervals(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	s.up(one)
	for _, b := range s.pending(one) {
		s.fail(b)
	}
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		require.Empty(t, s.pending(one))
		s.elapse(wait*time.Minute - time.Second)
		require.Empty(t, s.pending(one), "%d minutes", wait)
		s.elapse(time.Second)
		require.NotEmpty(t, s.pending(one), "%d minutes", wait)
		for _, b := range s.pending(one) {
			s.fail(b)
		}
	}
	require.Equal(t, ConnectedDegraded, s.phase(one))
}

func TestARelayThatIsNamedAgainWithinTheGraceStays(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	s.sync(one)
	conn := s.conn(one)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil)), Picture: 1})
	s.elapse(9 * time.Minute)
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Hour), nil, one)), Picture: 1})
	require.Contains(t, tagValues(s.pending(one), "a"), event.RepoRef(key("alice"), "tool").String(), "asked from the top: nobody listened")
	s.settleAll(one)
	s.elapse(time.Hour)
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, conn, s.conn(one), "on the same connection")
	require.Empty(t, s.hung)
}

func TestAPassPacksTheReposOfARelay(t *testing.T) {
	s := newScript(t)
	var f selfsub.Facts
	for i := range 100 {
		a := announce("alice", "repo"+strconv.Itoa(i), t0, nil, one)
		f.Announcements = append(f.Announcements, a)
		f.Roots = append(f.Roots, root("r"+strconv.Itoa(i), a.Ref))
	}
	s.picture(f.Announcements, f.Roots...)
	s.sync(one)
	s.mark(one)
	s.down(one)
	s.elapse(time.Minute)
	s.order = nil
	s.up(one)
	s.settleAll(one)
	require.Less(t, len(s.order), 20)
}
