package store

import (
	"encoding/json"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/sync"
)

const (
	relayNum = `(SELECT num FROM urls WHERE url = $1)`
	repoNum  = `(SELECT num FROM coordinates WHERE digest = $1)`
)

// engineRow plans one row of the engine.
func (p *plan) engineRow(it *item) {
	switch r := it.row.(type) {
	case sync.SaveRepo:
		r.Surveyed = r.Surveyed && !p.loss.hits(it.rests) // else it is surveyed again after a restart
		p.saveRepo(r)
	case sync.DropRepo:
		d := digest(r.Ref)
		p.do(`DELETE FROM repo_relays WHERE repo = `+repoNum, d)
		p.do(`DELETE FROM root_events WHERE repo = `+repoNum, d)
		p.do(`DELETE FROM lacks WHERE repo = `+repoNum, d)
		p.do(`DELETE FROM repos WHERE repo = `+repoNum, d)
	case sync.SaveRoot:
		p.do(`INSERT INTO root_events (repo, n, id, created_at, active_at, gone) VALUES (`+repoNum+`, $2, $3, $4, $5, $6)
			ON CONFLICT (repo, n) DO UPDATE SET id = excluded.id, created_at = excluded.created_at, active_at = excluded.active_at,
			gone = excluded.gone`,
			p.coordinate(r.Repo), int64(r.N), r.ID[:], r.CreatedAt, r.Active, bit(r.Gone))
	case sync.SaveRelay:
		p.saveRelay(r, p.refuses(r.URL, it))
	case sync.DropRelay:
		p.do(`DELETE FROM repo_relays WHERE relay = `+relayNum, []byte(r.URL))
		p.do(`DELETE FROM batches WHERE relay = `+relayNum, []byte(r.URL))
		p.do(`DELETE FROM relays WHERE relay = `+relayNum, []byte(r.URL))
	case sync.SaveCoverage:
		if !p.refuses(r.Relay, it) {
			p.saveCoverage(r)
		}
	case sync.ClearCoverage:
		p.do(`DELETE FROM repo_relays WHERE relay = `+relayNum, []byte(r.Relay))
	case sync.SaveBatch:
		if !p.refuses(r.Relay, it) {
			p.name(r.Relay)
			p.do(`INSERT INTO batches (relay, number, spec) VALUES (`+relayNum+`, $2, $3)
				ON CONFLICT (relay, number) DO UPDATE SET spec = excluded.spec`,
				[]byte(r.Relay), int64(r.Number), append([]byte{}, r.Spec...)) //nolint:gosec // a bit pattern, read back as one
		}
	case sync.DropBatch:
		if !p.refuses(r.Relay, it) {
			p.do(`DELETE FROM batches WHERE relay = `+relayNum+` AND number = $2`,
				[]byte(r.Relay), int64(r.Number)) //nolint:gosec // a bit pattern, read back as one
		}
	case sync.SaveLack:
		p.do(`INSERT INTO lacks (repo, id, noted_at) VALUES (`+repoNum+`, $2, $3)
			ON CONFLICT (repo, id) DO UPDATE SET noted_at = excluded.noted_at`,
			p.coordinate(r.Repo), r.ID[:], millis(r.At))
	case sync.DropLack:
		if p.loss.hits(it.rests) { // it may have been found in a row that was lost
			p.refused++
			return
		}
		p.do(`DELETE FROM lacks WHERE repo = `+repoNum+` AND id = $2`, digest(r.Repo), r.ID[:])
	}
}

// refuses reports that a confirm may rest on what was lost.
func (p *plan) refuses(u relayurl.URL, it *item) bool {
	if !p.tainted[u] && !p.loss.hits(it.rests) {
		return false
	}
	if p.tainted == nil {
		p.tainted = map[relayurl.URL]bool{}
	}
	p.tainted[u] = true
	p.refused++
	return true
}

func (p *plan) saveRepo(r sync.SaveRepo) {
	var raw []byte
	if r.Announcement != nil {
		var err error
		if raw, err = r.Announcement.MarshalJSON(); err != nil {
			p.garble(err)
			return
		}
	}
	p.do(`INSERT INTO repos (repo, served, coordinates, announcement, surveyed) VALUES (`+repoNum+`, $2, $3, $4, $5)
		ON CONFLICT (repo) DO UPDATE SET served = excluded.served, coordinates = excluded.coordinates,
		announcement = excluded.announcement, surveyed = excluded.surveyed`,
		p.coordinate(r.Ref), bit(r.Full), packCoordinates(r.Coordinates), raw, bit(r.Surveyed))
}

// saveRelay writes the facts of a relay; when its confirms are refused, only those that confirm nothing.
func (p *plan) saveRelay(r sync.SaveRelay, refused bool) {
	state, err := json.Marshal(r.Health)
	if err != nil {
		p.garble(err)
		return
	}
	learned, err := packLearned(r.Learned)
	if err != nil {
		p.garble(err)
		return
	}
	p.name(r.URL)
	const insert = `INSERT INTO relays (relay, announcements, cursor_at, disconnected_at, last_full, pass_since, polled_hot, polled_warm,
		health, learned, paired, gave, gave_at, place_at)
		VALUES (` + relayNum + `, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (relay) DO UPDATE SET disconnected_at = excluded.disconnected_at, health = excluded.health, learned = excluded.learned,
		paired = excluded.paired, gave = excluded.gave, gave_at = excluded.gave_at, place_at = excluded.place_at`
	if refused {
		p.do(insert, []byte(r.URL), int64(0), nil, millis(r.DisconnectedAt), nil, nil, nil, nil, state, learned, bit(r.Paired),
			int64(r.Gave), millis(r.GaveAt), millis(r.Place))
		return
	}
	p.do(insert+`, announcements = excluded.announcements, cursor_at = excluded.cursor_at, last_full = excluded.last_full,
		pass_since = excluded.pass_since, polled_hot = excluded.polled_hot, polled_warm = excluded.polled_warm`,
		[]byte(r.URL), bit(r.Announcements), millis(r.Cursor), millis(r.DisconnectedAt), millis(r.LastFull), millis(r.PassSince),
		millis(r.PolledHot), millis(r.PolledWarm), state, learned, bit(r.Paired), int64(r.Gave), millis(r.GaveAt), millis(r.Place))
}

func (p *plan) saveCoverage(r sync.SaveCoverage) {
	coords, err := r.Coords.MarshalBinary()
	if err != nil {
		p.garble(err)
		return
	}
	roots, err := r.Roots.MarshalBinary()
	if err != nil {
		p.garble(err)
		return
	}
	p.name(r.Relay)
	p.do(`INSERT INTO repo_relays (relay, repo, states, coords, roots, around)
		VALUES (`+relayNum+`, (SELECT num FROM coordinates WHERE digest = $2), $3, $4, $5, $6)
		ON CONFLICT (relay, repo) DO UPDATE SET states = excluded.states, coords = excluded.coords, roots = excluded.roots,
		around = excluded.around`,
		[]byte(r.Relay), p.coordinate(r.Repo), bit(r.States), coords, roots, bit(r.Around))
}
