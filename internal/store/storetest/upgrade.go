package storetest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// testUpgrade fills a database of the first version, as that version did, and opens it.
func testUpgrade(t *testing.T, db Database) {
	db.Migrate(t, 1)
	a := announcement(t, 1, "one")
	raw, err := a.MarshalJSON()
	require.NoError(t, err)
	coord := a.Coordinate()
	digest := sha256.Sum256([]byte(coord.String()))
	root, refused, limited, held := note(t, 1), note(t, 2), note(t, 3), note(t, 4)
	inLedger := func(num int, e *event.Event, d relay.Disposition) string {
		return fmt.Sprintf(`INSERT INTO ledger (num, id, created_at, kind, pubkey, disposition, reason, source, first_seen, updated, tags)
			VALUES (%d, %s, %d, %d, %s, %d, %s, 1, %d, %d, %s)`, num, db.Bytes(e.ID[:]), e.CreatedAt, e.Kind, db.Bytes(e.PubKey[:]),
			d, db.Bytes(nil), t0.UnixMilli(), t0.UnixMilli(), db.Bytes(nil))
	}
	covered, err := coverage(1).MarshalBinary()
	require.NoError(t, err)
	none, err := sync.Coverage{}.MarshalBinary()
	require.NoError(t, err)
	for _, query := range []string{
		fmt.Sprintf(`INSERT INTO urls (num, url) VALUES (1, %s)`, db.Bytes([]byte(alpha))),
		fmt.Sprintf(`INSERT INTO coordinates (num, digest, kind, pubkey, d) VALUES (1, %s, %d, %s, %s)`,
			db.Bytes(digest[:]), coord.Kind, db.Bytes(coord.PubKey[:]), db.Bytes([]byte(coord.D))),
		fmt.Sprintf(`INSERT INTO repos (repo, served, coordinates, announcement) VALUES (1, 1, %s, %s)`, db.Bytes([]byte{0}), db.Bytes(raw)),
		fmt.Sprintf(`INSERT INTO root_events (repo, n, id, created_at) VALUES (1, 0, %s, 1234)`, db.Bytes(root.ID[:])),
		fmt.Sprintf(`INSERT INTO relays (relay, announcements, cursor_at, health) VALUES (1, 1, %d, %s)`, t0.UnixMilli(), db.Bytes([]byte(`{}`))),
		fmt.Sprintf(`INSERT INTO repo_relays (relay, repo, states, coords, roots) VALUES (1, 1, 1, %s, %s)`, db.Bytes(none), db.Bytes(covered)),
		fmt.Sprintf(`INSERT INTO batches (relay, number, spec) VALUES (1, 7, %s)`, db.Bytes([]byte("spec"))),
		inLedger(1, root, relay.Stored),
		inLedger(2, refused, relay.Rejected),
		inLedger(3, limited, relay.OwnLimit),
		inLedger(4, held, relay.Held),
		`INSERT INTO ledger_tags (tag, ledger) VALUES (5, 4)`,
	} {
		db.Exec(t, query)
	}

	s := open(t, db, store.Options{})
	want := &sync.State{
		Repos:    []sync.SaveRepo{{Ref: coord, Announcement: a, Full: true}},
		Roots:    []sync.SaveRoot{{Repo: coord, ID: root.ID, CreatedAt: 1234, Active: 1234}},
		Relays:   []sync.SaveRelay{{URL: alpha, Announcements: true, Cursor: t0, Gave: 1, GaveAt: t0, Place: time.UnixMilli(0).UTC()}},
		Coverage: []sync.SaveCoverage{{Relay: alpha, Repo: coord, States: true, Roots: coverage(1)}},
		Batches:  []sync.SaveBatch{{Relay: alpha, Number: 7, Spec: []byte("spec")}},
	}
	require.Equal(t, want, load(t, s))
	require.Equal(t, map[event.ID]relay.Disposition{
		root.ID: relay.Stored, refused.ID: relay.Rejected, limited.ID: relay.OwnLimit,
	}, known(t, s), "what was held is fetched again")
	require.Zero(t, db.Count(t, `SELECT count(*) FROM ledger_tags`))
	const day = 24 * time.Hour
	require.Equal(t, map[event.ID]relay.Offer{
		refused.ID: {Due: t0.Add(day)}, limited.ID: {Due: t0.Add(30 * day)},
	}, offered(t, s))

	// What is new can be written to rows from before.
	want.Repos[0].Surveyed = true
	want.Roots[0].Active, want.Roots[0].Gone = 5678, true
	want.Relays[0].PolledHot, want.Relays[0].PolledWarm = t0, t0.Add(-1e9)
	want.Relays[0].Learned.NoLive = t0
	want.Relays[0].Gave, want.Relays[0].GaveAt, want.Relays[0].Place = 2, t0.Add(-2e9), time.Time{}
	want.Coverage[0].Around = true
	want.Lacks = []sync.SaveLack{{Repo: coord, ID: key2id(1), At: t0}}
	s.Apply(rowsOf(want), 0)
	flush(t, s)
	require.Equal(t, want, load(t, s))
	require.Equal(t, want, load(t, reopen(t, db, s)))
}
