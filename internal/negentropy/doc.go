// Package negentropy reconciles sets of event ids by the Negentropy protocol, version 1 (the messages of NIP-77,
// before they are written in hex).
//
// Owner: a Set is immutable and may be shared; an Initiator belongs to whoever runs the reconciliation. Nothing
// here has a goroutine, a channel, a clock or a socket.
//
// A message is a row of ranges over (created_at, id). For each the sender gives a fingerprint (the sum of its ids
// and their number, hashed), or a list of ids, or nothing ("skip"). The answering side compares and says more about
// what differs; it keeps nothing between messages. So the asking side may choose what to ask next, and does:
//
//   - What differs is kept as a list of work, lowest first, and each message takes from it what its frame holds. The
//     plain algorithm asks for the whole rest of the set again when a frame is full, and descends to it once more.
//   - An answer that was cut short, by the peer's own frame limit, leaves the unanswered questions on that list.
//   - It never sends its ids: a list without ids is answered with the peer's ids of the range, whatever we have. The
//     comparison is made here, so all that our ids would do is fill frames.
//
// Invariants: everything from the peer is checked before memory is spent on it, and answers may lie only where
// something was asked. Lengths of messages are in bytes, of which the wire shows each as two hex digits. A message
// that is sent never exceeds Limits.Frame. Rounds, bytes and ids that a peer can cost are bounded by Limits. Work
// that waits is bounded by a constant: beyond it, neighbours are asked about as one.
package negentropy
