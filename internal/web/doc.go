// Package web shows the running daemon to people and machines: the status page, /metrics, /healthz,
// /readyz and the JSON API (DESIGN §10). It only reads.
//
// Owner: http.Server and its goroutines. All they see of the daemon is what two functions return:
// a Snapshot, published elsewhere at most once a second, and the conditions of readiness. Both must return at once
// and are called from many goroutines; no question ever reaches the engine.
//
// Invariants: nothing here blocks or changes the daemon. Names, URLs and reasons come from strangers: the page
// escapes them, cuts them to length and strips what would reorder or hide text; it runs no script and loads nothing
// (Content-Security-Policy). Every request has deadlines, and their number is bounded.
package web
