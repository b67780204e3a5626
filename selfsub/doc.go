// Package selfsub listens to the own relay and tells what it says: announcements, root events and
// deletions, in batches (DESIGN §7).
//
// Owner: the goroutine of Subscriber.Run owns the open batch and the state of the picture. Facts go to the
// publisher first, so that its scope index knows a repo before the engine asks for it.
//
// The live subscription is opened before the picture is paged, so there is no gap between the two. The picture
// is the whole of what the own relay holds of the kinds below; it is read at the start and after every
// reconnect, because what was published meanwhile is old by its dates and a since would miss it.
//
// A survey (Ask) reads what the own relay holds of some repos. Its events go to the publisher, not into Facts, but for the
// roots that it shows.
//
// Invariants: Loaded is said only after every page of a picture has been read; a batch is handed on
// exactly one window after its first fact.
package selfsub
