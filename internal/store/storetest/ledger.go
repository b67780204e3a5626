package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
)

func known(t *testing.T, s *store.Store) map[event.ID]relay.Disposition {
	t.Helper()
	out := map[event.ID]relay.Disposition{}
	require.NoError(t, s.LoadKnown(deadline(t), func(id event.ID, d relay.Disposition) {
		_, twice := out[id]
		require.False(t, twice)
		out[id] = d
	}))
	return out
}

// waiting reads the pending table as it is loaded, without events.
func waiting(t *testing.T, s *store.Store) map[event.ID]relay.Waiting {
	t.Helper()
	out := map[event.ID]relay.Waiting{}
	require.NoError(t, s.LoadWaiting(deadline(t), func(w relay.Waiting) {
		_, twice := out[w.ID]
		require.False(t, twice)
		out[w.ID] = w
	}))
	return out
}

func offered(t *testing.T, s *store.Store) map[event.ID]relay.Offer {
	t.Helper()
	out := map[event.ID]relay.Offer{}
	require.NoError(t, s.LoadOffers(deadline(t), func(id event.ID, o relay.Offer) {
		_, twice := out[id]
		require.False(t, twice)
		out[id] = o
	}))
	return out
}

func withEvents(t *testing.T, s *store.Store, ids ...event.ID) []relay.Waiting {
	t.Helper()
	out, err := s.WaitingEvents(deadline(t), ids)
	require.NoError(t, err)
	return out
}

func explain(t *testing.T, s *store.Store, id event.ID) (store.Explanation, bool) {
	t.Helper()
	x, found, err := s.Explain(deadline(t), id)
	require.NoError(t, err)
	return x, found
}

func recorded(e *event.Event, d relay.Disposition, reason string, source relayurl.URL, at time.Time) relay.Entry {
	return relay.Entry{Event: e, Disposition: d, Reason: reason, Source: source, At: at}
}

func testLedgerChanges(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	a, b := note(t, 1), note(t, 2)
	first := s.Record(recorded(a, relay.Rejected, "blocked: no", alpha, t0))
	second := s.Record(recorded(b, relay.Stored, "", "", t0))
	require.Greater(t, second, first)
	flush(t, s)
	require.Equal(t, map[event.ID]relay.Disposition{a.ID: relay.Rejected, b.ID: relay.Stored}, known(t, s))

	want := store.Explanation{
		ID: a.ID, Kind: a.Kind, CreatedAt: int64(a.CreatedAt), PubKey: a.PubKey,
		Disposition: relay.Rejected, Reason: "blocked: no", Source: alpha, FirstSeen: t0, Updated: t0,
	}
	got, found := explain(t, s, a.ID)
	require.True(t, found)
	require.Equal(t, want, got)

	s.Record(recorded(a, relay.Stored, "", beta, t0.Add(time.Hour)))
	s = reopen(t, db, s)
	want.Disposition, want.Reason, want.Updated = relay.Stored, "", t0.Add(time.Hour)
	got, _ = explain(t, s, a.ID)
	require.Equal(t, want, got, "the first source and time stay")

	s.Forget([]event.ID{a.ID, key2id(7)})
	s.Forget(nil)
	flush(t, s)
	require.Equal(t, map[event.ID]relay.Disposition{b.ID: relay.Stored}, known(t, s))
	_, found = explain(t, s, a.ID)
	require.False(t, found)

	s.Record(recorded(a, relay.Held, "purgatory", beta, t0.Add(2*time.Hour)))
	flush(t, s)
	got, _ = explain(t, s, a.ID)
	require.Equal(t, beta, got.Source, "after Forget an event is new")
	require.Equal(t, t0.Add(2*time.Hour), got.FirstSeen)
	require.EqualValues(t, 0, db.Count(t, `SELECT count(*) FROM ledger_tags WHERE ledger NOT IN (SELECT num FROM ledger)`))
}

func key2id(n int) event.ID { return event.ID(key(n)) }

func parked(e *event.Event, cause relay.Cause) relay.Waiting {
	return relay.Waiting{Event: e, ID: e.ID, Kind: e.Kind, Needs: e.References(), Cause: cause, Since: t0, Source: alpha, Size: e.Size}
}

func indexOnly(w relay.Waiting) relay.Waiting {
	w.Index = &relay.WaitingIndex{Author: w.Event.PubKey, CreatedAt: int64(w.Event.CreatedAt)}
	w.Event = nil
	return w
}

