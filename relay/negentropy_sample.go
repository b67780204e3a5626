package relay

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// A relay may leave out of its reconciliations what it serves otherwise. In a batch that samples, ids that we know and that it has not listed are
// asked for by id: of each filter as many as one in a hundred of those that we know. Most relays simply do not have them. What comes is
// under suspicion: the event may have reached the relay a moment ago, or the relay may not find it by its tag at all. So its filters are
// reconciled once more, and paged if it still is not listed. A page that brings it is the proof.

const (
	sampleShare = 100 // one in so many
	mostSampled = 300 // of a filter
	mostDoubted = 3000
)

// sampling is what a batch has found out about the honesty of reconciliations.
type sampling struct {
	filters []nostr.Filter // of the batch
	doubted map[event.ID]struct{}
	asked   bool
	given   []*event.Event // by id, of those that were doubted
	hidden  map[event.ID]bool
}

// sampler gives what takes the items that a filter's relay has not listed: it keeps some of them at random.
func (s *session) sampler(count int) func(int64, event.ID) {
	most, seen := min(mostSampled, (count+sampleShare-1)/sampleShare), 0
	return func(_ int64, id event.ID) {
		seen++
		if len(s.haves) < most {
			s.haves = append(s.haves, id)
		} else if i := rand.IntN(seen); i < most {
			s.haves[i] = id
		}
	}
}

// note takes what was sampled of a filter.
func (s *sampling) note(ids []event.ID) {
	for _, id := range ids {
		if len(s.doubted) < mostDoubted {
			s.doubted[id] = struct{}{}
		}
	}
}

// suspect reconciles the filters of what was given by id once more.
func (c *Conn) suspect(b *batchRun) {
	s := b.sample
	if len(s.given) == 0 || c.neg.off != "" {
		return
	}
	s.hidden = map[event.ID]bool{}
	set, named := filters.Compile(s.filters), map[int]bool{}
	for _, e := range s.given {
		s.hidden[e.ID] = true
		for _, i := range set.Match(e, nil) {
			named[i] = true
		}
	}
	for _, i := range slices.Sorted(maps.Keys(named)) {
		reconciled, _ := c.reconciliations(b, s.filters[i:i+1], []int{i})
		for _, g := range reconciled {
			g.neg.suspect = true
			b.add(g)
		}
		c.load(reconciled)
	}
	s.given = nil
}

// shownOnPage takes an event of a page. One that was hidden proves that reconciliations show less than pages do.
func (c *Conn) shownOnPage(p *page, f Frame, id event.ID) {
	if s := p.group.batch.sample; s != nil && s.hidden[id] && c.neg.off == "" {
		c.log.Debug("withheld", zap.Stringer("id", id))
		c.abstain(fallbackWithheld, "withheld: it has events that it never lists", f.At)
	}
}
