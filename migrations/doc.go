// Package migrations holds the schema of the database as numbered SQL files, one set per dialect, embedded in the
// binary. internal/store applies them with goose, forwards only.
//
// Owner: nobody; the files are constants. A released file is never edited: what it made is in databases out there.
//
// Invariants: both sets have the same numbers and end in the same tables. Text that strangers wrote (identifiers,
// reasons, URLs) is stored as bytes, because Postgres refuses NUL and invalid UTF-8 in text. Times are Unix milliseconds,
// NULL for none; created_at is Unix seconds, as events carry it.
package migrations
