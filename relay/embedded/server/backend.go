package server

import (
	"context"
	"errors"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Backend stores events and decides which ones it takes. All methods may be called from any goroutine.
type Backend interface {
	// Find gives the ids of stored events that match f, newest first, on a tie the lowest id first, at most limit of them;
	// f.Limit is ignored.
	Find(ctx context.Context, f nostr.Filter, limit int) ([]event.ID, error)
	// Fetch calls yield with the JSON of stored events, in the order of ids. What is gone by now is left out.
	Fetch(ctx context.Context, ids []event.ID, yield func(raw []byte)) error
	// Items calls yield with every stored event that matches f, in any order. More than limit: ErrTooMany, before the
	// first call.
	Items(ctx context.Context, f nostr.Filter, limit int, yield func(createdAt int64, id event.ID)) error
	// Publish takes an event whose id and signature were checked and calls answer exactly once, from any goroutine. It may
	// wait for room, but never for a client; answer does not block.
	Publish(e *event.Event, answer func(Answer))
}

// ErrTooMany says that a filter matches more events than may be reconciled at once.
var ErrTooMany = errors.New("too many events")

// Answer is what became of an event: the last two fields of its OK, and whether it goes to those who listen.
type Answer struct {
	OK        bool
	Message   string // with a NIP-01 prefix, or empty
	Broadcast bool
}

// Info is what the relay says of itself (NIP-11).
type Info struct {
	Name        string
	Description string
	Contact     string
	Software    string
	Version     string
	NIPs        []int // beyond those that this package serves itself
	Restricted  bool  // the backend refuses events by what they are about
}

// ephemeral kinds are passed on and not stored (NIP-01).
func ephemeral(kind int) bool { return kind >= 20000 && kind < 30000 }
