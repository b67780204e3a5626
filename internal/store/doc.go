// Package store keeps what must survive a restart: both maps of the engine, the ledger of every event id that we know, and
// the events that wait. One type, Store, serves three interfaces (relay.Ledger, sync.Store and sync.Ledger) over SQLite or Postgres.
//
//	Record Park Unpark Forget Apply Recover      never block
//	        │
//	        ▼
//	      queue      one FIFO, bounded; the only lock here, held for moments
//	        │ groups: at most 500 rows, or what came in 50 ms
//	        ▼
//	      writer     one goroutine; owns the write connection and the loss book-keeping
//	        │ read, fold, write: one transaction per group
//	        ▼
//	      backend    SQLite file, or Postgres connection that also holds the daemon's lock
//
// Lookups (WaitingEvents, IrrelevantAddressed, Explain, Known, Recall, Load*) use connections of their own and fold what is
// queued over what they read; Known, Recall and Load* of the ledger wait until it is written.
//
// Owners: the writer goroutine owns the write connection, the plan of the group in hand and the set of tainted relays.
// The queue is the one place where goroutines meet, hence its mutex.
//
// # Order and loss
//
// Everything goes through one FIFO and a transaction is a stretch of it, so a row that was given later is never in the
// database without those given before. A confirm is therefore never there without the rows that it rests on, as long as
// those were taken. When the queue is full they are not: ledger and pending rows are dropped, and from then on rows that
// confirm something (SaveCoverage, SaveBatch, DropBatch, and the confirming half of SaveRelay) are refused when they rest on
// a dropped row, or when an earlier confirm of the same relay was refused, because coverage is written whole and carries the
// earlier one along. Lost tells the owner of the confirms; he unconfirms, and says so with Recover.
//
// Durability: SQLite runs with synchronous NORMAL. A power cut can lose the last transactions, never one from the middle: rows and the
// confirms that rest on them go together, and what is lost is found again at the relays. A Postgres server can crash while the daemon
// goes on, and would later be told of confirms that rest on what it lost; so it commits as it is set up to, on disk by default,
// and synchronous_commit off is not for it.
//
// # One daemon per database
//
// SQLite: a lock file beside the database, held as long as the process lives. Postgres: an advisory lock on the connection
// that writes, so that whoever writes holds it; a connection pooler that shares sessions breaks this. When that connection
// is lost the lock is taken again before the first write; when another daemon has it by then, or the schema is not the one
// that we left, the store stops for good (Done, Err).
package store
