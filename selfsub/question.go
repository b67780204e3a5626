package selfsub

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// question is the engine's Ask: what the own relay holds of some repos. First comes what tags the coordinates, with the
// announcements and states under them, then what tags the roots, those that were known and those that came.
type question struct {
	open  bool
	refs  []event.Ref // nil: they are done
	roots []event.ID
	at    int               // roots that are done
	known map[event.ID]bool // those in roots
	ours  relay.KnownIDs    // what need not be shown
	batch relay.BatchID     // of the step that is being read, 0: none
	step  int               // roots that it asks about
	tries int               // that failed
	gone  []event.ID        // what the own relay had and has no longer
	rest  rest
	again <-chan time.Time // the next one
	held  []*event.Event   // shown and not handed on
}

const (
	surveyTries = 3 // of one question; of the next one only one, until one is answered in full
	surveyRoots = 1000
	mostRoots   = 100_000 // of one question
	mostHeld    = 500

	// mostUnwritten events of a survey may wait for the database before pages have to wait.
	mostUnwritten = 20_000
)

// Ask reads what the own relay holds of the repos with these coordinates and roots, and of roots that it shows, as far as the ledger does
// not have it as stored (where the own relay speaks NIP-77; else all of it); the batch that answers says Answered. At most one Ask may be unanswered.
func (s *Subscriber) Ask(refs []event.Ref, roots []event.ID) {
	q := question{open: true, refs: refs, known: make(map[event.ID]bool, len(roots))}
	for _, id := range roots {
		q.add(id)
	}
	q.ours = s.toldOf(maps.Clone(q.known))
	s.asks <- q
}

// toldOf is what the ledger has as stored, but for roots that the engine does not know: of those it has to hear.
func (s *Subscriber) toldOf(roots map[event.ID]bool) relay.KnownIDs {
	return func(ctx context.Context, f nostr.Filter, yield func(createdAt int64, id event.ID)) error {
		return s.opt.Stored(ctx, f, func(createdAt int64, kind int, id event.ID) {
			if !event.IsRoot(kind) || roots[id] {
				yield(createdAt, id)
			}
		})
	}
}

func (q *question) add(id event.ID) {
	if !q.known[id] && len(q.roots) < mostRoots {
		q.known[id] = true
		q.roots = append(q.roots, id)
	}
}

// askQuestion asks the next step, or answers. It waits for the picture, because a relay that is back is read from the start.
func (s *Subscriber) askQuestion() {
	q := &s.question
	if !q.open || q.batch != 0 || q.rest.reading || s.picture.stage != complete {
		return
	}
	ours := q.ours
	var fs []nostr.Filter
	switch {
	case len(q.refs) > 0:
		fs = aboutRepos(q.refs)
	case q.at < len(q.roots):
		q.step = min(len(q.roots)-q.at, surveyRoots)
		fs = slices.Concat(filters.AboutRoots(q.roots[q.at:q.at+q.step], filters.DefaultValues)...)
	case !q.rest.read && (s.robbed || len(q.gone) > 0):
		s.robbed = true
		s.readRest()
		return
	case len(q.rest.ids) > 0:
		fs, ours = filters.IDs(q.rest.next(), restIDs), s.stored
	default:
		s.doubted, s.robbed = false, q.rest.failed
		s.answer()
		return
	}
	s.batch++
	q.batch = s.batch
	s.wire.Send(s.conn, relay.AskBatch{Batch: relay.Batch{ID: s.batch, Filters: fs, Ours: ours, Compare: true}})
}

// aboutRepos asks for what tags coordinates, and for the announcements and states of their authors.
func aboutRepos(refs []event.Ref) []nostr.Filter {
	var keys []event.PubKey
	var names []string
	seenKey, seenName := map[event.PubKey]bool{}, map[string]bool{}
	for _, ref := range refs {
		if !seenKey[ref.PubKey] {
			seenKey[ref.PubKey] = true
			keys = append(keys, ref.PubKey)
		}
		if !seenName[ref.D] {
			seenName[ref.D] = true
			names = append(names, ref.D)
		}
	}
	addressed := filters.AnnouncementsBy(keys, names, filters.DefaultValues)
	for i := range addressed {
		addressed[i].Kinds = []int{event.KindAnnouncement, event.KindState}
	}
	return append(slices.Concat(filters.AboutRepos(refs, filters.DefaultValues)...), addressed...)
}

// shown takes an event of the question's batch.
func (s *Subscriber) shown(ev *event.Event) {
	q := &s.question
	if event.IsRoot(ev.Kind) {
		q.add(ev.ID)
		s.fact(ev)
	}
	s.unwritten.Add(1)
	if q.held = append(q.held, ev); len(q.held) >= mostHeld {
		s.handOn(false)
	}
}

// handOn gives what was shown to the publisher, and reports whether it took it.
func (s *Subscriber) handOn(over bool) (relay.Seq, bool) {
	held := s.question.held
	s.question.held = nil
	return s.opt.Held(held, over)
}

// stepEnded goes on behind the end of the question's batch.
func (s *Subscriber) stepEnded(m relay.Mark, ok bool) {
	q := &s.question
	if !ok {
		s.stepFailed(m.Err)
		return
	}
	switch {
	case q.rest.read:
		q.rest.done(m.Absent)
	case len(q.refs) > 0:
		q.gone = append(q.gone, m.Absent...)
		q.refs = nil
	default:
		q.gone = append(q.gone, m.Absent...)
		q.at += q.step
	}
	q.batch, q.tries = 0, 0
	s.askQuestion()
}

// stepFailed tries the step again after a while, a few times: a survey only saves work, and those who wait for it must not do so for
// ever.
func (s *Subscriber) stepFailed(why string) {
	q := &s.question
	q.batch = 0
	q.tries++
	if q.tries >= surveyTries || s.doubted {
		s.opt.Log.Warn("own relay does not show what it holds; some of it may be fetched again", zap.String("why", why), zap.Int("tries", q.tries))
		s.doubted = true
		s.answer()
		return
	}
	q.again = time.After(retryPicture)
}

// answer ends the question. What is gone is told behind what was shown: a newer version may have taken its place. Without a publisher the
// daemon is about to end.
func (s *Subscriber) answer() {
	if seq, ok := s.handOn(true); ok {
		s.facts.Answered, s.facts.Rests = true, seq
		s.facts.LostElsewhere = s.lost(s.question.rest.gone)
		s.facts.Lost = s.lost(s.question.gone)
		s.question = question{}
		s.flush()
	}
}

// whenWritten grants a page once the database has what the pages before it brought.
func (s *Subscriber) whenWritten(ctx context.Context, grant chan<- struct{}) {
	if err := s.opt.Flush(ctx); err != nil && ctx.Err() == nil {
		s.opt.Log.Warn("what the own relay holds is not written", zap.Error(err))
	}
	grant <- struct{}{}
}
