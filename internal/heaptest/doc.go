// Package heaptest measures in tests how much memory is kept alive.
//
// Owners: none, it is called by one test at a time. Invariant: what it gives is what a collection leaves, so garbage does not count; what
// other goroutines of the process keep or give up meanwhile does. A server of an earlier test that is still closing gives up some hundred
// KiB: measure megabytes.
package heaptest
