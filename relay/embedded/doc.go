// Package embedded is an own relay for those who have none (DESIGN §9). It is reached by websocket like any other own
// relay, and nothing else in the daemon knows what it is made of.
//
//	server.Server ──► keeper (one goroutine) ──► store (SQLite)
//	      └──────────────── queries ──────────────────┘
//
// The keeper owns the scope index and everything that is written. It takes what waits, up to a bound, into one
// transaction, judges each event against what is stored by then, commits, and only then answers: an OK means on disk,
// and one fsync serves many events. Queries read beside it from their own snapshots.
//
// Invariants:
//   - An announcement or a state is stored only if nip34.Index says that it is in scope: the publisher's rule.
//   - Anything else is stored only if it names a coordinate in scope or a stored event, or a stored event names it.
//   - Of what is replaceable the newest is stored, on a tie the one with the lower id (NIP-01).
//   - What its author has deleted, or wanted to vanish from here, is not stored again (NIP-09, NIP-62).
//   - A data directory belongs to one process.
package embedded
