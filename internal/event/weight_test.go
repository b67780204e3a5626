package event

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/heaptest"
)

func TestMemoryOfAnEventIsItsWeight(t *testing.T) {
	many := func(tags, elements int, text string) nostr.Tags {
		out := make(nostr.Tags, tags)
		for i := range out {
			for range elements {
				out[i] = append(out[i], text)
			}
		}
		return out
	}
	for name, n := range map[string]nostr.Event{
		"content":       {Content: strings.Repeat("x", 500_000)},
		"escapes":       {Content: strings.Repeat("\n", 250_000)},
		"elements":      {Tags: many(10, 1999, "ab")},
		"empty ones":    {Tags: many(10, 1999, "")},
		"tags":          {Tags: many(2000, 1, "e")},
		"ids":           {Tags: many(2000, 2, strings.Repeat("a", 64))},
		"long elements": {Tags: many(7, 1, strings.Repeat("y", 100_000))},
	} {
		t.Run(name, func(t *testing.T) {
			n.ID, n.PubKey, n.Sig = strings.Repeat("0", 64), strings.Repeat("1", 64), strings.Repeat("2", 128)
			n.ID = n.GetID()
			raw, err := n.MarshalJSON()
			require.NoError(t, err)
			var weight int64
			held := heaptest.Bytes(func() any {
				events := make([]*Event, 20)
				for i := range events {
					e, err := Parse(raw, Limits{})
					require.NoError(t, err)
					events[i], weight = e, weight+e.Weight()
				}
				return events
			})
			require.Less(t, held, weight*3/2, fmt.Sprint(weight))
			require.Greater(t, held, weight/4)
		})
	}
}