func testPending(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	ref := event.RepoRef(key(3), "some:repo")
	a := note(t, 1, nostr.Tag{"a", ref.String()}, nostr.Tag{"e", hexID(key2id(1))}, nostr.Tag{"e", hexID(key2id(2))})
	b := note(t, 2)
	wa, wb := parked(a, relay.CauseParent), parked(b, relay.CauseRetry)
	require.Equal(t, []event.Ref{ref}, wa.Needs.Refs)
	require.Len(t, wa.Needs.IDs, 2)
	wa.Reason = "does not relate"
	wb.Due, wb.Tries = t0.Add(time.Hour), 4
	s.Park(wa)
	s.Park(wb)
	want := map[event.ID]relay.Waiting{a.ID: indexOnly(wa), b.ID: indexOnly(wb)}
	require.Equal(t, want, waiting(t, s))

	s = reopen(t, db, s)
	require.Equal(t, want, waiting(t, s))
	require.Equal(t, map[event.ID]relay.Disposition{a.ID: relay.Parked, b.ID: relay.Parked}, known(t, s))
	require.Equal(t, []relay.Waiting{wb, wa}, withEvents(t, s, b.ID, key2id(1), a.ID), "in the order asked; what is gone is left out")
	require.Empty(t, withEvents(t, s))

	later := indexOnly(wb)
	later.Cause, later.Due, later.Tries, later.Reason = relay.CauseFuture, t0.Add(2*time.Hour), 5, "in the future"
	s.Park(later)
	flush(t, s)
	wb = later
	wb.Event, wb.Index = b, nil
	require.Equal(t, []relay.Waiting{wb}, withEvents(t, s, b.ID), "without an event, a Park changes the row that is there")

	s.Park(indexOnly(parked(note(t, 3), relay.CausePace)))
	flush(t, s)
	require.Len(t, known(t, s), 2, "and makes none")

	x, _ := explain(t, s, b.ID)
	require.Equal(t, relay.Parked, x.Disposition)
	require.Equal(t, &wb, x.Waiting)

	s.Unpark(a.ID)
	flush(t, s)
	require.Equal(t, map[event.ID]relay.Disposition{b.ID: relay.Parked}, known(t, s), "an event of which nothing was recorded is not known any more")

	s.Record(recorded(b, relay.Stored, "", alpha, t0))
	flush(t, s)
	require.Equal(t, []relay.Waiting{wb}, withEvents(t, s, b.ID), "Record leaves the pending row")
	s.Unpark(b.ID)
	flush(t, s)
	require.Equal(t, map[event.ID]relay.Disposition{b.ID: relay.Stored}, known(t, s))
	require.Empty(t, waiting(t, s))

	s.Park(wb)
	s.Forget([]event.ID{b.ID})
	flush(t, s)
	require.Empty(t, known(t, s))
	require.Empty(t, waiting(t, s), "Forget removes both")
}

func testPendingBroken(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	a, b := note(t, 1), note(t, 2)
	for _, column := range []string{"event", "needs"} {
		s.Park(parked(a, relay.CauseRetry))
		s.Park(parked(b, relay.CauseRetry))
		flush(t, s)
		db.Exec(t, `UPDATE pending SET `+column+` = 'zzz' WHERE ledger = (SELECT min(ledger) FROM pending)`)
		require.Equal(t, []relay.Waiting{parked(b, relay.CauseRetry)}, withEvents(t, s, a.ID, b.ID), column)
		require.Equal(t, map[event.ID]relay.Disposition{b.ID: relay.Parked}, known(t, s), column)
		require.Len(t, waiting(t, s), 1, column)
		s.Forget(ids(b))
		flush(t, s)
	}
}

