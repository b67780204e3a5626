package storetest

import (
	"crypto/sha256"
	"fmt"
	"testing"

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
	root := note(t, 1)
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
		fmt.Sprintf(`INSERT INTO ledger (num, id, created_at, kind, pubkey, disposition, reason, source, first_seen, updated, tags)
			VALUES (1, %s, %d, %d, %s, %d, %s, 1, %d, %d, %s)`, db.Bytes(root.ID[:]), root.CreatedAt, root.Kind, db.Bytes(root.PubKey[:]),
			relay.Stored, db.Bytes(nil), t0.UnixMilli(), t0.UnixMilli(), db.Bytes(nil)),
	} {
		db.Exec(t, query)
	}

	s := open(t, db, store.Options{})
	want := &sync.State{
		Repos:    []sync.SaveRepo{{Ref: coord, Announcement: a, Full: true}},
		Roots:    []sync.SaveRoot{{Repo: coord, ID: root.ID, CreatedAt: 1234, Active: 1234}},
		Relays:   []sync.SaveRelay{{URL: alpha, Announcements: true, Cursor: t0}},
		Coverage: []sync.SaveCoverage{{Relay: alpha, Repo: coord, States: true, Roots: coverage(1)}},
		Batches:  []sync.SaveBatch{{Relay: alpha, Number: 7, Spec: []byte("spec")}},
	}
	require.Equal(t, want, load(t, s))
	require.Equal(t, map[event.ID]relay.Disposition{root.ID: relay.Stored}, known(t, s))

	// What is new can be written to rows from before.
	want.Repos[0].Surveyed = true
	want.Roots[0].Active = 5678
	want.Relays[0].PolledHot, want.Relays[0].PolledWarm = t0, t0.Add(-1e9)
	want.Relays[0].Learned.NoLive = t0
	want.Coverage[0].Around = true
	want.Lacks = []sync.SaveLack{{Repo: coord, ID: key2id(1), At: t0}}
	s.Apply(rowsOf(want), 0)
	flush(t, s)
	require.Equal(t, want, load(t, s))
	require.Equal(t, want, load(t, reopen(t, db, s)))
}
