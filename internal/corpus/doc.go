// Package corpus holds real Nostr events of git repositories, as public repositories quote them; SOURCES.md says where each came
// from. The demo's relays serve them, and tests and fuzz targets begin with them. It knows nobody, so that every room's tests
// can use it.
package corpus