// testUnwritten asks everything while no row can be written, and again when all are.
func testUnwritten(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	old, gone, kept := note(t, 1), note(t, 2), note(t, 3)
	s.Park(parked(old, relay.CauseParent))
	s.Park(parked(gone, relay.CauseParent))
	s.Park(parked(kept, relay.CauseParent))
	foreign := announcement(t, 5, "foreign")
	s.Record(recorded(foreign, relay.Irrelevant, "", alpha, t0))
	flush(t, s)

	release := db.Block(t)
	fresh, state := note(t, 4), signed(t, nostr.Event{Kind: event.KindState, PubKey: key(5).String(), Tags: nostr.Tags{{"d", "foreign"}}})
	changed := indexOnly(parked(old, relay.CauseRetry))
	changed.Tries = 2
	s.Park(changed)
	s.Unpark(gone.ID)
	s.Park(parked(fresh, relay.CausePace))
	s.Record(recorded(foreign, relay.Stored, "", beta, t0.Add(time.Minute)))
	s.Record(recorded(state, relay.Irrelevant, "", beta, t0))

	check := func(when string) {
		t.Helper()
		changed.Event, changed.Index = old, nil
		want := []relay.Waiting{changed, parked(kept, relay.CauseParent), parked(fresh, relay.CausePace)}
		require.Equal(t, want, withEvents(t, s, old.ID, gone.ID, kept.ID, fresh.ID), when)
		got, err := s.IrrelevantAddressed(deadline(t), key(5), "foreign")
		require.NoError(t, err)
		require.Equal(t, ids(state), got, when)
		x, found := explain(t, s, foreign.ID)
		require.True(t, found)
		require.Equal(t, relay.Stored, x.Disposition, when)
		require.Equal(t, alpha, x.Source, when)
		require.Equal(t, t0, x.FirstSeen, when)
		require.Equal(t, t0.Add(time.Minute), x.Updated, when)
		x, found = explain(t, s, fresh.ID)
		require.True(t, found)
		require.Equal(t, store.Explanation{
			ID: fresh.ID, Kind: fresh.Kind, CreatedAt: int64(fresh.CreatedAt), PubKey: fresh.PubKey, Disposition: relay.Parked,
			Source: alpha, FirstSeen: t0, Updated: t0, Waiting: x.Waiting,
		}, x, when)
		require.Equal(t, parked(fresh, relay.CausePace), *x.Waiting, when)
		_, found = explain(t, s, gone.ID)
		require.False(t, found, when)
	}
	check("unwritten")
	release()
	flush(t, s)
	check("written")
	s = reopen(t, db, s)
	check("after a restart")
}

// testOffers follows refused events to what becomes of them, in the ledger and in what a reconciliation shows.
func testOffers(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	now := time.Now().Truncate(time.Millisecond).UTC()
	soon, early, spent, limited := note(t, 1), note(t, 2), note(t, 3), note(t, 4)
	refuse := func(e *event.Event, d relay.Disposition, o relay.Offer) {
		r := recorded(e, d, "blocked: no", alpha, now)
		r.Offer = o
		s.Record(r)
	}
	late := relay.Offer{Count: 1, Due: now.Add(-time.Second)}
	refuse(soon, relay.Rejected, relay.Offer{Due: now.Add(time.Hour)})
	refuse(early, relay.Rejected, late)
	refuse(spent, relay.Rejected, relay.Offer{Count: 3})
	refuse(limited, relay.OwnLimit, late)
	shown := func() (ids []event.ID) {
		require.NoError(t, s.Known(deadline(t), nostr.Filter{}, func(_ int64, id event.ID) { ids = append(ids, id) }))
		return ids
	}
	x, _ := explain(t, s, early.ID)
	require.Equal(t, late, x.Offer, "before it is written")
	require.ElementsMatch(t, ids(soon, spent), shown(), "what is due counts as unknown")
	s = reopen(t, db, s)
	x, _ = explain(t, s, early.ID)
	require.Equal(t, late, x.Offer)
	require.Equal(t, map[event.ID]relay.Offer{soon.ID: {Due: now.Add(time.Hour)}, early.ID: late, limited.ID: late}, offered(t, s))

	refuse(early, relay.Rejected, relay.Offer{Count: 2, Due: now.Add(time.Hour)})
	s.Record(recorded(limited, relay.Stored, "", alpha, now))
	require.ElementsMatch(t, ids(soon, early, spent, limited), shown())
	require.Len(t, offered(t, s), 2, "what is stored is not offered")

	// All at once, in one group with rows before and behind it.
	before, behind, other := note(t, 5), note(t, 6), note(t, 7)
	refuse(before, relay.Rejected, relay.Offer{Due: now.Add(time.Hour)})
	s.Record(recorded(other, relay.Stored, "", alpha, now))
	s.OfferRefused(now)
	refuse(behind, relay.Rejected, relay.Offer{Due: now.Add(time.Hour)})
	refuse(soon, relay.Rejected, relay.Offer{Count: 1, Due: now.Add(2 * time.Hour)})
	require.Equal(t, map[event.ID]relay.Offer{
		soon.ID: {Count: 1, Due: now.Add(2 * time.Hour)}, early.ID: {Count: 2, Due: now}, spent.ID: {Count: 3, Due: now},
		before.ID: {Due: now}, behind.ID: {Due: now.Add(time.Hour)},
	}, offered(t, s))
	require.ElementsMatch(t, ids(soon, behind, limited, other), shown())
}

