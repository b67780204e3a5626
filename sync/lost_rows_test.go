package sync

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func (s *script) lost() {
	s.e.Lost(s.now)
	s.take()
}

// asksFor says whether an unanswered batch asks for a value, from the top and without since.
func asksFor(batches []relay.Batch, is func(nostr.Filter) bool) bool {
	for _, b := range batches {
		for _, f := range b.Filters {
			if f.Since == nil && f.Until == nil && is(f) {
				return true
			}
		}
	}
	return false
}

// After rows of the store were dropped nothing is confirmed, on disk neither, and all is asked again over the connection that stands.
func TestLostRowsUnconfirmEverything(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one, two)
	s.picture(anns(a), root("r", a.Ref))
	s.sync(one)
	s.mark(one)
	s.up(two) // in the middle of its first sync
	old := s.pending(two)
	require.NotEmpty(t, old)
	part := old[0]
	ends := make([]relay.FilterEnd, len(part.Filters))
	for i := range ends {
		ends[i] = relay.FilterEnd{Until: t0.Add(-time.Hour).Unix()}
	}
	s.report(relay.Settled{ID: s.conn(two), Batch: part.ID, At: s.now, Filters: ends})
	require.NotEmpty(t, s.state.state().Batches, "its progress is stored")
	require.NotEmpty(t, s.state.state().Coverage)
	dials := len(s.dials)

	s.lost()
	state := s.state.state()
	require.Empty(t, state.Coverage)
	require.Empty(t, state.Batches)
	for _, r := range state.Relays {
		require.False(t, r.Announcements)
	}
	require.Equal(t, Syncing, s.phase(one))
	byRoot := func(f nostr.Filter) bool { return len(f.Tags["e"]) > 0 && f.Tags["e"][0] == id("r").String() }
	byRepo := func(f nostr.Filter) bool { return len(f.Tags["a"]) > 0 && f.Tags["a"][0] == a.Ref.String() }
	first := func(f nostr.Filter) bool {
		return len(f.Kinds) == 1 && f.Kinds[0] == event.KindAnnouncement && f.Authors == nil
	}
	for _, is := range []func(nostr.Filter) bool{byRoot, byRepo, first} {
		require.True(t, asksFor(s.pending(one), is))
		require.True(t, asksFor(s.pending(two), is))
	}
	for _, b := range old {
		s.report(relay.Settled{ID: s.conn(two), Batch: b.ID, At: s.now, Final: true, Filters: allDone(b)})
	}
	require.Empty(t, s.state.state().Coverage, "what is settled of a question from before rests on what was lost")

	s.settleAll(one)
	s.settleAll(two)
	require.Equal(t, Connected, s.phase(one))
	require.Equal(t, Connected, s.phase(two))
	require.Len(t, s.state.state().Coverage, 2)
	require.Len(t, s.dials, dials)
	require.Empty(t, s.hung)
}

func allDone(b relay.Batch) []relay.FilterEnd {
	ends := make([]relay.FilterEnd, len(b.Filters))
	for i := range ends {
		ends[i].Done = true
	}
	return ends
}

// A relay that is away when rows are lost is asked for everything when it is back, however short its absence.
func TestLostRowsUnconfirmARelayThatIsAway(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(time.Minute)
	s.mark(one)
	s.down(one)
	s.lost()
	s.elapse(time.Minute)
	s.up(one)
	require.True(t, asksFor(s.pending(one), func(f nostr.Filter) bool { return len(f.Tags["a"]) > 0 }))
}

// What the store may have lost of repos and of ancestors is given again.
func TestLostRowsOfTheEngineAreGivenAgain(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("r", a.Ref))
	s.sync(one)
	s.report(relay.Accepted{Events: []relay.AcceptedEvent{{
		ID: id("c"), Kind: event.KindComment, CreatedAt: t0.Unix(), Refs: event.References{IDs: []event.ID{id("r")}}, Lacks: []event.ID{id("lost")},
	}}})
	before := s.state.state()
	require.NotEmpty(t, before.Lacks)
	clear(s.state.repos)
	s.state.lacks = nil
	s.lost()
	after := s.state.state()
	require.Equal(t, before.Repos, after.Repos)
	require.Equal(t, before.Lacks, after.Lacks)
}

// A row rests on everything that was settled before it, live events among them.
func TestACursorRestsOnTheLiveEventsBeforeIt(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.elapse(time.Minute)
	rested := relay.Seq(0)
	s.watch = func(x Effect) {
		if p, ok := x.(Persist); ok {
			rested = p.Rests
		}
	}
	s.report(relay.LiveSettled{ID: s.conn(one), At: s.now, Seq: 77})
	require.Equal(t, relay.Seq(77), rested)
	s.report(relay.Accepted{Seq: 78})
	s.elapse(time.Minute)
	s.report(relay.LiveSettled{ID: s.conn(one), At: s.now})
	require.Equal(t, relay.Seq(78), rested)
}

// forgetful is a store that drops rows.
type forgetful struct {
	Store
	lost      chan relay.Seq
	away      chan struct{} // closed when it takes rows again
	recovered chan relay.Seq
}

func (f *forgetful) Lost() <-chan relay.Seq { return f.lost }
func (f *forgetful) Apply([]Row, relay.Seq) {}
func (f *forgetful) Recover(upTo relay.Seq) { f.recovered <- upTo }
func (f *forgetful) Flush(ctx context.Context) error {
	select {
	case <-f.away:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The engine hears of lost rows once the store takes rows again, of the newest number, and at most once a minute.
func TestLostRowsAreMendedOnceTheStoreIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &forgetful{lost: make(chan relay.Seq, 1), away: make(chan struct{}), recovered: make(chan relay.Seq, 1)}
		e, err := New(DefaultConfig(), &State{}, zaptest.NewLogger(t), NewMetrics(nil), time.Now())
		require.NoError(t, err)
		r := NewRunner(Runner{Engine: e, Store: f, Facts: make(chan selfsub.Facts), Reports: make(chan relay.Report), Publish: func(*Snapshot) {}})
		ctx, cancel := context.WithCancel(t.Context())
		quiet, over := make(chan struct{}), make(chan struct{})
		go func() { defer close(over); r.Run(ctx, quiet) }()

		f.lost <- 5
		synctest.Wait()
		f.lost <- 9
		<-time.After(time.Hour)
		require.Empty(t, f.recovered, "it is still away")
		close(f.away)
		start := time.Now()
		require.Equal(t, relay.Seq(9), <-f.recovered)
		require.Zero(t, time.Since(start))
		f.lost <- 12
		require.Equal(t, relay.Seq(12), <-f.recovered)
		require.Equal(t, mendPause, time.Since(start))
		cancel()
		close(quiet)
		<-over
	})
}
