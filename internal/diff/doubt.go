package diff

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// doubt asks the own relay for what seems to be missing, by id, and for the deletions of those who wrote it.
func (c *comparison) doubt(ctx context.Context) error {
	var ids []event.ID
	authors := map[event.PubKey]bool{}
	for id, m := range c.missing {
		ids = append(ids, id)
		authors[m.PubKey] = true
	}
	err := c.askOwn(ctx, filters.IDs(ids, stepIDs), func(e *event.Event) {
		c.mine[e.ID] = e.PubKey
		delete(c.missing, e.ID)
	})
	if err != nil {
		return err
	}
	var keys []event.PubKey
	for pk := range authors {
		keys = append(keys, pk)
	}
	if err := c.askOwn(ctx, filters.DeletionsBy(keys, filters.DefaultValues), c.buried); err != nil {
		return err
	}
	for id, m := range c.missing {
		if m.Kind == event.KindDeletion && !c.deletesOurs(m) {
			delete(c.missing, id)
		}
	}
	c.dropGone()
	return nil
}

// dropGone takes back what belongs to repositories only that their owners have deleted on the own relay: nobody wants it here.
func (c *comparison) dropGone() {
	for id, m := range c.missing {
		m.repos = slices.DeleteFunc(m.repos, func(ref event.Ref) bool {
			_, ours := c.index.Repo(ref)
			return !ours
		})
		if len(m.repos) == 0 {
			delete(c.missing, id)
			c.res.Deleted++
		}
	}
}

// buried takes a deletion that the own relay has: what its author has deleted is not missing.
func (c *comparison) buried(e *event.Event) {
	gone := func(m *missing) {
		if m.PubKey == e.PubKey && event.Deletable(m.Kind) {
			delete(c.missing, m.ID)
			c.res.Deleted++
			if ref := event.RepoRef(m.PubKey, m.d); m.Kind == event.KindAnnouncement && !c.kept[ref] {
				c.index.Apply(nil, []event.Ref{ref})
			}
		}
	}
	if e.Kind == event.KindVanish {
		if c.o.Rules.Vanishes(e) {
			for _, m := range c.missing {
				if m.CreatedAt <= int64(e.CreatedAt) {
					gone(m)
				}
			}
		}
		return
	}
	names := e.Deletes()
	for _, id := range names.IDs {
		if m := c.missing[id]; m != nil {
			gone(m)
		}
	}
	for _, ref := range names.Refs {
		if m := c.missing[c.newest[ref].id]; m != nil && m.CreatedAt <= int64(e.CreatedAt) {
			gone(m)
		}
	}
}

// deletesOurs reports whether a deletion names something of its author that is ours: others do not concern us (DESIGN §6).
func (c *comparison) deletesOurs(m *missing) bool {
	for _, id := range m.deletes.IDs {
		if pk, ok := c.mine[id]; ok && pk == m.PubKey {
			return true
		}
		if other := c.missing[id]; other != nil && other.PubKey == m.PubKey {
			return true
		}
	}
	return slices.ContainsFunc(m.deletes.Refs, c.index.Covers)
}

func (c *comparison) result() Result {
	by := map[event.Ref][]Event{}
	for _, m := range c.missing {
		for _, ref := range m.repos {
			by[ref] = append(by[ref], m.Event)
		}
	}
	c.res.Events = len(c.missing)
	for ref, events := range by {
		slices.SortFunc(events, func(a, b Event) int {
			return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
		})
		c.res.Repos = append(c.res.Repos, Repo{ref, events})
	}
	slices.SortFunc(c.res.Repos, func(a, b Repo) int { return a.Ref.Compare(b.Ref) })
	return c.res
}
