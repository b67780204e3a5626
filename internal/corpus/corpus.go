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
