package relay

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/negentropy"
)

// Bounds of one reconciliation.
const (
	negFrame  = 60_000 // bytes of one message of ours, two hex digits each
	maxDepth  = 20     // splits of a split
	maxSplits = 256    // of one batch
	maxAgain  = 3      // sessions that end early, or are to come later
	maxBehind = 20_000 // ids still to be fetched when the next session begins

	// sayAgain is when a message is sent once more that was of no session that the relay knows: khatru answers NEG-OPEN before it keeps
	// the session, and we are quick.
	sayAgain = 50 * time.Millisecond
)

// negStage says where a reconciliation stands.
type negStage uint8

const (
	negLoading  negStage = iota // our side is read
	negReady                    // it waits for its session
	negTalking                  // it is the one of the session
	negFetching                 // what is missing is fetched
	negChecking                 // whether the relay has listed all
	negDone
)

// reconciliation is one filter, or a slice of its time, that is reconciled in place of being paged. Its group has no pages but
// those that fetch by ids.
type reconciliation struct {
	stage  negStage
	set    *negentropy.Set // our side, nil before it is read and after the session
	count  int             // of our side
	oldest int64           // of our side
	depth  int             // of splits
	again  int             // sessions that came to nothing

	listed int        // by the relay: what we had too, and needs
	needs  []event.ID // listed and not in our side, sorted
	common int64      // created_at of the oldest listed event whose time is known, valid when dated
	dated  bool
	more   bool // has listed as much as we take at a time, or would
	capped bool // an event was found that was not listed
	checks int  // questions of the check that were answered
	deeper bool // the answer to the last one does not show whether there is more below it
	astray bool // that answer held what the question excludes

	paged  bool // only its ids are still to be noted
	noted  bool // its ids are among the unseen of its batch, as far as they were not listed
	verify bool // it asks for the unseen or the doubted, by id

	suspect bool // it is reconciled once more: what it listed before was less than the relay has

	fetch
}

// session is the one reconciliation that is on the wire.
type session struct {
	group    *group
	sub      string
	talk     *negentropy.Initiator
	needs    []event.ID
	haves    []event.ID // ours that were not listed: all when the batch is compared, some when it samples
	sent     time.Time  // of our last message
	from     time.Time  // the answer is due from then on
	progress time.Time  // when ids were listed last
	heard    bool       // it was answered once
	first    []byte     // our message behind the first answer, nil when it was answered or sent twice
	againAt  time.Time  // when it is sent once more, zero: it is not
}

func (s *session) deadline(l Limits) time.Time {
	return earliest(s.from.Add(l.FrameWait), s.progress.Add(l.REQWait))
}

// reconcile begins the next session if it may, and reports whether it did.
func (c *Conn) reconcile(now time.Time) bool {
	n := &c.neg
	if n.session != nil || n.off != "" {
		return false
	}
	at, background := c.background(now)
	g, passed := c.nextSession(background)
	if g == nil {
		if passed && at.After(now) {
			c.wakeBy(at)
		}
		return false
	}
	if c.live.opening() || c.doubtful() {
		return false
	}
	if c.states(g.asked[0]) {
		c.restate(g)
		return true
	}
	if now.Before(c.pause) {
		c.wakeBy(c.pause)
		return false
	}
	if at, ok := c.bucket.ready(now); !ok {
		c.wakeBy(at)
		return false
	}
	if g.neg.set == nil {
		if !n.loading { // one at a time: it may be large
			g.neg.stage = negLoading
			c.load([]*group{g})
		}
		return false
	}
	c.openSession(g, now)
	return true
}

// doubtful reports whether a refusal of a filter without kinds is looked into: the same filter is paged, which shows whether the relay
// wants kinds. If it does, nothing was said about NIP-77.
func (c *Conn) doubtful() bool {
	n := &c.neg
	g := n.doubt
	switch {
	case g == nil:
		return false
	case !g.batch.ended && (g.batch.trial != nil || (!g.answered && !g.over)):
		return true
	}
	n.doubt = nil
	if c.limits.StateKinds {
		n.refused = 0
	}
	return false
}

// nextSession is the first group that waits for one, unless much is still to be fetched.
func (c *Conn) nextSession(background bool) (g *group, passed bool) {
	behind := 0
	for _, b := range c.history.batches {
		for _, x := range b.groups {
			switch {
			case x.neg == nil || x.over:
			case x.neg.stage == negFetching:
				behind += len(x.neg.todo)
			case x.neg.stage != negReady || g != nil:
			case background || !b.background:
				g = x
			default:
				passed = true
			}
		}
	}
	if behind > maxBehind {
		return nil, false
	}
	return g, passed
}

func (c *Conn) openSession(g *group, now time.Time) {
	n, r := &c.neg, g.neg
	frame := max(negentropy.MinFrame, min(negFrame, (filters.Usable(c.limits.MessageBytes)-200)/2))
	limits := negentropy.DefaultLimits()
	limits.Frame, limits.Needs = frame, c.o.NegIDs
	n.number++
	s := &session{
		group: g, sub: fmt.Sprintf("n%d-%d", g.batch.id, n.number), talk: negentropy.New(r.set, limits),
		sent: now, from: now, progress: now,
	}
	switch b := g.batch; {
	case b.unseen != nil:
		s.talk.OnHave(func(_ int64, id event.ID) { s.haves = append(s.haves, id) })
	case r.suspect:
		s.talk.OnHave(func(_ int64, id event.ID) {
			if b.sample.hidden[id] {
				s.haves = append(s.haves, id)
			}
		})
	case b.sample != nil:
		s.talk.OnHave(s.sampler(r.count))
	}
	msg, err := encodeNegOpen(s.sub, g.asked[0], s.talk.Start())
	if err != nil { // no filter of ours is without an encoding
		c.log.Error("filter cannot be encoded", zap.Error(err))
		c.fallBack(g, fallbackStore)
		return
	}
	r.stage, n.session = negTalking, s
	c.bucket.take(g.batch.background)
	c.o.Metrics.round()
	c.send(msg)
	c.wakeBy(s.deadline(c.limits))
}

