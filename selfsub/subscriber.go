package selfsub

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Options say what to listen to and whom to tell.
type Options struct {
	URL     relayurl.URL
	Window  time.Duration        // from the first fact of a batch to its handing on
	Every   time.Duration        // between two pictures while the connection stands; 0: only a new connection brings one
	Observe func(relay.Observed) // the publisher's scope; called before the engine hears of the same facts
	Facts   chan<- Facts         // the engine, which always takes promptly

	// Held gives the publisher events that a survey has shown, over with the last of an Ask. It returns the number of the last ledger
	// row, once theirs are queued, or false when the publisher has ended.
	Held func(events []*event.Event, over bool) (relay.Seq, bool)
	// Lost tells the publisher of events that the own relay had and has no longer, and gives how many of them that is news of.
	Lost func(ids []event.ID) int
	// Stored calls yield for what matches a filter and is on the own relay, as far as the ledger knows. It is called from a helper goroutine.
	Stored func(ctx context.Context, f nostr.Filter, yield func(createdAt int64, kind int, id event.ID)) error
	Flush  func(context.Context) error // waits until what the ledger was given is written

	Log *zap.Logger
}

// Wire opens connections for the subscriber; a *relay.Fleet is one. Its methods never block.
type Wire interface {
	Dial(id relay.ConnID, u relayurl.URL, trust relay.Trust, learned relay.Learned)
	Send(id relay.ConnID, c relay.Command)
	Hangup(id relay.ConnID)
}

// Subscriber reads the own relay. It is the Sink of its own connection.
type Subscriber struct {
	opt     Options
	inbox   chan message
	reports chan relay.Report
	asks    chan question
	rests   chan []event.ID // that a helper has read

	unwritten atomic.Int64 // events of a survey since pages waited for the database

	// owned by Run
	ctx      context.Context //nolint:containedctx // of Run, for its helpers
	helpers  sync.WaitGroup
	wire     Wire
	conn     relay.ConnID
	open     bool // dialled, and Down has not been said
	up       bool
	failures int
	learned  relay.Learned
	batch    relay.BatchID // last one used
	picture  picture
	question question
	doubted  bool // the last question was given up
	robbed   bool // a loss was found, and what else may be gone was not looked for to the end
	facts    Facts
	seen     relay.Observed // with facts, for the publisher alone
	window   <-chan time.Time
	redial   <-chan time.Time
}

// picture is the reading of the whole: announcements and deletions first, because a root is of use only to a repo that is known.
type picture struct {
	number uint64
	stage  stage
	batch  relay.BatchID
	again  <-chan time.Time
	steady bool             // the connection has stood since the last complete one
	next   <-chan time.Time // the next one of this connection
}

type stage uint8

const (
	idle stage = iota
	announcements
	roots
	complete
)

type message struct {
	grant    chan<- struct{} // of a page that waits for the database
	delivery *relay.Delivery
	mark     *relay.Mark
}

const (
	retryPicture = 15 * time.Second
	baseRedial   = time.Second
	maxRedial    = 30 * time.Second
	liveSub      = "self"
	pagedFor     = 24 * time.Hour // an own relay that refuses NIP-77
)

// New makes a subscriber. Its Reports are those of the wire given to Run.
func New(opt Options) *Subscriber {
	return &Subscriber{
		opt: opt, inbox: make(chan message, 256), reports: make(chan relay.Report, 16), asks: make(chan question, 1), rests: make(chan []event.ID, 1),
	}
}

// Reports is where the wire of this subscriber reports.
func (s *Subscriber) Reports() chan<- relay.Report { return s.reports }

// Run reads the own relay until ctx ends, dialling it again for ever.
func (s *Subscriber) Run(ctx context.Context, wire Wire) {
	defer s.helpers.Wait()
	s.ctx, s.wire = ctx, wire
	s.dial()
	for {
		select {
		case <-ctx.Done():
			wire.Hangup(s.conn)
			s.sweep()
			return
		case m := <-s.inbox:
			if m.grant != nil {
				s.helpers.Go(func() { s.whenWritten(ctx, m.grant) })
				continue
			}
			s.handle(m)
		case r := <-s.reports:
			s.report(r)
		case s.question = <-s.asks:
			s.askQuestion()
		case ids := <-s.rests:
			s.restRead(ids)
		case <-s.question.again:
			s.askQuestion()
		case <-s.window:
			s.flush()
		case <-s.redial:
			s.redial = nil
			s.dial()
		case <-s.picture.again:
			s.picture.again = nil
			s.askPicture()
		case <-s.picture.next:
			s.picture.next = nil
			s.beginPicture()
		}
	}
}

// sweep takes what the connection still says, so that it can end.
func (s *Subscriber) sweep() {
	for s.open {
		select {
		case <-s.inbox:
		case r := <-s.reports:
			if _, ok := r.(relay.Down); ok && r.Conn() == s.conn {
				s.open = false
			}
		}
	}
}

func (s *Subscriber) dial() {
	s.conn++
	s.open = true
	s.wire.Dial(s.conn, s.opt.URL, relay.Operator, s.learned)
}

