package relay

import (
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
)

// ConnID is the generation of a connection: every dial gets a new one, and what an older one reports
// is dropped at the door (DESIGN §3, device 3).
type ConnID uint64

// BatchID names a historic batch; unique within one run of the daemon.
type BatchID uint64

// Command is what the engine tells a connection. Commands are delivered in order and never block
// the engine.
type Command interface{ command() }

// SetLive changes the wanted live set: Open lists subscriptions that are new or whose filters changed, Close lists
// ids that are no longer wanted. A REQ on an open id replaces it (NIP-01), so changing needs no CLOSE.
type SetLive struct {
	Open  []Sub
	Close []string
}

// Sub is one live REQ: a stable id of at most 32 ASCII characters and filters that carry limit 0.
type Sub = filters.Sub

// AskBatch starts a historic batch. Batches of one connection run in the order given, within its subscription
// budget, and each ends with a final mark, whatever happens.
type AskBatch struct{ Batch Batch }

// Batch is a set of filters asked historically at one relay (DESIGN §2).
type Batch struct {
	ID         BatchID
	Filters    []nostr.Filter // no limit; since or until only where the flow says so
	Mode       Mode           // how its events are counted in metrics
	Background bool           // of the daily pass or the rotation: a tenth of the request budget (DESIGN §5, manners)
	Wanted     bool           // its events are asked for by id, as ancestors: they are in scope whatever they tag
	Sample     bool           // what we know and a reconciliation does not list is sampled, by id
	Ours       KnownIDs       // our side of its reconciliations; nil: that of the connection
	Compare    bool           // its final mark names the ids of our side that the relay does not have (Mark.Absent)
}

// Mode says what brought an event, for metrics and for publishing order.
type Mode uint8

// Modes of an event's arrival.
const (
	Historic Mode = iota
	Live
	Negentropy
)

// String is the value of the metric label.
func (m Mode) String() string { return [...]string{"historic", "live", "negentropy"}[m] }

// CancelBatch ends a batch early; its final mark says failed.
type CancelBatch struct{ ID BatchID }

// SetLimits replaces the limits of an open connection: what was learned has expired.
type SetLimits struct{ Limits Limits }

func (SetLimits) command()   {}
func (SetLive) command()     {}
func (AskBatch) command()    {}
func (CancelBatch) command() {}

// Limits is what a relay lets one connection do: stated by NIP-11, learned, or assumed (DESIGN §5).
type Limits struct {
	Subscriptions int // concurrent, historic ones included
	FiltersPerREQ int
	MessageBytes  int  // of one outgoing message; at most 90 % of it is used
	PageLimit     int  // explicit limit of one page of one filter
	REQsPerMinute int  // the pace to start with; 0: the configured one
	StateKinds    bool // filters without kinds are refused: state them (filters.WithKinds)
	NoNegentropy  bool // it does not speak NIP-77: everything is paged
	FrameWait     time.Duration
	IdleWait      time.Duration
	REQWait       time.Duration
}

// AssumedLimits holds for a relay that states nothing (DESIGN §4, §5).
func AssumedLimits() Limits {
	return Limits{
		Subscriptions: 8, FiltersPerREQ: 10, MessageBytes: 60_000, PageLimit: 500,
		FrameWait: 15 * time.Second, IdleWait: 30 * time.Second, REQWait: 10 * time.Minute,
	}
}
