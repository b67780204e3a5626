// Package filters decides what to ask. It is pure: no I/O, no clock, no goroutines.
//
// It turns wanted things (repo refs, root ids, identifiers) into NIP-01 filters of bounded size,
// packs filters into REQs within a relay's limits, matches events against the filters that asked for
// them, and drives paging: which filters the next page asks, and when each one has ended (DESIGN §5).
//
// Invariants: no filter ever has an empty list; a live filter carries limit 0 and no since; a
// filter of a page carries an explicit limit.
package filters
