package demo

import (
	"fmt"

	"github.com/ngit-sync/ngit-sync/internal/corpus"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// realEvents parses the corpus.
func realEvents() ([]*event.Event, error) {
	var out []*event.Event
	for _, line := range corpus.Events() {
		e, err := event.Parse(line, event.DefaultLimits())
		if err != nil {
			return nil, fmt.Errorf("corpus line %d: %w", len(out)+1, err)
		}
		out = append(out, e)
	}
	return out, nil
}
