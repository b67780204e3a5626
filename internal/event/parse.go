package event

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/nbd-wtf/go-nostr"
)

// Reasons of a ParseError. There are only these, so they can be metric labels.
const (
	ReasonSize  = "size"  // longer than Limits.Bytes
	ReasonJSON  = "json"  // not one JSON object in UTF-8, or a value of the wrong type in it
	ReasonShape = "shape" // a field is missing, doubled or out of range (NIP-01)
	ReasonTags  = "tags"  // over Limits.Tags, Limits.TagBytes or Limits.Elements
	ReasonID    = "id"    // the id is not the hash of the content
)

// ParseError is the only error of Parse and Wrap.
type ParseError struct {
	Reason string // one of the Reason constants
	Err    error
}

func (e *ParseError) Error() string { return "event " + e.Reason + ": " + e.Err.Error() }

func (e *ParseError) Unwrap() error { return e.Err }

// maxCreatedAt is the last second of the year 9999. Later values are no dates, and overflow what computes with them.
const maxCreatedAt = 253402300799

var errHash = errors.New("id is not the hash of the event")

// Parse reads one event from a relay. Shape, limits and id are checked, the signature is not. The result keeps no part
// of raw. The error is a *ParseError.
func Parse(raw []byte, lim Limits) (*Event, error) {
	lim = lim.orDefault()
	if len(raw) > lim.Bytes {
		return nil, &ParseError{ReasonSize, fmt.Errorf("%d bytes, at most %d", len(raw), lim.Bytes)}
	}
	// The id is a hash over bytes: text that is not UTF-8 would be repaired, differently, by everyone who reads it.
	if !utf8.Valid(raw) {
		return nil, &ParseError{ReasonJSON, errors.New("not UTF-8")}
	}
	n := new(nostr.Event)
	if err := decode(raw, lim, n); err != nil {
		return nil, err
	}
	if n.Sig == "" {
		return nil, shapeError("sig is empty")
	}
	e, err := check(n)
	if err != nil {
		return nil, err
	}
	if !n.CheckID() {
		return nil, &ParseError{ReasonID, errHash}
	}
	e.Size = len(raw)
	return e, nil
}

// Wrap makes an Event of one that was built or stored by ourselves. It decodes the ids and checks the shape, but neither
// limits, nor hash, nor signature; the signature may be empty. Size is that of the JSON it marshals to. The error is
// a *ParseError.
func Wrap(n nostr.Event) (*Event, error) {
	if n.Tags == nil {
		n.Tags = nostr.Tags{}
	}
	e, err := check(&n)
	if err != nil {
		return nil, err
	}
	raw, err := n.MarshalJSON()
	if err != nil {
		return nil, &ParseError{ReasonJSON, err}
	}
	e.Size = len(raw)
	return e, nil
}

// Glance reads of an event that Parse refuses what shows its place in a history: id, date, kind and tags. A date that is none counts as the
// nearest that is one, so that what is asked below it lies below it. Nothing is checked; nil when it cannot be read at all.
func Glance(raw []byte) *Event {
	n := new(nostr.Event)
	if n.UnmarshalJSON(raw) != nil {
		return nil
	}
	id, err := ParseID(n.ID)
	if err != nil {
		return nil
	}
	pk, _ := ParsePubKey(n.PubKey)
	n.CreatedAt = min(max(n.CreatedAt, 0), maxCreatedAt)
	return &Event{ID: id, PubKey: pk, Size: len(raw), Event: n}
}

// Verify checks the BIP-340 signature over the hash of the content. It costs about 0.15 ms.
func (e *Event) Verify() bool {
	ok, err := e.CheckSignature()
	return ok && err == nil
}

func check(n *nostr.Event) (*Event, error) {
	e := &Event{Event: n}
	if err := decodeHex(e.ID[:], n.ID); err != nil {
		return nil, shapeError("id: %w", err)
	}
	if err := decodeHex(e.PubKey[:], n.PubKey); err != nil {
		return nil, shapeError("pubkey: %w", err)
	}
	if n.Sig != "" {
		var sig [64]byte
		if err := decodeHex(sig[:], n.Sig); err != nil {
			return nil, shapeError("sig: %w", err)
		}
	}
	if n.Kind < 0 || n.Kind > maxKind {
		return nil, shapeError("kind %d, want 0 to %d", n.Kind, maxKind)
	}
	if n.CreatedAt < 0 || n.CreatedAt > maxCreatedAt {
		return nil, shapeError("created_at %d, want 0 to %d", n.CreatedAt, int64(maxCreatedAt))
	}
	return e, nil
}

func shapeError(format string, args ...any) error {
	return &ParseError{ReasonShape, fmt.Errorf(format, args...)}
}
