package relay

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Sink takes what a Conn receives. All methods are called from that Conn's loop goroutine, in wire
// order, and may wait for the sink's own loop but for nothing else.
type Sink interface {
	// Reserve asks for room for n events. Exactly one value is sent on grant, when there is room; a connection has at
	// most one request outstanding and gives grant a buffer of one. n is at most MaxReserve.
	Reserve(id ConnID, n int, grant chan<- struct{})
	// Release gives back reserved room that no event used.
	Release(id ConnID, n int)
	// Room asks, while pages bring much, or late, whether the events that wait are fewer than may be, and take less memory than they may.
	// Exactly one value is sent on room when that is so; a connection asks once at a time and gives room a buffer of one.
	Room(id ConnID, room chan<- struct{})
	// Deliver hands over one event. A historic event uses up one reserved place.
	Deliver(Delivery)
	// Mark follows the events of a page, a batch, or a stretch of live time.
	Mark(Mark)
	// Await asks which ids, listed by a reconciliation, are to be fetched for a batch: those that nobody has. For the outcome of the
	// others that are in the works the batch's mark waits. Exactly one value is sent on lack; a connection asks once at a time
	// and gives lack a buffer of one.
	Await(id ConnID, batch BatchID, ids []event.ID, lack chan<- []event.ID)
	// Gone says that nothing more comes from this connection; open reservations are returned by it.
	Gone(ConnID)
}

// MaxReserve is the largest credit one request may ask for (events).
const MaxReserve = pageEvents + pageExtra

// Delivery is one event from a relay: shape, id and filter match checked, signature not.
type Delivery struct {
	Conn   ConnID
	Source relayurl.URL
	Batch  BatchID // 0 for live
	Mode   Mode
	Event  *event.Event
	At     time.Time // arrival
	Wide   bool      // live, and only a wide filter asked for it: dropped unverified when it is foreign
	Wanted bool      // of a batch that is Wanted
}

// Mark counts down: it is settled when every event delivered before it under the same batch (or, with Batch 0, live on the
// same connection) has its outcome (DESIGN §3, device 1).
type Mark struct {
	Conn    ConnID
	Batch   BatchID // 0: a live mark
	Final   bool
	Filters []FilterEnd
	Err     string
	Stamp   time.Time // live marks: moment of the last frame or pong

	// Absent is said by the final mark of a batch that is compared: ids of our side, sorted, that the relay did not list, did not show
	// on any page, and did not give when asked for them by id. A batch that fails names none. When 900 ids in a row are not given the
	// others are taken to be absent too. At most 1,000,000 are named; the next comparison finds the others.
	Absent []event.ID
}