func (s *Subscriber) report(r relay.Report) {
	if r.Conn() != s.conn {
		return
	}
	switch r := r.(type) {
	case relay.Up:
		s.opt.Log.Info("own relay is read", zap.String("relay", string(s.opt.URL)))
		s.up, s.failures = true, 0
		s.wire.Send(s.conn, relay.SetLive{Open: []relay.Sub{{ID: liveSub, Filters: liveFilters()}}})
		s.beginPicture()
	case relay.Down:
		wait := min(baseRedial<<min(s.failures, 5), maxRedial)
		s.opt.Log.Warn("own relay cannot be read", zap.String("relay", string(s.opt.URL)),
			zap.Error(r.Failure), zap.Duration("again_in", wait))
		s.failures++
		s.up, s.open = false, false
		s.picture = picture{number: s.picture.number}
		s.redial = time.After(wait)
		if s.question.batch != 0 {
			s.stepFailed("connection lost")
		}
		s.flush()
	case relay.Evidence:
		if r.NoNegentropy != "" { // not to be waited for again on every connection
			s.learned.NoNegentropy = r.At.Add(pagedFor)
		}
	case relay.Closed:
		// without its live subscription the picture ages: begin again on a new connection
		s.opt.Log.Warn("own relay closed the subscription", zap.String("reason", r.Reason))
		s.wire.Hangup(s.conn)
	}
}

func liveFilters() []nostr.Filter {
	var out []nostr.Filter
	// Requests to vanish are not in the picture: a plain relay has the whole world's, and each costs a look at the whole ledger.
	for _, f := range slices.Concat(pictureFilters(announcements), pictureFilters(roots), []nostr.Filter{{Kinds: []int{event.KindVanish}}}) {
		out = append(out, filters.AsLive(f))
	}
	return out
}

func pictureFilters(st stage) []nostr.Filter {
	if st == announcements {
		return []nostr.Filter{filters.Announcements(), filters.Deletions()}
	}
	return []nostr.Filter{{Kinds: event.RootKinds[:]}}
}

// beginPicture reads the whole anew. An open survey waits for it between two of its steps.
func (s *Subscriber) beginPicture() {
	s.picture.number++
	s.picture.stage = announcements
	s.askPicture()
}

func (s *Subscriber) askPicture() {
	s.batch++
	s.picture.batch = s.batch
	s.wire.Send(s.conn, relay.AskBatch{Batch: relay.Batch{ID: s.batch, Filters: historic(pictureFilters(s.picture.stage))}})
}

func historic(fs []nostr.Filter) []nostr.Filter {
	out := make([]nostr.Filter, 0, len(fs))
	for _, f := range fs {
		f.LimitZero, f.Limit = false, 0
		out = append(out, f)
	}
	return out
}

func (s *Subscriber) handle(m message) {
	switch {
	case m.delivery != nil:
		switch d := m.delivery; {
		case d.Conn != s.conn:
		case d.Batch != 0 && d.Batch == s.question.batch:
			s.shown(d.Event)
		default:
			s.fact(d.Event)
		}
	case m.mark != nil && m.mark.Final && m.mark.Conn == s.conn && s.up:
		s.ended(*m.mark)
	}
}

func (s *Subscriber) ended(m relay.Mark) {
	ok := true
	for _, f := range m.Filters {
		ok = ok && f.Done && !f.Failed
	}
	switch m.Batch {
	case s.picture.batch:
		s.picture.batch = 0
		switch {
		case !ok:
			s.opt.Log.Warn("own relay did not answer in full", zap.String("why", m.Err), zap.Duration("again_in", retryPicture))
			s.picture.again = time.After(retryPicture)
			if s.question.open { // it waits for the picture
				s.stepFailed(m.Err)
			}
		case s.picture.stage == announcements:
			s.picture.stage = roots
			s.askPicture()
		default:
			s.picture.stage = complete
			s.facts.Loaded, s.facts.Steady = true, s.picture.steady
			s.picture.steady = true
			if s.opt.Every > 0 {
				s.picture.next = time.After(s.opt.Every)
			}
			s.flush()
			s.askQuestion() // from before
		}
	case s.question.batch:
		s.stepEnded(m, ok)
	}
}

// fact adds one event to the open batch and starts its window.
func (s *Subscriber) fact(ev *event.Event) {
	switch {
	case ev.Kind == event.KindAnnouncement:
		a, err := nip34.ParseAnnouncement(ev)
		if err != nil {
			s.opt.Log.Debug("own relay holds a malformed announcement", zap.Stringer("id", ev.ID), zap.Error(err))
			return
		}
		s.facts.Announcements = append(s.facts.Announcements, a)
	case ev.Kind == event.KindDeletion, ev.Kind == event.KindVanish:
		s.seen.Deletions = append(s.seen.Deletions, ev)
	case event.IsRoot(ev.Kind):
		s.seen.Stored = append(s.seen.Stored, bare(ev))
		s.facts.Roots = append(s.facts.Roots, Root{ID: ev.ID, CreatedAt: int64(ev.CreatedAt), Refs: ev.References()})
	default:
		return
	}
	if s.window == nil {
		s.window = time.After(s.opt.Window)
	}
}

// flush hands the batch on: to the publisher first, so that what the engine asks for is in scope when it comes.
func (s *Subscriber) flush() {
	s.window = nil
	f, seen := s.facts, s.seen
	s.facts, s.seen = Facts{}, relay.Observed{}
	f.At, f.Up, f.Picture = time.Now(), s.up, s.picture.number
	seen.Announcements, seen.Loaded = f.Announcements, f.Loaded
	s.opt.Observe(seen)
	s.opt.Facts <- f
}

// bare is an event without what nobody looks at: a picture shows many at once.
func bare(ev *event.Event) *event.Event {
	wire, out := *ev.Event, *ev
	wire.Content, out.Event = "", &wire
	return &out
}
