// Package filters decides what to ask. It is pure: no I/O, no clock, no goroutines.
//
// It turns wanted things (repo refs, root ids, identifiers) into NIP-01 filters of bounded size (layers.go, wide.go),
// packs filters into REQs within a relay's limits (Pack), keeps the live subscriptions of one relay within a budget
// (LiveSet), matches events against the filters that asked for them (Set), and drives paging: which filters the next page
// asks, and when each one has ended (Pager; DESIGN §5).
//
// Owner: whoever made the value. A Set is immutable; a LiveSet belongs to the engine, a Pager to the loop of its connection.
//
// Invariants: no filter that is asked ever has an empty list; a live filter carries limit 0 and no since; a
// filter of a page carries an explicit limit. Filters are values whose lists are shared: nobody writes to the lists of
// a filter that was given or received.
package filters
