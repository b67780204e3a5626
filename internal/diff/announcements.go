package diff

import (
	"context"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

const tooManyForeign = "there are more announcements of repositories that are not kept here than are remembered; one that was let go may belong to a maintainer"

// announcements fills the index from both relays: a repository that only the remote one has is one of ours when it lists us.
func (c *comparison) announcements(ctx context.Context) error {
	var theirs candidates
	err := c.both(ctx, []nostr.Filter{filters.Announcements()}, func(e *event.Event) {
		if a, err := nip34.ParseAnnouncement(e); err == nil {
			c.replaced(e)
			c.kept[a.Ref] = true
			c.tell(a.Slim())
		}
	}, func(e *event.Event) {
		a, err := nip34.ParseAnnouncement(e)
		if err != nil || c.ended || c.knows(e.ID) || !c.worth(e) {
			return
		}
		c.follow(a.Slim())
		if theirs.add(candidate{a.Ref, version{a.CreatedAt, a.ID}, e.Weight()}); theirs.weight < c.o.MostBytes {
			return
		}
		if theirs.keep(c.index.Covers) > 0 {
			c.incomplete(tooManyForeign)
		}
		if theirs.weight > c.o.MostBytes/2 {
			c.incomplete(string(c.o.Remote.URL) + " has more announcements than are looked at")
			c.ended = true
		}
	})
	theirs.keep(c.index.Covers)
	for _, a := range theirs.list {
		if !c.newer(a.ref, a.version) {
			c.res.Superseded++
			continue
		}
		c.miss(&missing{Event: Event{a.id, event.KindAnnouncement, a.createdAt, a.ref.PubKey}, repos: c.index.RootsOf(a.ref), d: a.ref.D})
	}
	return err
}

// follow takes in an announcement that the own relay lacks. One that takes a repository out of scope which the own relay keeps is to be
// published there, but until it is, the repository is compared.
func (c *comparison) follow(a *nip34.Announcement) {
	before, known := c.index.Newest(a.Ref)
	covered := c.index.Covers(a.Ref)
	c.tell(a)
	if !known || !covered || c.index.Covers(a.Ref) {
		return
	}
	if _, mine := c.mine[before.ID]; mine {
		c.index.Apply([]*nip34.Announcement{before}, []event.Ref{a.Ref})
	}
}

func (c *comparison) tell(a *nip34.Announcement) {
	told := []*nip34.Announcement{a}
	c.index.Apply(told, nil)
	if gone := c.foreign.Trim(c.index, told, nil); len(gone) > 0 { // what leaves scope by it may be put back
		c.incomplete(tooManyForeign)
	}
}
