package storetest

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

var hostile = []string{
	"x", "\x00", "a\x00b", "\xff\xfe\xc0", "'; DROP TABLE ledger; --", `"\`, "$1", "?", "%s%n", "\u202e\u2028\ufeff", "\x1b[2J", "a:b::c", " ",
	strings.Repeat("long ", 2000), "\U0001F600", "\ud7ff\ue000",
}

func testHostileText(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	want := &sync.State{}
	var rows []sync.Row
	var waits []relay.Waiting
	for i, text := range hostile {
		e := announcement(t, 1, "r"+strings.ToValidUTF8(text, "?"))
		// The coordinate is given as it is, also where an announcement could not carry it.
		repo := sync.SaveRepo{Ref: event.RepoRef(key(i), text), Announcement: e, Coordinates: []event.Ref{event.RepoRef(key(i), text+text)}}
		root := sync.SaveRoot{Repo: repo.Ref, ID: note(t, i).ID}
		rel := sync.SaveRelay{URL: relayurl.URL(fmt.Sprintf("wss://%d.example/%s", i, text[:min(len(text), 100)]))}
		rel.Health.Reason = strings.ToValidUTF8(text, "?")
		rel.Learned.Aside = []relay.SetAside{{Tag: "a", Value: strings.ToValidUTF8(text, "?"), Reason: strings.ToValidUTF8(text, "?"), Until: t0}}
		lack := sync.SaveLack{Repo: repo.Ref, ID: key2id(i), At: t0}
		cov := sync.SaveCoverage{Relay: rel.URL, Repo: repo.Ref, Roots: coverage(1)}
		batch := sync.SaveBatch{Relay: rel.URL, Spec: []byte(text)}
		want.Repos, want.Roots, want.Relays = append(want.Repos, repo), append(want.Roots, root), append(want.Relays, rel)
		want.Coverage, want.Batches = append(want.Coverage, cov), append(want.Batches, batch)
		want.Lacks = append(want.Lacks, lack)
		rows = append(rows, repo, root, rel, cov, batch, lack)

		w := note(t, 1000+i, nostr.Tag{"e", text}, nostr.Tag{"d", text}, nostr.Tag{text}, nostr.Tag{text, text})
		if !validEvent(w) {
			w = note(t, 1000+i, nostr.Tag{"e", "x"})
		}
		p := parked(w, relay.CauseParent)
		p.Reason, p.Source = text[:min(len(text), 1000)], rel.URL
		p.Needs = event.References{Refs: []event.Ref{repo.Ref}, IDs: ids(w)}
		s.Park(p)
		waits = append(waits, p)
	}
	s.Apply(rows, 0)
	flush(t, s)
	for range 2 {
		require.Equal(t, want, load(t, s))
		for _, w := range waits {
			require.Equal(t, []relay.Waiting{w}, withEvents(t, s, w.ID))
			x, _ := explain(t, s, w.ID)
			require.Equal(t, w.Reason, x.Reason)
			require.Equal(t, w.Source, x.Source)
		}
		s = reopen(t, db, s)
	}
	s.Record(recorded(note(t, 0), relay.Rejected, strings.Repeat("\x00", 1<<20), alpha, t0))
	flush(t, s)
	x, _ := explain(t, s, note(t, 0).ID)
	require.Len(t, x.Reason, 1024, "a reason is cut")
	for _, r := range want.Repos {
		s.Apply([]sync.Row{sync.DropRepo{Ref: r.Ref}}, 0)
	}
	for _, r := range want.Relays {
		s.Apply([]sync.Row{sync.DropRelay{URL: r.URL}}, 0)
	}
	flush(t, s)
	require.Equal(t, &sync.State{}, load(t, s))
}

// validEvent reports what a relay could have sent: NIP-01 events are UTF-8.
func validEvent(e *event.Event) bool {
	raw, err := e.MarshalJSON()
	if err != nil {
		return false
	}
	_, err = event.Parse(raw, event.DefaultLimits())
	return err == nil
}

func testLargeNumbers(t *testing.T, db Database) {
	s := open(t, db, store.Options{})
	e := announcement(t, 1, "x")
	far := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	long := time.UnixMilli(-1).UTC()
	want := &sync.State{
		Repos: []sync.SaveRepo{{Ref: event.Ref{Kind: math.MaxInt32, PubKey: key(1), D: "x"}, Announcement: e}},
		Roots: []sync.SaveRoot{{Repo: event.Ref{Kind: math.MaxInt32, PubKey: key(1), D: "x"}, CreatedAt: math.MinInt64, Active: math.MaxInt64}},
		Lacks: []sync.SaveLack{{Repo: event.Ref{Kind: math.MaxInt32, PubKey: key(1), D: "x"}, At: far}},
		Relays: []sync.SaveRelay{{
			URL: alpha, Cursor: far, LastFull: long, DisconnectedAt: time.UnixMilli(0).UTC(),
			Health:  health.State{Failures: math.MaxInt, NotBefore: far, FailingSince: long},
			Learned: relay.Learned{Subscriptions: relay.Cap{N: math.MaxInt, Until: far}, NoLive: long},
		}},
		Batches: []sync.SaveBatch{
			{Relay: alpha, Number: math.MaxUint64, Spec: []byte{1}}, {Relay: alpha, Number: 0, Spec: []byte{2}},
			{Relay: alpha, Number: math.MaxInt64, Spec: []byte{3}},
		},
	}
	s.Apply(rowsOf(want), 0)
	latest := signed(t, nostr.Event{Kind: 65535, CreatedAt: 253402300799})
	bare := signed(t, nostr.Event{Kind: 0, CreatedAt: 0})
	big := signed(t, nostr.Event{Kind: 1, Content: strings.Repeat("\x01é\u2028", 100_000), Tags: manyTags(2000)})
	w := parked(latest, relay.CauseFuture)
	w.Tries, w.Size, w.Due, w.Since = math.MaxInt, math.MaxInt, far, long
	s.Park(w)
	s.Park(parked(big, relay.CauseDown))
	s.Record(recorded(bare, relay.Stored, "", "", far))
	s = reopen(t, db, s)
	require.Equal(t, want, load(t, s))
	require.Equal(t, []relay.Waiting{w, parked(big, relay.CauseDown)}, withEvents(t, s, latest.ID, big.ID))
	x, _ := explain(t, s, latest.ID)
	require.EqualValues(t, 253402300799, x.CreatedAt)
	require.Equal(t, 65535, x.Kind)
	x, _ = explain(t, s, bare.ID)
	require.Equal(t, far, x.Updated)

	s.Unpark(big.ID)
	flush(t, s)
	require.Zero(t, db.Count(t, `SELECT count(*) FROM ledger_tags`), "tags go with their event")
}

func manyTags(n int) nostr.Tags {
	tags := make(nostr.Tags, n)
	for i := range tags {
		tags[i] = nostr.Tag{[]string{"e", "a", "E", "q", "p"}[i%5], fmt.Sprint(i)}
	}
	return tags
}
