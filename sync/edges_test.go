package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// ways brings a relay along each edge of the table; the last change is that edge, for the reason that the table gives.
var ways = map[edge]struct {
	do  func(*script)
	why string // begins with; empty: as in the table
}{
	{Disconnected, Connecting}: {do: dialling},
	{Connecting, Syncing}:      {do: opened},
	{Connecting, Disconnected}: {do: func(s *script) { dialling(s); s.down(one) }, why: "dial failed"},
	{Syncing, Connected}:       {do: synced},
	{Syncing, ConnectedDegraded}: {do: func(s *script) {
		opened(s)
		failNew(s)
	}},
	{Connected, ConnectedDegraded}: {do: degraded},
	{ConnectedDegraded, Connected}: {do: func(s *script) {
		degraded(s)
		s.elapse(time.Minute)
		s.settleAll(one)
	}},
	{Connected, Syncing}: {do: func(s *script) {
		synced(s)
		s.elapse(24 * time.Hour)
	}},
	{ConnectedDegraded, Syncing}: {do: func(s *script) {
		degraded(s)
		for s.elapse(time.Minute); s.phase(one) != Syncing && s.now.Sub(t0) < 48*time.Hour; s.elapse(time.Minute) {
			failNew(s) // each retry
		}
	}},
	{Syncing, Disconnected}:           {do: func(s *script) { opened(s); s.down(one) }},
	{Connected, Disconnected}:         {do: func(s *script) { synced(s); s.down(one) }},
	{ConnectedDegraded, Disconnected}: {do: func(s *script) { degraded(s); s.down(one) }},
	{Disconnected, Removed}: {do: func(s *script) {
		synced(s)
		s.down(one)
		s.e.relays[one].health.NotBefore = s.now.Add(time.Hour)
		unnamed(s)
	}},
	{Connecting, Removed}: {do: func(s *script) { dialling(s); unnamed(s) }},
	{Syncing, Removed}:    {do: func(s *script) { opened(s); unnamed(s) }},
	{Connected, Removed}:  {do: func(s *script) { synced(s); unnamed(s) }},
	{ConnectedDegraded, Removed}: {do: func(s *script) { // layer 1 failed, and its retry is not answered
		opened(s)
		failNew(s)
		unnamed(s)
	}},
}

func dialling(s *script) { s.picture(anns(announce("alice", "tool", t0, nil, one))) }

func opened(s *script) { dialling(s); s.up(one) }

func synced(s *script) { opened(s); s.settleAll(one) }

func degraded(s *script) {
	synced(s)
	a := announce("alice", "tool", t0, nil, one)
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("issue", a.Ref)}, Picture: 1})
	failNew(s)
}

// failNew fails what was never asked before, and lets the rest settle.
func failNew(s *script) {
	r := s.e.relays[one]
	for _, b := range s.pending(one) {
		if a := s.e.asks[b.ID]; a != nil && a.batch.pass == nil && r.phase.Open() {
			s.fail(b)
		}
	}
	for range 100 {
		for _, b := range s.pending(one) {
			s.settle(b)
		}
	}
}

// unnamed ends what is wanted of the relay, and the grace.
func unnamed(s *script) {
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Hour), nil)), Picture: 1})
	s.elapse(10 * time.Minute)
}

func TestEveryEdgeOfTheTableIsWalked(t *testing.T) {
	require.Len(t, ways, len(edges))
	for e, why := range edges {
		t.Run(e.from.String()+" to "+e.to.String(), func(t *testing.T) {
			way, ok := ways[e]
			require.True(t, ok, "no script for this edge")
			s := newScript(t)
			var r *remote
			s.watch = func(Effect) {
				if known := s.e.relays[one]; known != nil {
					r = known
				}
			}
			way.do(s)
			last := r.changes[len(r.changes)-1]
			require.Equal(t, e.from, last.From, "%v", r.changes)
			require.Equal(t, e.to, last.To, "%v", r.changes)
			require.Equal(t, e.to, r.phase)
			require.Equal(t, last.At, r.since)
			if way.why != "" {
				why = way.why
			}
			require.Contains(t, last.Why, why)
		})
	}
}

func TestOnlySomePhasesCanBeAsked(t *testing.T) {
	open := map[Phase]bool{Syncing: true, Connected: true, ConnectedDegraded: true}
	for p := Disconnected; p <= Removed; p++ {
		require.Equal(t, open[p], p.Open(), p)
	}
}

func TestARelayKeepsItsLastChanges(t *testing.T) {
	s := newScript(t)
	dialling(s)
	for range 40 {
		s.up(one)
		s.elapse(10 * time.Minute)
		s.down(one)
		s.elapse(time.Minute)
	}
	r := s.e.relays[one]
	require.Len(t, r.changes, 32)
	for i, c := range r.changes[1:] {
		require.Equal(t, r.changes[i].To, c.From)
	}
	require.Equal(t, r.phase, r.changes[31].To)
}

func TestAnOperatorsRelayIsNeverRemoved(t *testing.T) {
	for origin, change := range map[Origin]func(*Config){
		Bootstrap: func(c *Config) { c.Bootstrap = []relayurl.URL{one} },
		Pinned:    func(c *Config) { c.Pinned = []relayurl.URL{one} },
	} {
		t.Run(origin.String(), func(t *testing.T) {
			s := newScript(t, change)
			s.picture(nil)
			require.Equal(t, origin, s.e.relays[one].origin)
			for range 200 { // it was down at the start
				if s.phase(one) == Connecting {
					s.down(one)
				}
				s.elapse(10 * time.Minute)
			}
			require.NotEqual(t, Removed, s.phase(one))
			dials := len(s.dials)
			s.elapse(25 * time.Hour) // a dead relay too is dialled once a day
			require.Greater(t, len(s.dials)+1, dials)
			require.Equal(t, Connecting, s.phase(one))
			s.up(one)
			s.settleAll(one)
			require.Equal(t, Connected, s.phase(one))
			s.elapse(time.Hour)
			require.Equal(t, Connected, s.phase(one), "nothing is wanted of it but announcements")
		})
	}
}
