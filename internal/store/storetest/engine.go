package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

func coverage(count uint32, gaps ...sync.Span) sync.Coverage {
	return sync.Coverage{Count: count, Gaps: gaps}
}

func load(t *testing.T, s *store.Store) *sync.State {
	t.Helper()
	state, err := s.Load(deadline(t))
	require.NoError(t, err)
	return state
}

// sample is a state with everything in it.
func sample(t *testing.T) *sync.State {
	t.Helper()
	one, two, three := announcement(t, 1, "one"), announcement(t, 2, "two"), announcement(t, 3, "three:with:colons")
	state := &sync.State{
		Repos: []sync.SaveRepo{
			{Ref: one.Coordinate(), Announcement: one, Full: true, Surveyed: true, Coordinates: []event.Ref{one.Coordinate(), event.RepoRef(key(9), "one")}},
			{Ref: two.Coordinate(), Announcement: two},
			{Ref: three.Coordinate(), Announcement: three, Full: true, Coordinates: []event.Ref{three.Coordinate()}},
		},
		Relays: []sync.SaveRelay{
			{
				URL: alpha, Announcements: true, Cursor: t0, DisconnectedAt: t0.Add(time.Second), LastFull: t0.Add(-time.Hour), PassSince: t0.Add(-time.Minute),
				PolledHot: t0.Add(-2 * time.Minute), PolledWarm: t0.Add(-3 * time.Hour), Paired: true,
				Health: health.State{
					Failures: 3, Persistent: 1, Cause: health.CauseTLS, Reason: "x509: \x00 <b>", FailingSince: t0, LastFailure: t0.Add(5 * time.Second),
					NotBefore: t0.Add(time.Minute), Cooldowns: 2, CooldownUntil: t0.Add(2 * time.Minute),
				},
				Learned: relay.Learned{
					Subscriptions: relay.Cap{N: 4, Until: t0}, FiltersPerREQ: relay.Cap{N: 3, Until: t0.Add(time.Second)},
					MessageBytes: relay.Cap{N: 2, Until: t0.Add(time.Minute)}, REQsPerMinute: relay.Cap{N: 1, Until: t0.Add(time.Hour)},
					StateKinds: t0, NoLive: t0.Add(1), NoWide: t0.Add(2),
					Aside: []relay.SetAside{{Tag: "a", Value: "30617:x:\x00\u202e", Reason: "blocked: <b>\x00\"", Until: t0}, {Tag: "#", Until: t0}},
				},
			},
			{URL: beta},
		},
		Coverage: []sync.SaveCoverage{
			{Relay: alpha, Repo: one.Coordinate(), States: true, Around: true, Coords: coverage(2), Roots: coverage(5, sync.Span{From: 1, To: 2}, sync.Span{From: 3, To: 4})},
			{Relay: alpha, Repo: three.Coordinate()},
			{Relay: beta, Repo: one.Coordinate(), Roots: coverage(1)},
		},
		Batches: []sync.SaveBatch{
			{Relay: alpha, Number: 1, Spec: []byte{0, 1, 2, 255}},
			{Relay: alpha, Number: 7, Spec: []byte(strings.Repeat("x", 100_000))},
			{Relay: beta, Number: 1<<63 - 1, Spec: []byte{1}},
		},
		Lacks: []sync.SaveLack{
			{Repo: one.Coordinate(), ID: event.ID{1}, At: t0}, {Repo: one.Coordinate(), ID: event.ID{2}, At: t0.Add(-time.Hour)},
			{Repo: one.Coordinate(), ID: event.ID{255}}, {Repo: three.Coordinate(), ID: event.ID{1}, At: t0},
		},
	}
	for i := range uint32(5) {
		state.Roots = append(state.Roots, sync.SaveRoot{Repo: one.Coordinate(), N: i, ID: note(t, int(i)).ID, CreatedAt: int64(i) << 33, Active: int64(i)<<33 + 3600, Gone: i == 3})
	}
	state.Roots = append(state.Roots, sync.SaveRoot{Repo: three.Coordinate(), N: 0, ID: note(t, 2).ID, CreatedAt: -1, Active: -1})
	return state
}

func rowsOf(state *sync.State) []sync.Row {
	var rows []sync.Row
	for _, r := range state.Repos {
		rows = append(rows, r)
	}
	for _, r := range state.Roots {
		rows = append(rows, r)
	}
	for _, r := range state.Relays {
		rows = append(rows, r)
	}
	for _, r := range state.Coverage {
		rows = append(rows, r)
	}
	for _, r := range state.Batches {
		rows = append(rows, r)
	}
	for _, r := range slices.Backward(state.Lacks) {
		rows = append(rows, r)
	}
	return rows
}

func testEngineRows(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	require.Equal(t, &sync.State{}, load(t, s), "an empty database is an empty state")

	want := sample(t)
	s.Apply(rowsOf(want), 0)
	flush(t, s)
	require.Equal(t, want, load(t, s))

	s = reopen(t, db, s)
	require.Equal(t, want, load(t, s), "after a restart")

	s.Apply(rowsOf(want), 0)
	flush(t, s)
	require.Equal(t, want, load(t, s), "rows given again change nothing")
}

