package sync

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/relay"
)

// A relay that holds the announcements of the whole world, of which next to none is ours, is asked for its history of them once a week only
// (DESIGN §11). What it announces newly is heard live, and after an absence asked with since, as everywhere.
const (
	sparseFrom  = 10_000 // announcements of one history, more than that
	sparseShare = 95     // percent of them that are out of scope, more than that
)

// yield counts the announcements of one history of them.
type yield struct{ announcements, outside int }

func (y yield) sparse() bool {
	return y.announcements > sparseFrom && y.outside*100 > y.announcements*sparseShare
}

// sparse reports a relay whose history of announcements is not worth asking for now.
func (r *remote) sparse(now time.Time) bool { return now.Before(r.learned.NoAnnouncements) }

// weigh counts what a batch brought, and judges when the history of announcements has been asked in full.
func (e *Engine) weigh(b *batch, s relay.Settled, now time.Time) {
	r := b.remote
	if !b.since.IsZero() || !slices.ContainsFunc(b.groups, func(g *group) bool { return g.kind == askAnnouncements }) {
		return
	}
	r.yield.announcements += s.Announcements
	r.yield.outside += s.Outside
	if !slices.ContainsFunc(b.groups, func(g *group) bool { return g.kind == askAnnouncements && g.complete(b.head) }) {
		return
	}
	if r.yield.sparse() {
		r.learned.NoAnnouncements, r.unsafe = now.Add(e.cfg.SampleEvery), true
		e.log.Info("relay's announcements are next to all out of scope; its history of them is asked for once a week",
			zap.String("relay", string(r.url)), zap.Int("announcements", r.yield.announcements), zap.Int("outside", r.yield.outside))
	}
	r.yield = yield{}
}

// richAgain takes the verdict back: what is known of the own relay, or of what the relay shows, does not hold any more.
func (r *remote) richAgain() {
	if !r.learned.NoAnnouncements.IsZero() {
		r.learned.NoAnnouncements, r.unsafe = time.Time{}, true
	}
}

// nextAnnounced asks a sparse relay, on a fresh start, for the announcements since it was heard last.
func (e *Engine) nextAnnounced(r *remote, now time.Time) *batch {
	if r.announcementsAsked || !r.sparse(now) || r.announcedSince.IsZero() {
		return nil
	}
	c := newChunker(e.cfg.BatchChunks, e.cfg.TagsPerFilter)
	c.add(askAnnouncements, nil, Span{})
	b := e.newBatch(r, c, nil)
	b.since = r.announcedSince
	return b
}
