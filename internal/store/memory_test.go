package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/heaptest"
	"github.com/ngit-sync/ngit-sync/relay"
)

// TestMemoryAtTheLimits fills the queue of a database that is away several times over. The table in docs/reference/limits.md is compared
// with this one.
func TestMemoryAtTheLimits(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	tests := []struct {
		name string
		part int64
		most int64
		fill func(t *testing.T, s *Store, i int)
	}{
		{"rows that wait for the database, of small events", 8, 12 << 20, func(t *testing.T, s *Store, i int) {
			s.Record(relay.Entry{Event: wrapped(t, nostr.Event{Kind: 1, Tags: nostr.Tags{{"e", fmt.Sprintf("%064x", i)}}}, i), Disposition: relay.Irrelevant, Reason: "references nothing", At: now})
		}},
		{"rows that wait for the database, of events made of tags without text", 8, 16 << 20, func(t *testing.T, s *Store, i int) {
			tags := make(nostr.Tags, 500)
			for k := range tags {
				tags[k] = make(nostr.Tag, 20)
				tags[k][0] = "z"
			}
			s.Park(relay.Waiting{Event: wrapped(t, nostr.Event{Kind: 1, Tags: tags}, i), ID: event.ID{byte(i), byte(i >> 8), byte(i >> 16)}, Cause: relay.CausePace, Since: now})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			heaptest.Under(t, tt.most, func() any {
				s := &Store{queue: newQueue(bounds{defaultQueueRows / 8, defaultQueueBytes / 8}, func(int) {})}
				for i := 0; i < 100_000 && s.queue.loss.none() && (i < 2000 || !s.queue.full()); i++ {
					tt.fill(t, s, i)
				}
				for i := range 1000 {
					tt.fill(t, s, 200_000+i)
				}
				return s
			})
		})
	}
}

func wrapped(t *testing.T, n nostr.Event, i int) *event.Event {
	t.Helper()
	n.ID, n.PubKey, n.Sig = fmt.Sprintf("%064x", i), fmt.Sprintf("%064x", 1), fmt.Sprintf("%0128x", 2)
	n.CreatedAt, n.Content = 1_700_000_000, fmt.Sprint(i)
	e, err := event.Wrap(n)
	require.NoError(t, err)
	return e
}