// negMsg takes an answer of the relay.
func (c *Conn) negMsg(f Frame) {
	n, s := &c.neg, c.neg.session
	if s == nil || s.sub != f.Sub {
		return // of a session that has ended
	}
	first := !s.heard
	s.heard, s.first, s.againAt = true, nil, time.Time{}
	raw := make([]byte, hex.DecodedLen(len(f.Body)))
	if _, err := hex.Decode(raw, f.Body); err != nil || len(f.Body) > c.o.NegBytes {
		c.garbled(errors.Join(err, negentropy.ErrMalformed), f.At)
		return
	}
	reply, done, err := s.talk.Next(raw)
	if needed := s.talk.Needed(); len(needed) > 0 {
		s.needs = append(s.needs, needed...)
		s.progress = f.At
	}
	var version negentropy.ErrVersion
	switch {
	case errors.As(err, &version):
		c.o.Metrics.fellBack(fallbackVersion)
		c.abstain(fallbackVersion, fmt.Sprintf("speaks version %d of the negentropy protocol", version.Got&0x0f), f.At)
		return
	case errors.Is(err, negentropy.ErrNeeds), errors.Is(err, negentropy.ErrRounds), errors.Is(err, negentropy.ErrBytes):
		c.reconciled(s, false, f.At)
		return
	case err != nil:
		c.garbled(err, f.At)
		return
	}
	n.refused = 0
	if first {
		c.history.refused.take(s.group.asked)
	}
	if !n.answered {
		n.answered = true
		c.report(Evidence{ID: c.o.ID, At: f.At, Negentropy: true})
	}
	if !done {
		s.sent, s.from = f.At, f.At
		c.bucket.take(s.group.batch.background)
		c.o.Metrics.round()
		msg := encodeNegMsg(s.sub, reply)
		if first {
			s.first = msg
		}
		c.send(msg)
		c.wakeBy(s.deadline(c.limits))
		return
	}
	c.reconciled(s, true, f.At)
}

// reconciled ends a session that has said all, or as much as we take at a time. In that case the rest is reconciled in two halves
// when this much has been fetched: a relay that lists without end has to give what it lists.
func (c *Conn) reconciled(s *session, whole bool, now time.Time) {
	r, stats := s.group.neg, s.talk.Stats()
	c.neg.finished, c.neg.silent = true, 0
	r.common, r.dated = s.talk.Oldest()
	slices.SortFunc(s.needs, compareID)
	r.needs = slices.Compact(s.needs)
	r.listed = max(0, r.count-stats.Haves) + len(r.needs)
	r.todo, r.more = r.needs, !whole
	hidden := false
	switch b := s.group.batch; {
	case !whole:
	case r.suspect:
		hidden = len(s.haves) > 0
	case b.sample != nil:
		b.sample.note(s.haves)
	default:
		r.noted = true
		for _, id := range s.haves {
			b.unseen.add(id)
		}
	}
	c.log.Debug("reconciled", zap.String("sub", s.sub), zap.Int("rounds", stats.Rounds), zap.Int("needs", len(r.needs)))
	c.endSession(now)
	if hidden {
		c.fallBack(s.group, fallbackWithheld)
		return
	}
	r.stage = negFetching
	c.advance(s.group, now)
}

// endSession takes the session off the wire. Its group is as if it had waited all along.
func (c *Conn) endSession(time.Time) {
	s := c.neg.session
	if s == nil {
		return
	}
	c.neg.session = nil
	c.send(encodeNegClose(s.sub))
	s.group.neg.stage, s.group.neg.set = negReady, nil
}

// expireSession ends a session that is not answered. A relay that has finished others is paged after the second one only.
func (c *Conn) expireSession(now time.Time) {
	s := c.neg.session
	if s == nil {
		return
	}
	if !s.againAt.IsZero() && !now.Before(s.againAt) {
		c.send(s.first)
		s.first, s.againAt = nil, time.Time{}
	} else if !s.againAt.IsZero() {
		c.wakeBy(s.againAt)
	}
	if at := s.deadline(c.limits); now.Before(at) {
		c.wakeBy(at)
		return
	}
	why := fmt.Sprintf("no answer to NEG-OPEN in %s", c.limits.FrameWait)
	switch {
	case now.Sub(s.progress) >= c.limits.REQWait:
		why = fmt.Sprintf("a reconciliation without an end in %s", c.limits.REQWait)
	case s.heard:
		why = fmt.Sprintf("silent for %s in the middle of a reconciliation", c.limits.FrameWait)
	}
	if n := &c.neg; n.finished && n.silent == 0 {
		n.silent++ // this one may be too much for it
		c.endSession(now)
		c.fallBack(s.group, fallbackSilence)
		return
	}
	c.o.Metrics.fellBack(fallbackSilence)
	c.abstain(fallbackSilence, why, now)
}

func compareID(a, b event.ID) int { return slices.Compare(a[:], b[:]) }
