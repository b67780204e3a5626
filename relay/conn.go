package relay

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// ConnOptions configure a Conn. Zero values of numbers mean the defaults.
type ConnOptions struct {
	ID       ConnID
	URL      relayurl.URL
	Trust    Trust
	Dialer   *Dialer
	Sink     Sink
	Reports  chan<- Report  // taken from promptly until Down
	Commands <-chan Command // read once the connection is up

	Learned         Learned       // of earlier connections
	Limits          Limits        // assumed of a relay that states nothing; zero fields: AssumedLimits
	MarkEvery       time.Duration // between live marks, 30 s
	Grace           time.Duration // for events of a subscription that was closed, 30 s
	RatePause       time.Duration // of historic work after a rate signal, 65 s
	REQsPerMinute   int           // 1200; halved on every rate signal down to 6
	Unpaced         bool          // the pace holds from the first rate signal on: for the own relay, which is the operator's
	LivePerSecond   int           // live events of a Stranger that are taken, 200; 10 at once
	FramesPerSecond int           // of his frames that belong to no page, live events too, each 4 KiB counting as one, 500; as many at once
	Login           *Login        // answers challenges, nil: they are not answered
	Negentropy      bool          // history is reconciled where the relay speaks NIP-77
	Known           KnownIDs      // our side of it; nil: everything is paged
	NegIDs          int           // that one lists before they are fetched, 250,000; it goes on in halves then
	NegBytes        int           // of one message of a reconciliation that is taken, 4 MiB
	Events          event.Limits
	Metrics         *Metrics    // nil: discarded
	Log             *zap.Logger // nil: discarded
}

