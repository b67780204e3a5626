package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/sync"
)

// Load reads both maps in one transaction. A repo with a row that cannot be read, with a missing root number, or with
// coverage of more than it has, is logged, left out and dropped from the database: it will be learned and asked again.
func (s *Store) Load(ctx context.Context) (*sync.State, error) {
	tx, err := s.backend.readers().BeginTx(ctx, s.backend.snapshot())
	if err != nil {
		return nil, advise(fmt.Errorf("load: %w", err))
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	l := &loader{tx: tx, log: s.log, state: &sync.State{}, repos: map[int64]*loadedRepo{}, relays: map[int64]relayurl.URL{}}
	for _, read := range []func(context.Context) error{
		l.coordinates, l.readRepos, l.readRoots, l.readURLs, l.readRelays, l.readCoverage, l.readBatches, l.readLacks,
	} {
		if err := read(ctx); err != nil {
			return nil, advise(fmt.Errorf("load: %w", err))
		}
	}
	s.Apply(l.leaveOut(), 0)
	return l.state, nil
}

// loader holds what joins the tables while they are read.
type loader struct {
	tx     *sql.Tx
	log    *zap.Logger
	state  *sync.State
	repos  map[int64]*loadedRepo // by coordinates.num
	relays map[int64]relayurl.URL
}

type loadedRepo struct {
	ref    event.Ref
	found  bool  // has a row in repos
	broken error // why it is left out
	coords uint32
	roots  uint32
}

var errAlone = errors.New("rows of a repo that is not there")

// leaveOut takes broken repos out of the state and returns the rows that drop them.
func (l *loader) leaveOut() []sync.Row {
	broken := map[event.Ref]bool{}
	var rows []sync.Row
	for _, r := range l.repos {
		if r.broken != nil {
			l.log.Error("repo dropped from the database", zap.Stringer("repo", r.ref), zap.Error(r.broken))
			broken[r.ref] = true
			rows = append(rows, sync.DropRepo{Ref: r.ref})
		}
	}
	if len(broken) > 0 {
		l.state.Repos = slices.DeleteFunc(l.state.Repos, func(r sync.SaveRepo) bool { return broken[r.Ref] })
		l.state.Roots = slices.DeleteFunc(l.state.Roots, func(r sync.SaveRoot) bool { return broken[r.Repo] })
		l.state.Coverage = slices.DeleteFunc(l.state.Coverage, func(r sync.SaveCoverage) bool { return broken[r.Repo] })
		l.state.Lacks = slices.DeleteFunc(l.state.Lacks, func(r sync.SaveLack) bool { return broken[r.Repo] })
	}
	return rows
}

func (l *loader) coordinates(ctx context.Context) error {
	const query = `SELECT num, kind, pubkey, d FROM coordinates`
	return scan(ctx, l.tx, query, nil, func(read func(...any) error) error {
		var num int64
		var key, d []byte
		r := &loadedRepo{}
		if err := read(&num, &r.ref.Kind, &key, &d); err != nil {
			return err
		}
		r.ref.PubKey, r.ref.D = fit(key), string(d)
		l.repos[num] = r
		return nil
	})
}

func (l *loader) readRepos(ctx context.Context) error {
	const query = `SELECT repo, served, coordinates, announcement, surveyed FROM repos ORDER BY repo`
	return scan(ctx, l.tx, query, nil, func(read func(...any) error) error {
		var num, served, surveyed int64
		var packed, raw []byte
		if err := read(&num, &served, &packed, &raw, &surveyed); err != nil {
			return err
		}
		r := l.repos[num]
		if r == nil {
			return nil // no coordinate, so nothing to name it by
		}
		r.found = true
		save := sync.SaveRepo{Ref: r.ref, Full: served != 0, Surveyed: surveyed != 0}
		refs, err := unpackReferences(packed)
		if err == nil {
			save.Announcement, err = event.Parse(raw, stored)
		}
		if err == nil {
			_, err = nip34.ParseAnnouncement(save.Announcement)
		}
		if err != nil {
			r.broken = err
			return nil
		}
		save.Coordinates = refs.Refs
		r.coords = uint32(len(refs.Refs)) //nolint:gosec // a row is not that large
		l.state.Repos = append(l.state.Repos, save)
		return nil
	})
}

func (l *loader) readRoots(ctx context.Context) error {
	const query = `SELECT repo, n, id, created_at, active_at, gone FROM root_events ORDER BY repo, n`
	return scan(ctx, l.tx, query, nil, func(read func(...any) error) error {
		var num, n, created, active, gone int64
		var id []byte
		if err := read(&num, &n, &id, &created, &active, &gone); err != nil {
			return err
		}
		if active == 0 {
			active = created
		}
		r := l.repos[num]
		switch {
		case r == nil || r.broken != nil:
		case !r.found:
			r.broken = errAlone
		case n != int64(r.roots):
			r.broken = fmt.Errorf("root number %d is missing", r.roots)
		default:
			r.roots++
			save := sync.SaveRoot{Repo: r.ref, N: uint32(n), ID: fit(id), CreatedAt: created, Active: active, Gone: gone != 0} //nolint:gosec // equal to a uint32
			l.state.Roots = append(l.state.Roots, save)
		}
		return nil
	})
}

func (l *loader) readURLs(ctx context.Context) error {
	return scan(ctx, l.tx, `SELECT num, url FROM urls`, nil, func(read func(...any) error) error {
		var num int64
		var u []byte
		if err := read(&num, &u); err != nil {
			return err
		}
		l.relays[num] = relayurl.URL(u)
		return nil
	})
}

func (l *loader) readRelays(ctx context.Context) error {
	const query = `SELECT relay, announcements, cursor_at, disconnected_at, last_full, pass_since, polled_hot, polled_warm, health, learned, paired,
		gave, gave_at, place_at FROM relays ORDER BY relay`
	return scan(ctx, l.tx, query, nil, func(read func(...any) error) error {
		var num, announcements, paired, gave int64
		var cursor, disconnected, full, since, hot, warm, gaveAt, place sql.NullInt64
		var state, learned []byte
		if err := read(&num, &announcements, &cursor, &disconnected, &full, &since, &hot, &warm, &state, &learned, &paired, &gave, &gaveAt, &place); err != nil {
			return err
		}
		save := sync.SaveRelay{
			URL: l.relays[num], Announcements: announcements != 0,
			Cursor: timeOf(cursor), DisconnectedAt: timeOf(disconnected), LastFull: timeOf(full), PassSince: timeOf(since),
			PolledHot: timeOf(hot), PolledWarm: timeOf(warm), Paired: paired != 0,
			Gave: int(gave), GaveAt: timeOf(gaveAt), Place: timeOf(place),
		}
		if err := json.Unmarshal(state, &save.Health); err != nil {
			l.log.Error("stored health cannot be read", zap.String("relay", string(save.URL)), zap.Error(err))
		}
		var err error
		if save.Learned, err = unpackLearned(learned); err != nil {
			l.log.Error("what was learned of a relay cannot be read", zap.String("relay", string(save.URL)), zap.Error(err))
		}
		l.state.Relays = append(l.state.Relays, save)
		return nil
	})
}

func (l *loader) readCoverage(ctx context.Context) error {
	const query = `SELECT relay, repo, states, coords, roots, around FROM repo_relays ORDER BY relay, repo`
	return scan(ctx, l.tx, query, nil, func(read func(...any) error) error {
		var relay, repo, states, around int64
		var coords, roots []byte
		if err := read(&relay, &repo, &states, &coords, &roots, &around); err != nil {
			return err
		}
		r := l.repos[repo]
		if r == nil || r.broken != nil {
			return nil
		}
		save := sync.SaveCoverage{Relay: l.relays[relay], Repo: r.ref, States: states != 0, Around: around != 0}
		err := errors.Join(save.Coords.UnmarshalBinary(coords), save.Roots.UnmarshalBinary(roots))
		switch {
		case !r.found:
			r.broken = errAlone
		case err != nil:
			r.broken = err
		case save.Coords.Count > r.coords || save.Roots.Count > r.roots:
			r.broken = errors.New("coverage of more than there is")
		}
		l.state.Coverage = append(l.state.Coverage, save)
		return nil
	})
}

func (l *loader) readBatches(ctx context.Context) error {
	const query = `SELECT relay, number, spec FROM batches ORDER BY relay, number`
	return scan(ctx, l.tx, query, nil, func(read func(...any) error) error {
		var relay, number int64
		var save sync.SaveBatch
		if err := read(&relay, &number, &save.Spec); err != nil {
			return err
		}
		save.Relay, save.Number = l.relays[relay], uint64(number)
		l.state.Batches = append(l.state.Batches, save)
		return nil
	})
}

func (l *loader) readLacks(ctx context.Context) error {
	return scan(ctx, l.tx, `SELECT repo, id, noted_at FROM lacks ORDER BY repo, id`, nil, func(read func(...any) error) error {
		var num int64
		var id []byte
		var at sql.NullInt64
		if err := read(&num, &id, &at); err != nil {
			return err
		}
		r := l.repos[num]
		switch {
		case r == nil || r.broken != nil:
		case !r.found:
			r.broken = errAlone
		default:
			l.state.Lacks = append(l.state.Lacks, sync.SaveLack{Repo: r.ref, ID: fit(id), At: timeOf(at)})
		}
		return nil
	})
}

func timeOf(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// fit makes 32 bytes of what should be 32 bytes.
func fit(b []byte) (out [32]byte) {
	copy(out[:], b)
	return out
}