func testEngineChanges(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	want := sample(t)
	s.Apply(rowsOf(want), 0)

	change := func(what string, rows ...sync.Row) {
		t.Helper()
		s.Apply(rows, 0)
		flush(t, s)
		require.Equal(t, want, load(t, s), what)
	}
	want.Repos[1].Full = true
	want.Repos[1].Coordinates = []event.Ref{want.Repos[1].Ref, want.Repos[0].Ref}
	change("save repo", want.Repos[1])

	want.Roots[2].Active += 7200
	change("a root is active again", want.Roots[2])

	want.Relays[0] = sync.SaveRelay{URL: alpha, Cursor: t0.Add(time.Hour)}
	change("save relay: zero times are none, nor anything learned", want.Relays[0])
	require.Zero(t, db.Count(t, `SELECT count(*) FROM relays WHERE length(learned) > 0`))

	want.Lacks[1].At = t0.Add(time.Minute)
	change("save lack", want.Lacks[1])
	dropped := want.Lacks[0]
	want.Lacks = want.Lacks[1:]
	change("drop lack", sync.DropLack{Repo: dropped.Repo, ID: dropped.ID})
	change("drop lack that is not there", sync.DropLack{Repo: dropped.Repo, ID: dropped.ID},
		sync.DropLack{Repo: event.RepoRef(key(77), "nowhere"), ID: dropped.ID})
	change("save and drop lack", dropped, sync.DropLack{Repo: dropped.Repo, ID: dropped.ID})

	want.Coverage[0] = sync.SaveCoverage{Relay: alpha, Repo: want.Repos[0].Ref, Roots: coverage(5)}
	change("save coverage", want.Coverage[0])

	want.Batches[0].Spec = []byte("later")
	change("save batch", want.Batches[0])

	want.Batches = want.Batches[1:]
	change("drop batch", sync.DropBatch{Relay: alpha, Number: 1})
	change("drop batch that is not there", sync.DropBatch{Relay: gamma, Number: 1})

	want.Coverage = want.Coverage[2:]
	change("clear coverage", sync.ClearCoverage{Relay: alpha})

	want.Relays, want.Coverage, want.Batches = want.Relays[:1], nil, want.Batches[:1]
	change("drop relay", sync.DropRelay{URL: beta})

	more := sync.SaveCoverage{Relay: alpha, Repo: want.Repos[2].Ref, Roots: coverage(1)}
	want.Coverage = []sync.SaveCoverage{more}
	change("coverage again", more)

	again := sync.SaveRepo{Ref: want.Repos[2].Ref, Announcement: want.Repos[2].Announcement}
	want.Repos[2], want.Roots, want.Coverage, want.Lacks = again, want.Roots[:5], nil, want.Lacks[:2]
	change("a repo that was dropped begins anew", sync.DropRepo{Ref: again.Ref}, again)

	s = reopen(t, db, s)
	require.Equal(t, want, load(t, s))
}

// What cannot be used is left out, and gone from the database, so that numbers which are given anew mean what they say.
func testEngineBroken(t *testing.T, db Database) {
	breaks := map[string]string{
		"announcement is no event": `UPDATE repos SET announcement = '{' WHERE served = 0`,
		"no announcement":          `UPDATE repos SET announcement = NULL WHERE served = 0`,
		"coordinates garbled":      `UPDATE repos SET coordinates = 'zzz' WHERE served = 0`,
		"a root is missing":        `DELETE FROM root_events WHERE n = 1 AND repo = (SELECT repo FROM repos WHERE served = 0)`,
		"roots without a repo":     `DELETE FROM repos WHERE served = 0`,
		"lacks without a repo":     `DELETE FROM root_events; DELETE FROM repo_relays; DELETE FROM repos WHERE served = 0`,
		"coverage garbled":         `UPDATE repo_relays SET roots = 'zzzzzzzzzzz' WHERE repo = (SELECT repo FROM repos WHERE served = 0)`,
		"coverage of more roots":   `DELETE FROM root_events WHERE n > 0 AND repo = (SELECT repo FROM repos WHERE served = 0)`,
	}
	one, two := announcement(t, 1, "one"), announcement(t, 2, "two")
	whole := sync.SaveRepo{Ref: one.Coordinate(), Announcement: one, Full: true}
	broken := sync.SaveRepo{Ref: two.Coordinate(), Announcement: two, Coordinates: []event.Ref{two.Coordinate()}}
	rows := []sync.Row{whole, broken, sync.SaveRelay{URL: alpha}}
	for i := range uint32(3) {
		rows = append(rows, sync.SaveRoot{Repo: broken.Ref, N: i, ID: note(t, int(i)).ID})
	}
	rows = append(rows, sync.SaveCoverage{Relay: alpha, Repo: broken.Ref, Coords: coverage(1), Roots: coverage(2)})
	rows = append(rows, sync.SaveLack{Repo: broken.Ref, ID: key2id(1), At: t0})

	s := open(t, db, store.Options{})
	for name, query := range breaks {
		s.Apply(rows, 0)
		flush(t, s)
		require.Len(t, load(t, s).Roots, 3, name)
		db.Exec(t, query)
		state := load(t, s)
		require.Equal(t, []sync.SaveRepo{whole}, state.Repos, name)
		require.Equal(t, []sync.SaveRelay{{URL: alpha}}, state.Relays, name)
		require.Empty(t, state.Roots, name)
		require.Empty(t, state.Coverage, name)
		require.Empty(t, state.Lacks, name)
		flush(t, s)
		require.Zero(t, db.Count(t, `SELECT (SELECT count(*) FROM root_events) + (SELECT count(*) FROM repo_relays) + (SELECT count(*) FROM lacks)`), name)
		require.EqualValues(t, 1, db.Count(t, `SELECT count(*) FROM repos`), name)
	}
	db.Exec(t, `UPDATE relays SET health = 'zzz', learned = '{"no_live":"2026-01-01T00:00:00Z","aside":7}'`)
	require.Equal(t, []sync.SaveRelay{{URL: alpha}}, load(t, s).Relays, "a relay without its health, or what was learned, is still a relay")
}