// testHeld follows an event that the own relay holds without serving it: it counts as held, and waits in the pending table.
func testHeld(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	a, b := note(t, 1), note(t, 2)
	wa, wb := parked(a, relay.CauseHeld), parked(b, relay.CauseHeld)
	wa.Due, wa.Tries, wa.Reason = t0.Add(time.Hour), 1, "purgatory: wait"
	s.Park(wa)
	s.Park(wb)
	held := map[event.ID]relay.Disposition{a.ID: relay.Held, b.ID: relay.Held}
	require.Equal(t, held, known(t, s))
	s = reopen(t, db, s)
	require.Equal(t, held, known(t, s))
	require.Equal(t, map[event.ID]relay.Waiting{a.ID: indexOnly(wa), b.ID: indexOnly(wb)}, waiting(t, s))
	x, _ := explain(t, s, a.ID)
	require.Equal(t, relay.Held, x.Disposition)
	require.Equal(t, &wa, x.Waiting)

	s.Amend([]event.ID{a.ID}, relay.Stored, "on the own relay", t0)
	s.Unpark(a.ID)
	s.Unpark(b.ID)
	s.Amend([]event.ID{b.ID}, relay.Stored, "on the own relay", t0)
	s.Amend([]event.ID{key2id(9)}, relay.Stored, "on the own relay", t0)
	x, found := explain(t, s, a.ID)
	require.True(t, found)
	require.Equal(t, relay.Stored, x.Disposition)
	require.Nil(t, x.Waiting)
	require.Equal(t, alpha, x.Source)
	_, found = explain(t, s, b.ID)
	require.False(t, found, "what has expired is not known")
	s = reopen(t, db, s)
	require.Equal(t, map[event.ID]relay.Disposition{a.ID: relay.Stored}, known(t, s))
	require.Empty(t, waiting(t, s))
	x, _ = explain(t, s, a.ID)
	require.Equal(t, alpha, x.Source, "who brought it first")
}

func testIrrelevantAddressed(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	by := func(kind, author int, at int, tags ...nostr.Tag) *event.Event {
		return signed(t, nostr.Event{Kind: kind, PubKey: key(author).String(), CreatedAt: nostr.Timestamp(at), Tags: tags})
	}
	d := nostr.Tag{"d", "x"}
	want := []*event.Event{by(30617, 1, 1, d), by(30617, 1, 2, d), by(30618, 1, 3, d)}
	others := []*event.Event{
		by(30617, 2, 1, d),                       // another author
		by(30617, 1, 4, nostr.Tag{"d", "y"}),     // another identifier
		by(30617, 1, 5, nostr.Tag{"d", "y"}, d),  // the first d tag counts
		by(30619, 1, 6, d),                       // another kind
		by(1621, 1, 7, d),                        // not addressable
		by(30617, 1, 8, nostr.Tag{"a", "x"}),     // no identifier
		by(30617, 1, 9, nostr.Tag{"d", "x\x00"}), // a longer one
		by(30617, 1, 10, nostr.Tag{"d", ""}, d),  // the empty one
		by(30618, 1, 11, nostr.Tag{"d", "X"}),    // case counts
		by(30618, 1, 12, nostr.Tag{"d"}, nostr.Tag{"d", "y"}),
	}
	for _, e := range append(slices.Clone(want), others...) {
		s.Record(recorded(e, relay.Irrelevant, "", alpha, t0))
	}
	stored := by(30617, 1, 20, d)
	s.Record(recorded(stored, relay.Stored, "", alpha, t0))
	got, err := s.IrrelevantAddressed(deadline(t), key(1), "x")
	require.NoError(t, err)
	require.ElementsMatch(t, ids(want...), got)
	flush(t, s)
	got, err = s.IrrelevantAddressed(deadline(t), key(1), "x")
	require.NoError(t, err)
	require.ElementsMatch(t, ids(want...), got)

	s.Forget(got)
	got, err = s.IrrelevantAddressed(deadline(t), key(1), "x")
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = s.IrrelevantAddressed(deadline(t), key(1), "")
	require.NoError(t, err)
	require.ElementsMatch(t, ids(others[5], others[7]), got, "no identifier is the empty one")
}

