package demo

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// corpus holds real events, one JSON object a line; corpus/SOURCES.md says where each came from.
//
//go:embed corpus/events.jsonl
var corpus []byte

// realEvents parses the corpus.
func realEvents() ([]*event.Event, error) {
	var out []*event.Event
	for line := range bytes.Lines(corpus) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		e, err := event.Parse(line, event.DefaultLimits())
		if err != nil {
			return nil, fmt.Errorf("corpus line %d: %w", len(out)+1, err)
		}
		out = append(out, e)
	}
	return out, nil
}
