// Package badline is a TCP line with faults, for tests and measurements: a proxy on loopback that delays, throttles, holds,
// repeats, tears, cuts, resets and half-opens what it carries.
//
//	client ──► Line ──► target      what the client says: units of what one read brought
//	client ◄── Line ◄── target      with Options.Frames: the handshake's answer, then one websocket frame each
//
// Weather lasts and holds for connections old and new; Cut, Reset, Tear, Garble, Swallow and HangUp befall those that are open.
//
// Owners: every connection has one goroutine that reads and one that writes for each way, and a queue between the two. The
// line's mutex guards its weather, its listener and the set of open connections.
//
// Invariants: without faults every byte arrives, in order; a queue that is full stops the reading, so memory is bounded; Close ends
// every goroutine.
package badline
