package relaytest

import (
	"time"

	"github.com/nbd-wtf/go-nostr"
)

// Options script a relay. The zero value is an honest relay.
type Options struct {
	// What it holds and says of itself.
	Events         []nostr.Event
	Document       string        // NIP-11; empty: a short honest one
	DocumentStatus int           // of the answer that carries it, 200
	DocumentDelay  time.Duration // before it
	DocumentSilent bool          // the request is never answered

	// The handshake.
	HandshakeStatus int           // refuse with this HTTP status
	RetryAfter      string        // header of a refusal
	HandshakeDelay  time.Duration // before the answer

	// Limits it enforces. Zero: none, but for the first two.
	PageCap      int    // events per filter of one REQ, 500
	DefaultLimit int    // for a filter without limit, PageCap
	MaxSubs      int    // open subscriptions of one connection
	SubsNotice   bool   // over MaxSubs: stored events, EOSE and an anonymous NOTICE, as strfry does; else CLOSED
	SubsReason   string // of that CLOSED, "rate-limited: too many REQs"
	MaxFilters   int    // of one REQ: CLOSED beyond
	CloseReason  string
	RefuseREQ    func(sub string, filters []nostr.Filter) string // a non-empty reason is sent in CLOSED

	Negentropy Negentropy

	// Publishing and AUTH.
	Policy      func(e *nostr.Event) *Verdict // nil or a nil verdict: store what is new
	Verify      bool                          // refuse wrong ids and signatures
	Challenge   string                        // sent at the start
	AskedFirst  bool                          // the challenge is sent with each refusal instead, as khatru does
	RequireAuth bool                          // for REQ and EVENT
	AuthName    string                        // that the relay tag of a login must carry, empty: any

	// Misbehaviour.
	Delay        time.Duration // before each answer to a REQ
	Trickle      time.Duration // before each stored event
	NoEOSE       bool
	DoubleEOSE   bool
	EarlyEOSE    bool // EOSE first, the stored events behind it
	CloseAfter   int  // CLOSED with CloseReason after that many events of a REQ, no EOSE
	IgnoreUntil  bool
	BeforeUntil  bool // until is not included
	IgnoreLimit  bool
	Unindexed    string        // filters by this tag find nothing
	ZeroIsNone   bool          // a limit of 0 is taken for none
	OffFilter    []nostr.Event // sent with every answer
	KeepReplaced bool          // a REQ that was replaced goes on beside the new one, until CLOSE, as in khatru
	Endless      bool          // matching events are made up and sent for ever
	Silent       bool          // reads on, but answers nothing, pings neither
	NoPong       bool          // pings are not answered
	Deaf         bool          // stops reading: a half-open connection
	DropAfter    int           // the connection is cut after that many frames
	RateLimited  bool          // every REQ with stored events asked is answered by CLOSED rate-limited:
	Garbage      []string      // sent before each EOSE
	Hint         string        // third element of EOSE (NIP-67)
	Spoil        Spoil         // changes the answers that the above make
	Concurrent   bool          // every message has its own goroutine, as in khatru
}

// Answer is what one REQ with stored events asked gets.
type Answer struct {
	Events []nostr.Event
	Closed string // in place of EOSE
	Open   bool   // it has no end
	Hint   string // third element of EOSE
	Twice  bool   // EOSE is said again behind the late events
	Late   []nostr.Event
	After  time.Duration // they come so much later
}

// Spoil changes the answer to the nth REQ of all connections that asks for stored events, from 1 on.
type Spoil func(n int, filters []nostr.Filter, a Answer) Answer

// Verdict is the answer to one EVENT.
type Verdict struct {
	OK       bool
	Reason   string
	Hide     bool          // OK true, but not stored or served
	NoAnswer bool          // and not stored either
	Notice   string        // said instead of an OK; not stored either
	Short    bool          // OK of three elements
	Drop     bool          // the connection is cut instead
	After    time.Duration // the answer comes so much later, others overtake it
}

func (o Options) pageCap() int {
	if o.PageCap > 0 {
		return o.PageCap
	}
	return 500
}

// limit is how many events a filter gets at most.
func (o Options) limit(f nostr.Filter) int {
	n := o.pageCap()
	zero := f.LimitZero && !o.ZeroIsNone
	if o.DefaultLimit > 0 && f.Limit == 0 && !zero {
		n = min(n, o.DefaultLimit)
	}
	switch {
	case zero:
		return 0
	case o.IgnoreLimit:
		return 1 << 30
	case f.Limit > 0:
		return min(n, f.Limit)
	}
	return n
}
