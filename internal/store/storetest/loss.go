package storetest

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// ground writes a repo with ten roots, of which two are confirmed at each relay.
func ground(t *testing.T, s *store.Store) sync.SaveRepo {
	t.Helper()
	a := announcement(t, 1, "one")
	repo := sync.SaveRepo{Ref: a.Coordinate(), Announcement: a, Full: true}
	rows := []sync.Row{repo}
	for i := range uint32(10) {
		rows = append(rows, sync.SaveRoot{Repo: repo.Ref, N: i, ID: note(t, int(i)).ID})
	}
	rows = append(rows,
		sync.SaveRelay{URL: alpha, Cursor: t0}, sync.SaveRelay{URL: beta, Cursor: t0},
		sync.SaveCoverage{Relay: alpha, Repo: repo.Ref, Roots: coverage(2)},
		sync.SaveCoverage{Relay: beta, Repo: repo.Ref, Roots: coverage(2)},
		sync.SaveBatch{Relay: alpha, Number: 1, Spec: []byte("first")},
		sync.SaveLack{Repo: repo.Ref, ID: event.ID{1}, At: t0}, sync.SaveLack{Repo: repo.Ref, ID: event.ID{2}, At: t0},
	)
	s.Apply(rows, 0)
	flush(t, s)
	return repo
}

// confirmed is the number of roots that are confirmed at each relay.
func confirmed(state *sync.State) map[string]uint32 {
	out := map[string]uint32{}
	for _, c := range state.Coverage {
		out[string(c.Relay)] = c.Roots.Count
	}
	return out
}

// told is what Lost delivers.
func told(t *testing.T, s *store.Store) relay.Seq {
	t.Helper()
	select {
	case seq := <-s.Lost():
		return seq
	case <-deadline(t).Done():
		require.Fail(t, "nothing was told to be lost")
		return 0
	}
}

