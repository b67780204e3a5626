package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// A source that has always more large events than the own relay takes fills the queue for as long as it likes. What is due again all the
// same, a held announcement here, is read from the pending table and offered.
func TestAFloodOfLargeEventsDoesNotStarveWhatIsDueAgain(t *testing.T) {
	for name, full := range map[string]bool{"with room in the pending table": false, "with a full one": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(o *PublisherOptions) {
				o.QueueBytes = 1 << 20
				if full {
					o.PendingBytes = 1 << 20
				}
			})
			b.observe(announced(repo("x", 1, "x", benchStart)))
			a := repo("a", 4, "y", benchStart)
			b.historic(a)
			b.heldBy(a)
			b.out()
			large := strings.Repeat("x", 20_000)
			granted := make(chan struct{}, 1)
			b.c.reserve(b.now, request{1, 8, granted})
			var sent []string
			floods := map[string]*event.Event{}
			least := b.c.o.QueueBytes
			start := b.now
			for b.now.Sub(start) < 3*time.Hour && !slices.Contains(sent, "a") {
				b.settle()
				for len(granted) > 0 {
					<-granted
					for range 8 {
						e := ev(fmt.Sprint(len(floods), large), event.KindComment, 2, benchStart, toRepo(1, "x"))
						floods[e.Content] = e
						b.historic(e)
					}
					b.c.reserve(b.now, request{1, 8, granted})
					b.settle()
				}
				sent = append(sent, b.out()...)
				if b.now.Sub(start) > time.Hour {
					least = min(least, b.c.bytes)
				}
				if e := floods[sent[0]]; e != nil {
					sent = sent[1:]
					b.ok(e)
				}
				b.wait(time.Second)
			}
			require.Greater(t, least, b.c.o.QueueBytes/2, "the flood goes on")
			require.True(t, slices.Contains(sent, "a"), "it is offered")
			require.InDelta(t, time.Hour, b.now.Sub(start), float64(5*time.Minute))
		})
	}
}
