// Package diff compares a remote relay with the own relay: which events of our repositories the one has and the other lacks.
//
// Both are asked the same questions, those of layers 1 to 3 (DESIGN §5), a hundred coordinates or a thousand roots at a time: the own relay
// first, page by page, then the remote one, by negentropy where it speaks it. What it has beyond is looked at as the publisher would:
// signature, scope, newest version only, nothing that its author has deleted. In the end the own relay is asked for what seems to be missing by
// id, so that a relay that does not index everything is not said to lack what it has.
//
// Owner: the goroutine of Compare owns the comparison; the two connections talk to it through channels.
//
// Invariants: nothing is published and nothing is stored; what is remembered of a remote relay is bounded; a comparison that is not whole
// says so, and ends in time all the same.
package diff
