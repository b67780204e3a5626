// Package relay is the wire: the only package that opens sockets to relays.
//
// A Conn serves one remote relay (or, for selfsub, the own relay read-only): it keeps the live
// subscriptions open, pages historic batches within the relay's budgets and hands every event to its
// Sink, followed by marks. A Publisher is the one writer to the own relay: it owns the scope index and what is
// in flight, counts marks down, and reports a batch settled when every event before its mark has an
// outcome. A Fleet starts and stops connections for the engine.
//
// Owners: the loop goroutine of a Conn owns its subscription table and page state; the loop goroutine of the
// Publisher owns scope index, queue and in-flight table. Readers of sockets never wait for either for long: a page is
// started only with credit for its size (DESIGN §3).
//
// Blocking order (acyclic): socket reader -> Conn loop -> Publisher loop -> engine reports. The
// engine waits for nobody; commands to a Conn are bounded by what the engine leaves unanswered.
package relay
