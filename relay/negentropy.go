package relay

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// KnownIDs calls yield for every id that matches a filter and is on our side of a reconciliation: of a remote relay every id in the
// ledger, whatever became of it. It is called from a helper goroutine.
type KnownIDs func(ctx context.Context, f nostr.Filter, yield func(createdAt int64, id event.ID)) error

// Values of the label `reason` of ngit_sync_negentropy_fallback_total: why filters were paged.
const (
	fallbackError     = "error" // NEG-ERR
	fallbackNotice    = "notice"
	fallbackClosed    = "closed"
	fallbackSilence   = "silence"
	fallbackVersion   = "version"
	fallbackMalformed = "malformed"
	fallbackCapped    = "capped"
	fallbackTooBig    = "too_big"
	fallbackWithheld  = "withheld" // it gives by id what it does not list
	fallbackUnserved  = "unserved" // listed, and not given
	fallbackStore     = "store"    // our own side could not be read, or is too large
)

const (
	refusalsFirst = 3  // filters refused in a row, and none ever answered: it refuses all
	refusalsLater = 10 // the same when some were answered before
	malformedMost = 2  // answers that cannot be read before the relay is paged
	maxWhy        = 200
	// recentWindow is how far back a filter reaches that is paged in any case: 20 such filters share a REQ, and a reconciliation
	// is a round trip for each.
	recentWindow = 2 * time.Hour
)

// negotiation is what a connection has to do with NIP-77: one session at a time, and what it has shown of the relay.
type negotiation struct {
	off      string // why filters are paged; empty while they are reconciled
	untold   *Evidence
	finished bool   // a reconciliation has come to its end on this connection
	silent   int    // sessions in a row without an answer
	answered bool   // a NEG-MSG that made sense has come on this connection
	refused  int    // filters in a row
	doubt    *group // paged, to see whether it was refused for want of kinds
	garbled  int    // answers that could not be read
	largest  int64  // filters with more events are refused, as the relay said; 0: nothing was said

	session *session
	number  int // of the last session

	blind   time.Time // the ledger is not asked before
	loading bool      // a helper reads our side
	loads   [][]*group
	sides   chan []side
	helpers sync.WaitGroup

	awaiting *group // that Sink.Await was called for
	lack     chan []event.ID

	fetching fetchLimits
	proven   int             // ids that a reconciliation has listed without a cap
	checked  map[string]bool // shapes of which one was checked for a cap
}

func newNegotiation() negotiation {
	return negotiation{sides: make(chan []side, 1), lack: make(chan []event.ID, 1), checked: map[string]bool{}}
}

// reconciles reports whether a filter of a batch is reconciled.
func (c *Conn) reconciles(b *batchRun, f nostr.Filter, now time.Time) bool {
	switch {
	case c.neg.off != "" || b.ours == nil || now.Before(c.neg.blind) || b.wanted || f.IDs != nil || f.Search != "":
		return false
	case f.Since != nil && f.Since.Time().After(now.Add(-recentWindow)):
		return false
	}
	return true
}

// learnedMode takes what earlier connections have shown.
func (c *Conn) learnedMode() {
	switch {
	case !c.o.Negentropy:
		c.neg.off = "switched off"
	case c.limits.NoNegentropy:
		c.neg.off = "refused earlier"
	}
}

// onWire is how many subscriptions are taken up.
func (n *negotiation) onWire() int {
	if n.session != nil {
		return 1
	}
	return 0
}

// reconciliations are groups of one filter each that are to be reconciled, within what a message holds. Where kind 1 is asked for apart it
// is paged: it is rare, often refused, and many of its filters share a REQ.
func (c *Conn) reconciliations(b *batchRun, fs []nostr.Filter, index []int) (reconciled, paged []*group) {
	stated, notes := c.pieces(fs, index, 1, filters.Usable(c.limits.MessageBytes))
	if b.unseen == nil {
		paged = c.packed(b, notes)
	} else {
		stated = append(stated, notes...)
	}
	for _, p := range stated {
		g := c.newGroup(b, []nostr.Filter{p.filter}, []int{p.index})
		g.neg = &reconciliation{}
		reconciled = append(reconciled, g)
	}
	return reconciled, paged
}

// restate puts the kinds into a filter that was to be reconciled without: meanwhile the relay has shown that it wants them.
func (c *Conn) restate(g *group) {
	reconciled, paged := c.reconciliations(g.batch, g.asked, g.index)
	g.neg = nil
	g.batch.swap([]*group{g}, append(reconciled, paged...))
	c.load(reconciled)
}

// setMode takes what the engine has learned, or doubts again.
func (c *Conn) setMode(off bool, now time.Time) {
	n := &c.neg
	switch {
	case !c.o.Negentropy:
	case off && n.off == "":
		n.off = "refused earlier"
		c.pageAll(now)
	case !off && n.off != "" && n.untold == nil:
		n.off, n.refused, n.garbled, n.silent = "", 0, 0, 0
		n.answered, n.finished = false, false
	}
}

// abstain pages everything from here on, and tells the engine why; why is hostile text. A relay of which nothing at all is heard may
// be gone: it is told as soon as something is.
func (c *Conn) abstain(label, why string, now time.Time) {
	n := &c.neg
	if n.off != "" {
		return
	}
	n.off = clipTo(why, maxWhy)
	c.log.Info("relay is paged", zap.String("reason", label), zap.String("why", n.off))
	n.untold = &Evidence{ID: c.o.ID, At: now, Reason: n.off, NoNegentropy: n.off, Withholds: label == fallbackWithheld}
	if label != fallbackSilence {
		c.tellMode()
	}
	c.pageAll(now)
}

// tellMode reports the verdict that waits for a sign of life.
func (c *Conn) tellMode() {
	if v := c.neg.untold; v != nil {
		c.neg.untold = nil
		c.report(*v)
	}
}

// pageAll pages what waits to be reconciled, packed as if nothing had been tried.
func (c *Conn) pageAll(now time.Time) {
	c.endSession(now)
	c.neg.loads = nil
	for _, b := range c.history.batches {
		var waiting []*group
		for _, g := range b.groups {
			if g.neg != nil && g.neg.stage < negFetching && !g.over {
				waiting = append(waiting, g)
			}
		}
		c.pageInstead(waiting)
	}
}

// pageInstead puts groups that are paged in the place of some of one batch that were to be reconciled.
func (c *Conn) pageInstead(old []*group) (by []*group) {
	if len(old) == 0 {
		return nil
	}
	b := old[0].batch
	if old = c.withOurs(old); len(old) == 0 {
		return nil
	}
	var fs []nostr.Filter
	var index []int
	for _, g := range old {
		fs, index = append(fs, g.asked...), append(index, g.index...)
		g.neg = nil
	}
	by = c.groups(b, fs, index)
	b.swap(old, by)
	return by
}

// swap puts groups in the place of others.
func (b *batchRun) swap(old, by []*group) {
	gone := make(map[*group]bool, len(old))
	for _, g := range old {
		g.over, gone[g] = true, true
	}
	kept := b.groups[:0:0]
	for _, g := range b.groups {
		if !gone[g] {
			kept = append(kept, g)
		}
	}
	b.groups = slices.Concat(kept, by)
	b.open += len(by) - len(old)
}

// fallBack pages one filter.
func (c *Conn) fallBack(g *group, label string) []*group {
	c.o.Metrics.fellBack(label)
	return c.pageInstead([]*group{g})
}
