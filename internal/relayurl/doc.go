// Package relayurl gives every relay one name: the canonical form of its websocket URL (DESIGN §7).
// Two spellings of one relay must never become two peers.
package relayurl

// URL is a canonical relay URL: ws or wss, lower-case ASCII host (IDNA), no default port, no
// fragment, no userinfo, no trailing slash. Only Canonical makes one.
type URL string
