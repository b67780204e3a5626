package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/sync"
)

// RepoExplanation is what the database knows of one repo.
type RepoExplanation struct {
	Ref         event.Ref
	Full        bool // the own relay serves its announcement
	Surveyed    bool // what the own relay holds of it is in the ledger
	Coordinates []event.Ref
	Announced   event.ID
	Roots       int
	Lacks       int            // ancestors that nobody has shown yet
	Named       []relayurl.URL // by the announcements of Coordinates, each once
	Relays      []RepoCoverage
}

// RepoCoverage is what is confirmed of a repo at one relay.
type RepoCoverage struct {
	Relay         relayurl.URL
	States        bool
	Coords, Roots int // confirmed, of len(Coordinates) and Roots
	Around        bool
}

// ExplainRepo reads what is known of a repo; false when it is not one of ours. It waits until what was queued before is written.
func (s *Store) ExplainRepo(ctx context.Context, ref event.Ref) (RepoExplanation, bool, error) {
	x, found, err := s.explainRepo(ctx, ref)
	if err != nil {
		return RepoExplanation{}, false, fmt.Errorf("explain %s: %w", ref, err)
	}
	return x, found, nil
}

func (s *Store) explainRepo(ctx context.Context, ref event.Ref) (x RepoExplanation, found bool, err error) {
	if err := s.Flush(ctx); err != nil {
		return x, false, err
	}
	x.Ref = ref
	var num int64
	const repo = `SELECT r.repo, r.served, r.surveyed, r.coordinates, r.announcement, (SELECT count(*) FROM root_events e WHERE e.repo = r.repo),
		(SELECT count(*) FROM lacks l WHERE l.repo = r.repo)
		FROM coordinates c JOIN repos r ON r.repo = c.num WHERE c.digest = $1`
	err = scan(ctx, s.backend.readers(), repo, []any{digest(ref)}, func(read func(...any) error) error {
		var served, surveyed int64
		var packed, raw []byte
		if err := read(&num, &served, &surveyed, &packed, &raw, &x.Roots, &x.Lacks); err != nil {
			return err
		}
		refs, err := unpackReferences(packed)
		if err != nil {
			return err
		}
		announcement, err := event.Parse(raw, stored)
		if err != nil {
			return err
		}
		found = true
		x.Full, x.Surveyed, x.Coordinates, x.Announced = served != 0, surveyed != 0, refs.Refs, announcement.ID
		return nil
	})
	if err != nil || !found {
		return x, false, err
	}
	if x.Named, err = s.relaysNamed(ctx, append([]event.Ref{ref}, x.Coordinates...)); err != nil {
		return x, false, err
	}
	const relays = `SELECT u.url, c.states, c.coords, c.roots, c.around FROM repo_relays c JOIN urls u ON u.num = c.relay
		WHERE c.repo = $1 ORDER BY u.url`
	err = scan(ctx, s.backend.readers(), relays, []any{num}, func(read func(...any) error) error {
		var url, packedCoords, packedRoots []byte
		var states, around int64
		if err := read(&url, &states, &packedCoords, &packedRoots, &around); err != nil {
			return err
		}
		var coords, roots sync.Coverage
		if err := errors.Join(coords.UnmarshalBinary(packedCoords), roots.UnmarshalBinary(packedRoots)); err != nil {
			return err
		}
		x.Relays = append(x.Relays, RepoCoverage{
			Relay: relayurl.URL(url), States: states != 0, Coords: coords.Len(), Roots: roots.Len(), Around: around != 0,
		})
		return nil
	})
	return x, err == nil, err
}

// relaysNamed reads the relays that the announcements with these coordinates name.
func (s *Store) relaysNamed(ctx context.Context, refs []event.Ref) (out []relayurl.URL, err error) {
	const query = `SELECT r.announcement FROM coordinates c JOIN repos r ON r.repo = c.num WHERE c.digest = $1`
	for _, ref := range refs {
		err := scan(ctx, s.backend.readers(), query, []any{digest(ref)}, func(read func(...any) error) error {
			var raw []byte
			if err := read(&raw); err != nil {
				return err
			}
			e, err := event.Parse(raw, stored)
			if err != nil {
				return err
			}
			a, err := nip34.ParseAnnouncement(e)
			if err != nil {
				return err
			}
			for _, u := range a.Relays {
				if !slices.Contains(out, u) {
					out = append(out, u)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
