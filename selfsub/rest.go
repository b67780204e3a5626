package selfsub

import (
	"context"
	"slices"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// rest is what the ledger has as stored beyond what a survey looks at: reactions to comments, deletions and ancestors tag neither a
// repo nor a root. It is asked for by id once a survey has found a loss, before anybody hears of that.
type rest struct {
	reading bool
	read    bool
	failed  bool
	ids     []event.ID // still to be asked for
	gone    []event.ID
}

const (
	restIDs  = 300 // of one filter
	restStep = 10 * restIDs
	mostRest = 1_000_000
)

// next are the ids of the next step.
func (r *rest) next() []event.ID { return r.ids[:min(len(r.ids), restStep)] }

// done ends a step.
func (r *rest) done(absent []event.ID) {
	r.gone = append(r.gone, absent...)
	r.ids = r.ids[len(r.next()):]
}

// readRest has a helper list what the ledger has as stored; restRead takes it.
func (s *Subscriber) readRest() {
	s.question.rest.reading = true
	gone := make(map[event.ID]bool, len(s.question.gone))
	for _, id := range s.question.gone {
		gone[id] = true
	}
	s.helpers.Go(func() {
		ids := []event.ID{}
		err := s.opt.Stored(s.ctx, nostr.Filter{}, func(_ int64, _ int, id event.ID) {
			if !gone[id] && len(ids) < mostRest {
				ids = append(ids, id)
			}
		})
		if err != nil {
			ids = nil
			if s.ctx.Err() == nil {
				s.opt.Log.Warn("what else the own relay may have lost cannot be read", zap.Error(err))
			}
		}
		s.rests <- ids
	})
}

// restRead goes on with what is to be asked for by id, nil when it could not be read.
func (s *Subscriber) restRead(ids []event.ID) {
	s.question.rest = rest{read: true, failed: ids == nil, ids: ids}
	s.askQuestion()
}

// stored is what the ledger has as stored.
func (s *Subscriber) stored(ctx context.Context, f nostr.Filter, yield func(createdAt int64, id event.ID)) error {
	return s.opt.Stored(ctx, f, func(createdAt int64, _ int, id event.ID) { yield(createdAt, id) })
}

// lost tells the publisher what is gone, each id once, and gives how much of it is news.
func (s *Subscriber) lost(ids []event.ID) int {
	if len(ids) == 0 {
		return 0
	}
	slices.SortFunc(ids, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	return s.opt.Lost(slices.Compact(ids))
}
