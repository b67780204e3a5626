package event

import "github.com/nbd-wtf/go-nostr"

// Event is one parsed event. ID and PubKey shadow the hex strings of the embedded wire form.
type Event struct {
	ID     ID
	PubKey PubKey
	Size   int // bytes of the JSON as it arrived
	*nostr.Event
}

// Bytes in memory of a tag, and of an element of one, beside its text.
const (
	tagBytes     = 72
	elementBytes = 24
)

// Weight is about how many bytes of memory the event takes: what is sent can be made of elements without text.
func (e *Event) Weight() int64 {
	n := e.Size + len(e.Tags)*tagBytes
	for _, tag := range e.Tags {
		n += len(tag) * elementBytes
	}
	return int64(n)
}

// D is the value of the first `d` tag, empty when there is none.
func (e *Event) D() string { return e.Tags.GetD() }

// Coordinate is the address of an addressable or replaceable event.
func (e *Event) Coordinate() Ref {
	d := ""
	if IsAddressable(e.Kind) {
		d = e.D()
	}
	return Ref{Kind: e.Kind, PubKey: e.PubKey, D: d}
}

// Supersedes reports whether a replaceable event e takes the place of one with the given time and
// id: newer wins, on a tie the lower id (NIP-01).
func (e *Event) Supersedes(createdAt int64, id ID) bool {
	if c := int64(e.CreatedAt); c != createdAt {
		return c > createdAt
	}
	return string(e.ID[:]) < string(id[:])
}
