package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

const stranger = relayurl.URL("wss://stranger.example.com")

func (s *script) command(v Verb, u relayurl.URL) error {
	err := s.e.Order(Order{Verb: v, URL: u}, s.now)
	s.take()
	return err
}

func TestSyncNowAsksForEverything(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	b := announce("bob", "lib", t0, nil, two)
	s.picture(anns(a, b))
	s.sync(one)
	s.sync(two)
	require.ErrorIs(t, s.command(SyncNow, stranger), ErrNotTracked)
	require.NoError(t, s.command(SyncNow, one))
	require.Equal(t, Syncing, s.phase(one))
	require.Equal(t, Connected, s.phase(two))
	require.Zero(t, tagValues(s.pending(one), "a")[a.Ref.String()], "without since")
	before := s.e.relays[one].lastFull
	require.False(t, before.IsZero(), "the last one still counts")
	s.elapse(time.Second)
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.True(t, s.e.relays[one].lastFull.After(before))

	require.NoError(t, s.command(SyncNow, ""))
	require.Equal(t, Syncing, s.phase(one))
	require.Equal(t, Syncing, s.phase(two))
}

func TestSyncNowDialsARelayThatIsAway(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	s.sync(one)
	s.down(one)
	for range 5 {
		s.elapse(time.Hour)
		if s.phase(one) == Connecting {
			s.report(relay.Down{ID: s.conn(one), At: s.now, Failure: &health.Failure{Cause: health.CauseRefused}})
		}
	}
	require.Equal(t, Disconnected, s.phase(one))
	require.NoError(t, s.command(SyncNow, one))
	require.Equal(t, Connecting, s.phase(one))
	s.up(one)
	s.settleAll(one)
	s.elapse(time.Second)
	require.Equal(t, Connected, s.phase(one))
	require.False(t, s.e.relays[one].refill)
	require.Less(t, s.now.Sub(s.e.relays[one].lastFull), time.Minute)
}

func TestPairedRelaysStay(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Own = func(u relayurl.URL) bool { return u == "wss://"+ours } })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	require.ErrorIs(t, s.command(Pair, "wss://"+ours), ErrOwnRelay)
	require.NoError(t, s.command(Pair, stranger))
	require.NoError(t, s.command(Pair, stranger), "twice is once")
	s.up(stranger)
	require.Contains(t, tagValues(s.pending(stranger), "d"), "tool", "states of all repos")
	s.settleAll(stranger)
	s.elapse(time.Hour)
	require.Equal(t, Connected, s.phase(stranger))

	s.restart()
	s.picture(anns(a))
	s.elapse(time.Hour)
	require.NotNil(t, s.e.relays[stranger], "kept in the store")
	require.Equal(t, Paired, s.e.relays[stranger].origin)

	require.NoError(t, s.command(Unpair, stranger))
	require.ErrorIs(t, s.command(Unpair, stranger), ErrNotPaired)
	s.elapse(time.Hour)
	require.Nil(t, s.e.relays[stranger], "nothing is wanted from it")
}

// A relay that is known by an announcement can be paired and let go while it is connected; its host's places are counted right.
func TestPairingAKnownRelay(t *testing.T) {
	s := newScript(t)
	a, b := announce("alice", "tool", t0, nil, one), announce("bob", "lib", t0, nil, two)
	s.picture(anns(a, b))
	s.sync(one)
	require.NoError(t, s.command(Pair, one))
	require.Contains(t, s.e.relays[one].wants, b.Ref, "states of repos that it is not named for")
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	require.NoError(t, s.command(Unpair, one))
	require.NotContains(t, s.e.relays[one].wants, b.Ref)
	require.Contains(t, s.e.relays[one].wants, a.Ref)
	s.down(one)
	s.elapse(time.Minute)
	s.sync(one)
	require.Equal(t, 1, s.e.hosts[one.Hostname()].conns)
	require.Empty(t, s.e.operator)
}

// The pass that was ordered begins anew when a short absence cuts it off.
func TestSyncNowOutlivesAShortAbsence(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	s.sync(one)
	s.mark(one)
	s.elapse(time.Minute)
	s.mark(one)
	require.NoError(t, s.command(SyncNow, one))
	ordered := s.now
	require.NotEmpty(t, s.pending(one))
	s.down(one)
	s.elapse(30 * time.Second)
	s.up(one)
	s.settleAll(one)
	s.elapse(time.Minute)
	s.settleAll(one)
	s.elapse(time.Second)
	require.True(t, s.e.relays[one].lastFull.After(ordered))
}

// A relay that answers one batch badly is degraded. An order begins a pass of its own there all the same, and has what failed tried again.
func TestSyncNowAtADegradedRelay(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	s.up(one)
	bad := s.pending(one)[0]
	s.fail(bad)
	s.settleAll(one)
	require.Equal(t, ConnectedDegraded, s.phase(one))
	require.Empty(t, s.pending(one))
	require.NoError(t, s.command(SyncNow, one))
	require.NotEmpty(t, s.pending(one), "asked at once")
	s.settleAll(one)
	s.elapse(time.Second)
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Less(t, s.now.Sub(s.e.relays[one].lastFull), time.Minute)
}

// A batch that fails day after day does not keep the next daily pass from beginning.
func TestDailyPassThatCannotEndMakesWayForTheNext(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	begun := map[*pass]bool{}
	for range 3 * 24 {
		s.elapse(time.Hour)
		for range 100 {
			open := s.pending(one)
			if len(open) == 0 {
				break
			}
			if p := s.e.relays[one].daily; p != nil {
				begun[p] = true
			}
			if at, asked := tagValues(open[:1], "a")[a.Ref.String()]; asked && at == 0 {
				s.fail(open[0])
				continue
			}
			s.settle(open[0])
		}
	}
	require.Len(t, begun, 3)
}
