// Package sync decides what we want and what we have. The Engine is a value without I/O, locks or
// goroutines: facts, reports and the time go in, effects come out. Run is its one goroutine and the
// only place where it meets channels and timers.
//
// Owner: the goroutine of Run owns both maps (repos and relays) and everything that hangs off them.
// Others see Snapshot values and the store.
//
// Invariants:
//   - wanted - pending - confirmed is what is asked next; nothing else decides what is asked.
//   - Only settled work is confirmed or moves a cursor.
//   - While a pass with since is open, the cursor of its relay stands still.
//   - A phase changes in one function, along one table of legal edges.
package sync