func testOverflow(t *testing.T, db Database) {
	reg := prometheus.NewRegistry()
	s := open(t, db, store.Options{QueueRows: 20, Registerer: reg})
	repo := ground(t, s)
	cover := func(u sync.SaveCoverage, n uint32) sync.Row {
		u.Repo, u.Roots = repo.Ref, coverage(n)
		return u
	}
	atAlpha, atBeta := sync.SaveCoverage{Relay: alpha}, sync.SaveCoverage{Relay: beta}

	release := db.Block(t)
	var taken, dropped relay.Seq
	var kept []event.ID
	for i := range 20 {
		require.Equal(t, i >= 15, s.Full(), "said while there is room for what was asked for")
		taken = s.Record(recorded(note(t, 100+i), relay.Stored, "", alpha, t0))
		kept = append(kept, note(t, 100+i).ID)
	}
	for i := range 5 {
		dropped = s.Record(recorded(note(t, 200+i), relay.Stored, "", alpha, t0))
	}
	require.Greater(t, dropped, taken, "a dropped row has a number, too")
	_, ok := s.Park(parked(note(t, 300), relay.CauseParent))
	require.False(t, ok, "its caller has to keep the event")

	other := announcement(t, 2, "two")
	surveyed := []sync.SaveRepo{
		{Ref: repo.Ref, Announcement: repo.Announcement, Full: true, Surveyed: true},
		{Ref: other.Coordinate(), Announcement: other, Full: true, Surveyed: true},
	}
	s.Apply([]sync.Row{cover(atBeta, 5), sync.DropLack{Repo: repo.Ref, ID: event.ID{1}}, surveyed[0]}, taken)
	later := sync.SaveRelay{
		URL: alpha, Cursor: t0.Add(1e9), Announcements: true, LastFull: t0, PassSince: t0, PolledHot: t0, PolledWarm: t0, DisconnectedAt: t0,
		Health: health.State{Failures: 9}, Learned: relay.Learned{NoLive: t0}, Gave: 3, GaveAt: t0, Place: t0,
	}
	s.Apply([]sync.Row{
		cover(atAlpha, 5), later, sync.DropBatch{Relay: alpha, Number: 1}, sync.SaveBatch{Relay: alpha, Number: 2, Spec: []byte("x")},
		sync.DropLack{Repo: repo.Ref, ID: event.ID{2}}, sync.SaveLack{Repo: repo.Ref, ID: event.ID{3}, At: t0},
		surveyed[1],
	}, dropped)
	s.Apply([]sync.Row{cover(atAlpha, 6)}, 0) // carries the refused one along
	s.Apply([]sync.Row{sync.SaveRelay{URL: gamma, Cursor: t0, Health: health.State{Failures: 1}}}, dropped)
	require.Equal(t, dropped, told(t, s))
	select {
	case seq := <-s.Lost():
		require.Fail(t, "told twice", seq)
	default:
	}
	release()
	flush(t, s)

	state := load(t, s)
	surveyed[1].Surveyed = false
	require.Equal(t, surveyed, state.Repos, "what it rests on is lost: the repo is surveyed again")
	require.Equal(t, map[string]uint32{string(alpha): 2, string(beta): 5}, confirmed(state))
	require.Equal(t, []sync.SaveRelay{
		{URL: alpha, Cursor: t0, DisconnectedAt: t0, Health: health.State{Failures: 9}, Learned: relay.Learned{NoLive: t0}, Gave: 3, GaveAt: t0, Place: t0},
		{URL: beta, Cursor: t0},
		{URL: gamma, Health: health.State{Failures: 1}},
	}, state.Relays, "what is no confirm is written")
	require.Equal(t, []sync.SaveBatch{{Relay: alpha, Number: 1, Spec: []byte("first")}}, state.Batches)
	require.Equal(t, []sync.SaveLack{{Repo: repo.Ref, ID: event.ID{2}, At: t0}, {Repo: repo.Ref, ID: event.ID{3}, At: t0}}, state.Lacks,
		"an ancestor that was found in a row that is lost is still lacking")
	require.ElementsMatch(t, kept, idsIn(known(t, s)))
	g := gauges(t, reg)
	require.InDelta(t, 5, g["ngit_sync_store_dropped_rows_total"], 0)
	require.Positive(t, g["ngit_sync_store_refused_confirms_total"])

	// Until Recover nothing at alpha is confirmed, nor anything that rests on what came later.
	s.Apply([]sync.Row{cover(atAlpha, 7)}, 0)
	s.Apply([]sync.Row{cover(atBeta, 6)}, s.Record(recorded(note(t, 400), relay.Stored, "", alpha, t0)))
	flush(t, s)
	require.Equal(t, map[string]uint32{string(alpha): 2, string(beta): 5}, confirmed(load(t, s)))

	s.Apply([]sync.Row{sync.ClearCoverage{Relay: alpha}}, 0)
	s.Recover(dropped)
	s.Apply([]sync.Row{cover(atAlpha, 3), cover(atBeta, 7), later}, s.Record(recorded(note(t, 401), relay.Stored, "", alpha, t0)))
	flush(t, s)
	state = load(t, s)
	require.Equal(t, map[string]uint32{string(alpha): 3, string(beta): 7}, confirmed(state))
	require.Equal(t, later, state.Relays[0])

	s.Apply([]sync.Row{cover(atAlpha, 4)}, s.Record(recorded(note(t, 402), relay.Stored, "", alpha, t0)))
	flush(t, s)
	require.EqualValues(t, 4, confirmed(load(t, s))[string(alpha)], "recovered for good")
}

func idsIn(m map[event.ID]relay.Disposition) []event.ID {
	var out []event.ID
	for id := range m {
		out = append(out, id)
	}
	return out
}

func testRefusedRow(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	repo := ground(t, s)
	bad := note(t, 50)
	db.Refuse(t, bad.ID)
	var seq, before relay.Seq
	for i := range 100 {
		n := s.Record(recorded(note(t, i), relay.Stored, "", alpha, t0))
		if i == 49 {
			before = n
		}
		if i == 50 {
			seq = n
		}
	}
	s.Apply([]sync.Row{sync.SaveCoverage{Relay: beta, Repo: repo.Ref, Roots: coverage(8)}}, before)
	s.Apply([]sync.Row{sync.SaveCoverage{Relay: alpha, Repo: repo.Ref, Roots: coverage(8)}}, seq)
	flush(t, s)
	got := known(t, s)
	require.Len(t, got, 99)
	require.NotContains(t, got, bad.ID)
	require.Equal(t, seq, told(t, s))
	require.Equal(t, map[string]uint32{string(alpha): 2, string(beta): 8}, confirmed(load(t, s)))
	require.True(t, s.Up())
}
