// Package event holds a signed Nostr event as the daemon handles it: ids and keys as 32-byte
// arrays, coordinates as comparable values, and the checks that need no knowledge of anything else
// (shape, size, id; NIP-01).
//
// Owner: nobody; values are immutable once parsed and may be shared between goroutines.
//
// Invariants: an *Event from Parse has a well-formed shape and the id that its content hashes to.
// Its signature has not been checked: Verify does that, and only relays and the publisher call it. An event from Wrap has
// only its shape checked: it is for what we made ourselves or stored after checking.
package event
