package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

func testRefused(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	old, young := t0.Add(-100*24*time.Hour), t0
	dispositions := []relay.Disposition{relay.Rejected, relay.Irrelevant, relay.Stored, relay.OwnLimit, relay.Tombstone, relay.Superseded}
	var want []event.ID
	for i := range 30 {
		d := dispositions[i%len(dispositions)]
		s.Record(recorded(note(t, i), d, "", alpha, old))
		if d == relay.Rejected || d == relay.Irrelevant {
			want = append(want, note(t, i).ID)
		}
		s.Record(recorded(note(t, 100+i), d, "", beta, young))
	}
	s.Record(recorded(note(t, 0), relay.Rejected, "again", alpha, young)) // it has changed since
	want = want[1:]

	var got []event.ID
	var position int64
	for {
		ids, next, err := s.Refused(deadline(t), t0.Add(-90*24*time.Hour), position, 4)
		require.NoError(t, err)
		got, position = append(got, ids...), next
		if len(ids) < 4 {
			break
		}
		s.Forget(ids)
	}
	require.Equal(t, want, got)

	type brought struct {
		disposition relay.Disposition
		source      relayurl.URL
	}
	booked := map[event.ID]brought{}
	var order []event.ID
	require.NoError(t, s.LoadBooked(deadline(t), func(id event.ID, d relay.Disposition, source relayurl.URL) {
		booked[id], order = brought{d, source}, append(order, id)
	}))
	require.Len(t, booked, 60-10-8, "eight of the old ones are forgotten, ten are stored")
	for i := range 30 {
		d := dispositions[i%len(dispositions)]
		if d != relay.Stored {
			require.Equal(t, brought{d, beta}, booked[note(t, 100+i).ID])
		}
	}
	require.Equal(t, brought{relay.Irrelevant, alpha}, booked[note(t, 25).ID])
	require.Equal(t, []event.ID{note(t, 0).ID, note(t, 100).ID, note(t, 101).ID}, order[:3], "the oldest first")
}

func testRescope(t *testing.T, db Database) {
	core, logs := observer.New(zap.InfoLevel)
	said := func() int { return logs.FilterMessage("the scope has changed: everything is asked for again").Len() }
	s := open(t, db, store.Options{Log: zap.New(core)})
	require.NoError(t, s.Rescope(deadline(t), []byte("first")))
	repo := ground(t, s)
	s.Apply([]sync.Row{sync.SaveRelay{
		URL: alpha, Cursor: t0, Announcements: true, LastFull: t0, PassSince: t0, PolledHot: t0, PolledWarm: t0, DisconnectedAt: t0,
	}}, 0)
	for i, d := range []relay.Disposition{relay.Rejected, relay.Irrelevant, relay.Stored, relay.OwnLimit, relay.Tombstone} {
		for n := range 700 {
			s.Record(recorded(note(t, 1000*i+n), d, "", alpha, t0))
		}
	}
	s.Park(parked(note(t, 9999), relay.CauseParent))
	flush(t, s)
	require.NoError(t, s.Rescope(deadline(t), []byte("first")))
	require.Len(t, known(t, s), 5*700+1)
	require.NotEmpty(t, load(t, s).Coverage, "nothing has changed")
	require.Zero(t, said())

	require.NoError(t, s.Rescope(deadline(t), []byte("second")))
	require.Equal(t, 1, said())
	have := known(t, s)
	require.Len(t, have, 3*700+1)
	for id, d := range have {
		require.NotContains(t, []relay.Disposition{relay.Rejected, relay.Irrelevant}, d, id)
	}
	require.Len(t, waiting(t, s), 1)
	state := load(t, s)
	require.Empty(t, state.Coverage)
	require.Empty(t, state.Batches)
	require.Equal(t, sync.SaveRelay{URL: alpha, DisconnectedAt: t0}, state.Relays[0])
	require.Equal(t, repo.Ref, state.Repos[0].Ref)
	require.Len(t, state.Roots, 10)

	s = reopen(t, db, s)
	s.Record(recorded(note(t, 1), relay.Rejected, "", alpha, t0))
	require.NoError(t, s.Rescope(deadline(t), []byte("second")))
	require.Contains(t, known(t, s), note(t, 1).ID, "it is remembered")
}
