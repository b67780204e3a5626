// Package server is the outside of a relay: it speaks NIP-01, NIP-11, NIP-42, NIP-70 and NIP-77 over websockets in
// front of a Backend that stores and judges. The embedded relay and the relays of the demo are made of it.
//
//	client.read ──► orders ──► client.submit ──► Backend.Publish ──► answer
//	     │                                                             │
//	     ├──► query goroutines ──► Backend.Query ──► bulk ─┐           ├──► prompt ─┐
//	     └──► hub (who listens to what) ◄──────────────────┼───────────┘            │
//	               └──────────── live events ──► prompt ───┴────────────► client.write
//
// Owners: the hub's goroutine owns the live subscriptions of all clients; a client's reader owns its subscription ids,
// its reconciliations and who it has proven to be; the writer is the only one that writes.
//
// Invariants:
//   - The hub and the backend never wait for a client: who does not read what was sent to him loses the connection.
//   - A subscription is registered before its stored events are read, so nothing falls between the two.
//   - Events of one client reach the backend in the order in which they came.
//   - Everything that a client sends is bounded: messages, filters, values, subscriptions, reconciliations.
//   - Close answers every event that was taken before it hangs up.
package server
