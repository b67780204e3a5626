package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/negentropy"
)

const (
	maxOurs    = 2_000_000 // items of our side; what has more is split
	keptOurs   = 100_000   // items that wait for their session; the sets beyond are read again then
	ledgerWait = 20 * time.Second
	blindWait  = 5 * time.Minute // before the ledger is asked again when it did not answer
)

var errOurs = errors.New("our side is too large")

// side is our side of one filter.
type side struct {
	group  *group
	set    *negentropy.Set // nil: it was not kept
	count  int
	oldest int64 // created_at
	err    error
}

// readSide asks the ledger. It stops at maxOurs.
func readSide(ctx context.Context, known KnownIDs, f nostr.Filter) (s side) {
	b := negentropy.NewBuilder()
	ctx, cancel := context.WithTimeout(ctx, ledgerWait)
	defer cancel()
	err := known(ctx, f, func(createdAt int64, id event.ID) {
		if b.Len() >= maxOurs {
			s.err = errOurs
			cancel()
			return
		}
		if s.count == 0 || createdAt < s.oldest {
			s.oldest = createdAt
		}
		s.count++
		b.Add(createdAt, id)
	})
	switch {
	case s.err != nil:
	case err != nil:
		s.err = fmt.Errorf("our side: %w", err)
	default:
		s.set = b.Seal()
	}
	return s
}

// load has a helper read our side of groups of one batch.
func (c *Conn) load(groups []*group) {
	if len(groups) > 0 {
		c.neg.loads = append(c.neg.loads, groups)
		c.loadNext()
	}
}

func (c *Conn) loadNext() {
	n := &c.neg
	if n.loading || len(n.loads) == 0 {
		return
	}
	n.loading = true
	groups := n.loads[0]
	n.loads = n.loads[1:]
	filters := make([]nostr.Filter, len(groups))
	for i, g := range groups {
		filters[i] = g.asked[0]
	}
	ctx, known, out := c.ctx, groups[0].batch.ours, n.sides
	n.helpers.Go(func() {
		sides := make([]side, len(groups))
		kept := 0
		var failed error // not to be waited for again
		for i, f := range filters {
			s := side{err: failed}
			if failed == nil {
				s = readSide(ctx, known, f)
			}
			if s.err != nil && !errors.Is(s.err, errOurs) {
				failed = s.err
			}
			s.group = groups[i]
			if kept > 0 && kept+s.count > keptOurs {
				s.set = nil
			} else {
				kept += s.count
			}
			sides[i] = s
		}
		select {
		case out <- sides:
		case <-ctx.Done():
		}
	})
}

// loaded takes our sides. Where we have nothing, paging is cheaper: those filters share REQs again.
func (c *Conn) loaded(sides []side, now time.Time) {
	c.neg.loading = false
	var page []*group
	for _, s := range sides {
		g := s.group
		r := g.neg
		if g.over || r == nil || r.stage != negLoading {
			continue // ended or paged meanwhile
		}
		r.count, r.oldest = s.count, s.oldest
		switch limit := c.neg.largest; {
		case errors.Is(s.err, errOurs) && r.paged:
			r.noted = true // too many to be remembered
			page = append(page, g)
		case errors.Is(s.err, errOurs):
			c.split(g, now)
		case s.err != nil:
			if now.After(c.neg.blind) {
				c.log.Warn("the ledger cannot be read, filters are paged", zap.Error(s.err))
			}
			c.neg.blind = now.Add(blindWait)
			r.noted = true // nothing is said about it
			c.o.Metrics.fellBack(fallbackStore)
			page = append(page, g)
		case s.count == 0:
			r.noted = true
			page = append(page, g)
		case g.batch.unseen != nil && (r.paged || !c.reconciles(g.batch, g.asked[0], now)):
			if r.paged = true; s.set == nil {
				c.load([]*group{g}) // alone it is kept
				continue
			}
			s.set.Each(func(_ int64, id event.ID) { g.batch.unseen.add(id) })
			r.noted = true
			page = append(page, g)
		case limit > 0 && int64(s.count) > limit:
			c.split(g, now)
		default:
			r.set, r.stage = s.set, negReady
		}
	}
	c.pageInstead(page)
	c.loadNext()
}

// split reconciles a filter that is too large in two halves of its time; what cannot be split further is paged.
func (c *Conn) split(g *group, now time.Time) {
	lower, upper, ok := halves(g.asked[0], g.neg.oldest, now.Unix())
	if !ok || c.neg.off != "" || g.neg.depth >= maxDepth || g.batch.splits >= maxSplits {
		c.fallBack(g, fallbackTooBig)
		return
	}
	g.batch.splits++
	parts := make([]*group, 2)
	for i, f := range []nostr.Filter{upper, lower} {
		parts[i] = c.newGroup(g.batch, []nostr.Filter{f}, g.index)
		parts[i].neg = &reconciliation{depth: g.neg.depth + 1, suspect: g.neg.suspect}
	}
	g.neg = nil
	g.batch.swap([]*group{g}, parts)
	c.load(parts)
}

// halves splits a filter in the middle between its earliest time and its latest: its own bounds, else our oldest event
// and now. The lower half reaches as far down as the filter does.
func halves(f nostr.Filter, oldest, now int64) (lower, upper nostr.Filter, ok bool) {
	from, to := oldest, now
	if f.Since != nil {
		from = max(from, int64(*f.Since))
	}
	if f.Until != nil {
		to = int64(*f.Until)
	}
	if from >= to {
		return f, f, false
	}
	end := nostr.Timestamp(from + (to-from)/2)
	begin := end + 1
	lower, upper = f, f
	lower.Until, upper.Since = &end, &begin
	return lower, upper, true
}
