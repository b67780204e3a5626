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
			start := b.now
			b.wait(50 * time.Minute)
			large := strings.Repeat("x", 20_000)
			granted := make(chan struct{}, 1)
			b.c.reserve(b.now, request{1, 8, granted})
			var sent []string
			floods := map[string]*event.Event{}
			least := b.c.o.QueueBytes
			for b.now.Sub(start) < 2*time.Hour && !slices.Contains(sent, "a") {
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

// A database that takes one row in two seconds, with its queue full and a source that has always more: credit goes round, so the last page
// of another relay's daily pass has its turn, and a held event that is due is offered and keeps its row.
func TestASlowStoreWithAFloodLetsEverybodyHaveATurn(t *testing.T) {
	b := newBench(t)
	b.observe(announced(repo("x", 1, "x", benchStart)))
	a := repo("a", 4, "y", benchStart)
	b.historic(a)
	b.heldBy(a)
	b.out()
	b.wait(time.Hour - time.Minute)
	flood, daily := make(chan struct{}, 1), make(chan struct{}, 1)
	sent := map[string]*event.Event{"a": a}
	offered, granted := time.Duration(0), time.Duration(0)
	start := b.now
	b.c.reserve(b.now, request{1, 8, flood})
	for n := 0; b.now.Sub(start) < time.Hour && (offered == 0 || granted == 0); n++ {
		b.ledger.full.Store(n%16 != 0) // eight events have eight rows
		if n == 5 {
			b.c.reserve(b.now, request{2, 8, daily})
		}
		b.wait(time.Second)
		if len(flood) > 0 {
			<-flood
			for range 8 {
				e := ev(fmt.Sprint(len(sent)), event.KindComment, 2, benchStart, toRepo(1, "x"))
				sent[e.Content] = e
				b.from(1, 1, e)
			}
			b.c.reserve(b.now, request{1, 8, flood})
		}
		if len(daily) > 0 {
			<-daily
			granted = b.now.Sub(start)
		}
		for _, name := range b.out() {
			if name != "a" {
				b.ok(sent[name])
				continue
			}
			offered = b.now.Sub(start)
			b.heldBy(a)
		}
	}
	b.wait(time.Hour)
	b.ledger.full.Store(false)
	b.wait(time.Minute)
	b.is(Held, a)
	require.InDelta(t, time.Minute, offered, float64(2*time.Second), "when it is due")
	require.NotZero(t, granted)
	require.Less(t, granted, time.Minute)
	require.True(t, b.ledger.waiting[a.ID].Due.After(b.now))
}

// A stranger's live events come twice as fast as the own relay takes them, for as long as it lasts. What another relay brings is stored all the
// same, whether it stands behind them in the queue or waits as a row of the pending table, and takes an eighth of the pace.
func TestALiveFloodDoesNotStarveTheOthers(t *testing.T) {
	root := issue("root", 2, 1, "x")
	remarks := func(name string, n int) []*event.Event {
		out := make([]*event.Event, n)
		for i := range out {
			out[i] = comment(fmt.Sprint(i, name), 3, root)
		}
		return out
	}
	const perSecond = 2
	large := strings.Repeat("x", 10_000)
	small := func(o *PublisherOptions) { o.QueueBytes = 1 << 20 }
	same := func(*PublisherOptions) {}
	tests := []struct {
		name   string
		change func(*PublisherOptions)
		flood  []*event.Event
		batch  BatchID // of the others
		others []*event.Event
		asking bool // a page waits for room all the time
	}{
		{"historic ones", same, remarks("flood", 2400), 1, append(issues("r", 25), remarks("c", 25)...), false},
		{"historic ones behind large events", small, remarks(large, 2400), 1, append(issues("r", 25), remarks("c", 25)...), false},
		{"historic ones while a page waits for room", small, remarks(large, 2400), 1, append(issues("r", 25), remarks("c", 25)...), true},
		{"live ones of a later class", same, issues("flood", 2400), 0, remarks("c", 50), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newSlowWorld(t, paced(&limiter{rate: 1, burst: 1}), tt.change)
			w.observe(announced(repo("a", 1, "x", benchStart)))
			w.observe(Observed{Stored: listOf(root)})
			w.know(append(tt.flood, tt.others...)...)
			granted := make(chan struct{}, 1)
			granted <- struct{}{}
			n := 0
			flood := func(d time.Duration) {
				for end := w.now.Add(d); w.now.Before(end); w.run(time.Second) {
					w.live(tt.flood[n : n+perSecond]...)
					n += perSecond
					if tt.asking && len(granted) > 0 {
						<-granted
						w.c.release(w.now, 3, 8)
						w.c.reserve(w.now, request{3, 8, granted})
					}
				}
			}
			flood(5 * time.Minute)
			w.from(2, tt.batch, tt.others[:40]...)
			w.mark(2, tt.batch, true)
			flood(spillAge + 10*time.Second)
			onDisk := 0
			for _, e := range tt.others[:40] {
				if w.c.pool.rows[e.ID] != nil && w.c.works[e.ID] == nil {
					onDisk++
				}
			}
			require.Greater(t, onDisk, 10)
			w.from(2, tt.batch, tt.others[40:]...)
			start, before := w.now, len(w.accepted)
			open := func() int {
				left := 0
				for _, e := range tt.others {
					left += 1 - w.accepted[e.ID]
				}
				return left
			}
			left := open()
			for w.now.Sub(start) < 10*time.Minute && open() > 0 {
				flood(time.Second)
			}
			require.Zero(t, open(), "of %d", left)
			require.Greater(t, n-len(w.accepted), 300, "the flood goes on")
			require.InDelta(t, passedOver*left, len(w.accepted)-before, 2*passedOver, "of what is taken meanwhile")
		})
	}
}

// What is of a class that never comes first is not put on disk to be read again at once.
func TestSomeOfEachClassStayInTheQueue(t *testing.T) {
	b := newBench(t, func(o *PublisherOptions) { o.EventsPerSecond = 0.001 })
	b.observe(announced(repo("a", 1, "x", benchStart)))
	b.live(issues("live", 2*b.c.kept())...)
	b.from(2, 1, issues("historic", 2*b.c.spared())...)
	b.mark(2, 1, true)
	b.wait(2 * spillAge)
	require.Len(t, settledOf(b.heard()), 1)
	require.Equal(t, b.c.kept()+b.c.spared(), b.c.ready.size)
	require.Empty(t, b.reads)
}
