package relay

import (
	"runtime"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// PublisherOptions configure a Publisher. Zero values of numbers mean the defaults; Own, Dialer, Ledger and Reports have
// none.
type PublisherOptions struct {
	Own     relayurl.URL // the own relay, dialled as the operator's word
	Dialer  *Dialer
	Ledger  Ledger
	Reports chan<- Report // taken from promptly by the engine
	Rules   nip34.Rules
	Login   *Login            // answers the own relay's challenges, nil: they are not answered
	Metrics *PublisherMetrics // nil: discarded
	Relays  *Metrics          // where the offences of relays are counted, nil: discarded
	Log     *zap.Logger       // nil: discarded

	Window          int           // events without an answer, 64
	WindowBytes     int           // their size, 4 MiB; one event alone may be larger
	EventsPerSecond float64       // 0: as fast as the own relay takes them
	AnswerWait      time.Duration // for an OK, 60 s
	Drain           time.Duration // for the OKs that are due when Run is to end, 10 s

	QueueEvents int   // historic events without an outcome, those that come late aside, 8192; at least 2*MaxReserve
	ConnEvents  int   // the same of one connection, and half of what it has asked for, before it gets no more credit, 1536
	QueueBytes  int64 // events without an outcome; no more are asked for beyond, 64 MiB
	LiveEvents  int   // live events without an outcome, 4096, of one connection at most half; more go to the pending table

	PendingEvents int           // rows of the pending table, 100,000
	PendingBytes  int64         // their size, 256 MiB
	PendingAge    time.Duration // after which a row is given up, 7 days
	FutureSkew    time.Duration // how far ahead of our clock an event is offered again, 15 min

	IrrelevantIDs       int           // remembered in all, 1,000,000
	IrrelevantPerSource int           // and per source relay, 50,000
	RefusedIDs          int           // rejected, over a limit of the own relay's or superseded, 500,000
	Tombstones          int           // remembered, 500,000
	Retention           time.Duration // of ids that were rejected or irrelevant, 90 days
	ForeignRepos        int           // announcements on the own relay that are out of scope, 20,000

	ForeignPerSecond int           // foreign events of one connection's wide filters before the engine hears of it, 5
	ForeignWindow    time.Duration // over which they are averaged, 10 min

	// PublishAtOnce publishes before the first picture of the own relay is complete. Without it events are queued until
	// Observed.Loaded: against an empty scope index nearly everything is irrelevant.
	PublishAtOnce bool

	Verifiers int // goroutines that check signatures, GOMAXPROCS
}

func (o PublisherOptions) withDefaults() PublisherOptions {
	def(&o.Window, 64)
	def(&o.WindowBytes, 4<<20)
	def(&o.AnswerWait, time.Minute)
	def(&o.Drain, 10*time.Second)
	def(&o.QueueEvents, 8192)
	def(&o.ConnEvents, 1536)
	def(&o.QueueBytes, 64<<20)
	def(&o.LiveEvents, 4096)
	def(&o.PendingEvents, 100_000)
	def(&o.PendingBytes, 256<<20)
	def(&o.PendingAge, 7*24*time.Hour)
	def(&o.FutureSkew, 15*time.Minute)
	def(&o.IrrelevantIDs, 1_000_000)
	def(&o.IrrelevantPerSource, 50_000)
	def(&o.RefusedIDs, 500_000)
	def(&o.Tombstones, 500_000)
	def(&o.Retention, 90*24*time.Hour)
	def(&o.ForeignRepos, 20_000)
	def(&o.ForeignPerSecond, 5)
	def(&o.ForeignWindow, 10*time.Minute)
	def(&o.Verifiers, runtime.GOMAXPROCS(0))
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Metrics == nil {
		o.Metrics = NewPublisherMetrics(nil)
	}
	if o.Relays == nil {
		o.Relays = NewMetrics(nil)
	}
	return o
}

// foreignBytes is how much of the announcements on the own relay that are out of scope is remembered.
const foreignBytes = 64 << 20

// maxFuture is how far ahead an event may be dated to be kept until its time (DESIGN §6, Pending).
const maxFuture = 7 * 24 * time.Hour

// Numbers of retries.
const (
	maxTries      = 5                // sendings of an event that is refused without a lasting reason
	retryBase     = time.Second      // before the second try, doubling
	retryMax      = time.Minute      // while the event stays in the queue
	parkedBase    = time.Minute      // before the first try of a parked event, doubling
	parkedMax     = time.Hour        //
	futureMin     = 5 * time.Minute  // when the own relay's clock must be behind ours
	haltBase      = time.Minute      // before the first probe of an own relay that wants a login, doubling
	haltMax       = time.Hour        //
	storeRetry    = 5 * time.Second  // after a failed read of the store
	storeWait     = 30 * time.Second // for one read of the store
	loadTries     = 13               // reads of the store at the start, storeRetry apart: a minute
	answerCeiling = 10 * time.Minute // for an OK while others come
	maxWoken      = 1024             // events from the pending table in the queue
	readChunk     = 256              // rows of one read of the pending table
)
