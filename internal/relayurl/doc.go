// Package relayurl gives every relay one name: the canonical form of its websocket URL (DESIGN §7).
// Two spellings of one relay must never become two peers.
//
// Owner: nobody; pure functions over immutable values.
//
// Invariants:
//   - Canonical(Canonical(x)) == Canonical(x).
//   - A URL is printable ASCII of at most MaxLen bytes that net/url parses, and its Host is what a dialler needs.
//
// What the design leaves open is decided like this. Userinfo is refused, not cut off: nobody else may use such a URL, and
// most of them are mail addresses. Paths and queries are kept, since relays behind one host differ by them; slashes
// inside a path are kept too, the trailing ones are not. Percent-escapes are written one way (upper-case hex, none for
// unreserved characters), and those that stand for blanks, control characters or broken UTF-8 are refused, as are dot
// segments. Host names may have one label (networks of containers); numeric ones that are no dotted IPv4 address are
// refused, because resolvers disagree about what `127.1` or `0x7f000001` means.
package relayurl
