// Package storetest is the conformance suite of the store: what relay.Ledger and sync.Store promise, what a restart, a
// kill and a full queue leave behind, and who may open a database. Every dialect runs all of it.
//
// Owner: the test that calls Run. Each case gets a database of its own.
//
// Invariant: a case knows the dialect only through Database.
package storetest
