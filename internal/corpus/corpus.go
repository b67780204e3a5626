// Package corpus holds real Nostr events of git repositories, as public repositories quote them; SOURCES.md says where each came
// from. The demo's relays serve them, and tests and fuzz targets begin with them. It knows nobody, so that every room's tests
// can use it.
package corpus

import (
	"bytes"
	_ "embed"
)

//go:embed events.jsonl
var events []byte

// Events are valid events as JSON objects, 296 of them, sorted by kind and date.
func Events() [][]byte {
	var out [][]byte
	for line := range bytes.Lines(events) {
		out = append(out, bytes.TrimSpace(line))
	}
	return out
}