func (o ConnOptions) withDefaults() ConnOptions {
	assumed := AssumedLimits()
	def(&o.Limits.Subscriptions, assumed.Subscriptions)
	def(&o.Limits.FiltersPerREQ, assumed.FiltersPerREQ)
	def(&o.Limits.MessageBytes, assumed.MessageBytes)
	def(&o.Limits.PageLimit, assumed.PageLimit)
	def(&o.Limits.FrameWait, assumed.FrameWait)
	def(&o.Limits.IdleWait, assumed.IdleWait)
	def(&o.Limits.REQWait, assumed.REQWait)
	def(&o.MarkEvery, 30*time.Second)
	def(&o.Grace, 30*time.Second)
	def(&o.RatePause, 65*time.Second)
	def(&o.REQsPerMinute, 1200)
	def(&o.LivePerSecond, 200)
	def(&o.FramesPerSecond, 500)
	def(&o.NegBytes, 4<<20)
	def(&o.NegIDs, 250_000)
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

// Conn is one connection to one relay, from the dial to the end. Run's goroutine owns everything in it.
type Conn struct {
	o      ConnOptions
	log    *zap.Logger
	limits Limits
	sock   *Socket
	ctx    context.Context // of helpers, which end with the loop

	live    liveTable
	history history
	neg     negotiation
	left    map[string]leftover // subscriptions that were closed a short while ago

	login     loginState
	loginBy   time.Time // nothing is asked before, unless the login comes sooner
	bucket    bucket
	pause     time.Time // no historic REQ before
	frameFlow flow      // of frames that belong to no page
	eventFlow flow      // of live events
	hold      time.Time // nothing is read before: the relay floods
	intake    intake

	metrics   connMetrics
	hits      []int                // scratch of matching
	seen      uint64               // the last frame that was handled
	seenAt    time.Time            // its moment
	wake      time.Time            // when the timer has to fire
	unreadAt  time.Time            // since when deadlines wait for frames that have not been read, zero when they do not
	markAt    time.Time            // of the next live mark
	marked    bool                 // a live mark was put
	sweepAt   time.Time            // of left, zero when it is empty
	lastEOSE  string               // the subscription of the last frame, if that was an EOSE
	broken    int                  // frames in a row that could not be read
	offended  map[string]time.Time // last report, by kind
	blamed    map[string]time.Time // last event that was looked at for whose fault it is, likewise
	limitedAt time.Time            // of the last rate signal that was reported
	shrunk    *Evidence            // evidence to be reported at its time
}

// NewConn makes a connection that Run will open.
func NewConn(o ConnOptions) *Conn {
	o = o.withDefaults()
	return &Conn{
		o:        o,
		log:      o.Log.With(zap.String("relay", string(o.URL)), zap.Uint64("conn", uint64(o.ID))),
		limits:   o.Limits,
		live:     liveTable{subs: map[string]*liveSub{}},
		history:  newHistory(),
		neg:      newNegotiation(),
		left:     map[string]leftover{},
		login:    loginState{login: o.Login},
		offended: map[string]time.Time{},
		blamed:   map[string]time.Time{},
		intake:   intake{room: make(chan struct{}, 1)},
	}
}

// Run opens the connection and serves it until it ends or ctx does. The last report is Down, also when the dial fails. It
// returns when all of its goroutines have, with the failure.
func (c *Conn) Run(ctx context.Context) error {
	doc, failure := c.connect(ctx)
	if failure != nil {
		if failure.Cause != health.CauseLocal {
			c.o.Metrics.attempt(c.o.URL, false)
		}
		c.log.Debug("dial failed", zap.Error(failure))
		c.report(Down{ID: c.o.ID, At: time.Now(), Failure: failure})
		return failure
	}
	c.o.Metrics.attempt(c.o.URL, true)
	c.metrics = c.o.Metrics.open(c.o.URL)
	now := time.Now()
	stated := doc.Limits(c.o.Limits)
	c.limits = c.o.Learned.Apply(stated, now)
	c.learnedMode()
	c.bucket = newBucket(c.o.REQsPerMinute, c.limits.REQsPerMinute, now)
	c.bucket.free = c.o.Unpaced
	c.frameFlow, c.eventFlow = newFlow(c.o.FramesPerSecond, c.o.FramesPerSecond, now), newFlow(c.o.LivePerSecond, liveBurst, now)
	c.seenAt, c.markAt = now, now.Add(c.o.MarkEvery)
	c.log.Debug("connected", zap.Int("subscriptions", c.limits.Subscriptions), zap.Int("page", c.limits.PageLimit))
	c.report(Up{ID: c.o.ID, At: now, Limits: stated, Login: doc.AuthRequired, Name: doc.Name})

	inner, cancel := context.WithCancel(ctx)
	c.ctx = inner
	hangup := c.loop(ctx)
	cancel()
	c.end(hangup, context.Cause(ctx))
	c.neg.helpers.Wait()
	failure = c.sock.Failure()
	c.log.Debug("connection ended", zap.Error(failure))
	c.report(Down{ID: c.o.ID, At: time.Now(), Failure: failure})
	return failure
}

// connect dials, and asks for the document at the same time: the limits it states hold from the first REQ on.
func (c *Conn) connect(ctx context.Context) (Document, *health.Failure) {
	docCtx, cancel := context.WithCancel(ctx)
	docs := make(chan Document, 1)
	go func() {
		doc, failure := c.o.Dialer.Document(docCtx, c.o.URL, c.o.Trust)
		if failure != nil {
			c.log.Debug("no document", zap.Error(failure))
		}
		docs <- doc
	}()
	sock, failure := c.o.Dialer.Dial(ctx, c.o.URL, c.o.Trust)
	if failure != nil {
		cancel()
	}
	doc := <-docs
	cancel()
	c.sock = sock
	return doc, failure
}

// report waits for the engine's goroutine, which waits for nobody.
func (c *Conn) report(r Report) { c.o.Reports <- r }

// end closes what is open: the live mark behind the events, a failed final mark for every batch with what it has reached,
// then the last word to the sink.
func (c *Conn) end(hangup bool, because error) {
	if hangup {
		c.mark() // before the close: frames that come during it are dropped
		var failure *health.Failure
		if errors.As(because, &failure) {
			c.sock.abort(failure.Cause, failure.Err)
		}
		c.sock.Close()
	} else {
		<-c.sock.Done()
		c.mark()
	}
	c.failCommands()
	why := "connection lost"
	if f := c.sock.Failure(); f != nil {
		why += ": " + f.Cause.String()
	}
	c.endBatches(why)
	if c.shrunk != nil {
		c.report(*c.shrunk) // the next connection would open as many again
	}
	c.o.Sink.Gone(c.o.ID)
}

// failCommands ends the batches that were asked and not begun.
func (c *Conn) failCommands() {
	for {
		select {
		case cmd := <-c.o.Commands:
			if a, ok := cmd.(AskBatch); ok {
				c.ask(a.Batch, c.seenAt)
			}
		default:
			return
		}
	}
}
