// Command bench measures the daemon on loopback and prints a table of figures beside what docs/reference/performance.md asks.
//
//	go run ./bench [flags] [scenario...]
//
//	source ──► ngit-sync, a child process ──► sink
//	  ▲                │ /metrics, /api/v1/relays, /proc/<pid>
//	  └──── bench ◄────┴───────────────────────┘
//
// The source is a remote relay that answers from memory with messages encoded before the run; the sink is an own relay that
// believes every signature and answers at once. Both write many frames with one system call, so that what is measured is
// the daemon in between. The scenario `pages` puts a proxy between source and daemon that lets every byte take its time. The one
// filter of `reconcile`, and `ledger`, are measured in this process, on the daemon's database, publisher and connection.
//
// The source's side of NIP-77 is the Nostr library's: what is measured must not answer itself.
//
// Owners: a client's reader and writer goroutine belong to its peer; a store is shared behind its lock. Scenarios run one
// after the other, and everything that a scenario starts has ended when it returns.
//
// Invariants: a figure is only printed when every event that was expected has arrived; nothing outside loopback is
// listened on or dialled.
package main
