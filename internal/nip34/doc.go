// Package nip34 reads repository announcements (NIP-34) and decides which of them concern our relay (GRASP-01, DESIGN §6).
//
// Owner: an Announcement is immutable and may be shared. An Index belongs to one goroutine.
//
// Invariants:
//   - Garbage in one value of an announcement costs that value, never the announcement.
//   - Lists and MatchHost compare whole hosts; nothing is matched in part.
//   - Deny rules beat every other rule.
package nip34
