// Package relaytest is an in-memory relay for tests, as httptest is a server for them. It speaks real websocket over
// net.Pipe (DialContext) or, as an http.Handler, over TCP, and works inside a testing/synctest bubble.
//
// By default it is honest: NIP-01 with stored events, limits per filter, EOSE, live events, CLOSE and OK, and a NIP-11
// document. Options switch on what real and hostile relays do (RELAYS §6, §7), one switch each, also while it runs
// (Relay.Set). It records what it was asked.
//
// Owner: a Relay may be used from any goroutine; a mutex guards its state. Close waits for all of its goroutines.
package relaytest