func testKnown(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	ref := event.RepoRef(key(1), "repo").String()
	root := note(t, 1, nostr.Tag{"a", ref})
	events := []*event.Event{root}
	for i := 2; i < 60; i++ {
		tags := []nostr.Tag{{"p", hexID(key2id(i))}}
		if i%2 == 0 {
			tags = append(tags, nostr.Tag{"e", hexID(root.ID)}, nostr.Tag{"e", hexID(root.ID)}, nostr.Tag{"e", "other"})
		}
		if i%3 == 0 {
			tags = append(tags, nostr.Tag{"a", ref}, nostr.Tag{"K", "1621"})
		}
		if i%5 == 0 {
			tags = append(tags, nostr.Tag{"q", ref}, nostr.Tag{"k", "7"}, nostr.Tag{"E", hexID(root.ID)}, nostr.Tag{"A", ref})
		}
		events = append(events, signed(t, nostr.Event{
			Kind: []int{1, 5, 62, 1111, 1621, 30617, 30618}[i%7], PubKey: key(i % 4).String(), CreatedAt: nostr.Timestamp(1000 + i/2),
			Tags: append(tags, nostr.Tag{"d", "repo"}), Content: "x",
		}))
	}
	for i, e := range events {
		d := []relay.Disposition{relay.Stored, relay.Irrelevant, relay.Rejected, relay.Superseded, relay.Held}[i%5]
		s.Record(recorded(e, d, "", alpha, t0))
	}
	waits := note(t, 100, nostr.Tag{"a", ref})
	s.Park(parked(waits, relay.CauseParent))
	events = append(events, waits)

	stamp := func(n int64) *nostr.Timestamp { ts := nostr.Timestamp(n); return &ts }
	filters := []nostr.Filter{
		{},
		{Kinds: []int{30617}},
		{Kinds: []int{1621}},
		{Kinds: []int{5, 62}, Authors: []string{key(1).String(), key(2).String(), "nonsense"}},
		{Authors: []string{key(3).String()}},
		{Kinds: []int{30618}, Tags: nostr.TagMap{"d": {"repo", "other"}}},
		{Tags: nostr.TagMap{"a": {ref, "30617:x:y"}}},
		{Tags: nostr.TagMap{"a": {ref}, "e": {hexID(root.ID)}}},
		{Tags: nostr.TagMap{"E": {hexID(root.ID)}}, Since: stamp(1010), Until: stamp(1020)},
		{Tags: nostr.TagMap{"q": {ref}, "k": {"7"}, "A": {ref}}, Kinds: []int{1111, 1, 5}},
		{Tags: nostr.TagMap{"e": {hexID(waits.ID)}}},
		{Tags: nostr.TagMap{"e": {hexID(root.ID), "other"}}},
		{IDs: []string{hexID(root.ID), hexID(key2id(1))}},
		{Kinds: []int{1111}, Tags: nostr.TagMap{"K": {"1621", "1617"}}},
		{Kinds: []int{}},
		{Tags: nostr.TagMap{"a": {}}},
	}
	for _, f := range filters {
		var want, got, wantStored, gotStored []event.ID
		for i, e := range events {
			if f.Matches(e.Event) {
				want = append(want, e.ID)
				if i%5 == 0 && e != waits {
					wantStored = append(wantStored, e.ID)
				}
			}
		}
		require.NoError(t, s.Known(deadline(t), f, func(createdAt int64, id event.ID) {
			got = append(got, id)
			i := slices.IndexFunc(events, func(e *event.Event) bool { return e.ID == id })
			require.EqualValues(t, events[i].CreatedAt, createdAt)
		}))
		require.ElementsMatch(t, want, got, f.String())
		require.NoError(t, s.Stored(deadline(t), f, func(createdAt int64, kind int, id event.ID) {
			gotStored = append(gotStored, id)
			i := slices.IndexFunc(events, func(e *event.Event) bool { return e.ID == id })
			require.EqualValues(t, events[i].CreatedAt, createdAt)
			require.Equal(t, events[i].Kind, kind)
		}))
		require.ElementsMatch(t, wantStored, gotStored, f.String())
	}
	err := s.Known(deadline(t), nostr.Filter{Tags: nostr.TagMap{"p": {"x"}}}, func(int64, event.ID) {})
	require.ErrorContains(t, err, "not indexed", "an answer that leaves something out is none")
}
