package negentropy

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// spread gives n items at random times of five years, of which `mine` lacks one in `every`, and so does `theirs`.
func spread(n, every int) (mine, theirs []item) {
	random := rand.New(rand.NewPCG(1, 2))
	for k := range n {
		it := numbered(k, 1)
		it.at = 1_600_000_000 + random.Int64N(5*365*86_400)
		where := random.IntN(every)
		if where != 0 {
			mine = append(mine, it)
		}
		if where != 1 {
			theirs = append(theirs, it)
		}
	}
	return mine, theirs
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		mine, _ := spread(n, 1<<30)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				setOf(mine)
			}
		})
	}
}

// BenchmarkReconcile measures our side only: what it cost in time, allocations and bytes, the peer being ours too.
func BenchmarkReconcile(b *testing.B) {
	for _, c := range []struct{ items, every, frame int }{
		{100_000, 100, 60_000}, {1_000_000, 200, 60_000}, {1_000_000, 100, 60_000}, {1_000_000, 100, 500_000}, {1_000_000, 100, 0},
	} {
		mine, theirs := spread(c.items, c.every)
		set, other := setOf(mine), setOf(theirs)
		want := len(lacking(theirs, mine))
		b.Run(fmt.Sprintf("%d/one in %d/peer's frame %d", c.items, c.every, c.frame), func(b *testing.B) {
			b.ReportAllocs()
			var stats Stats
			var before, after runtime.MemStats
			var held uint64
			for b.Loop() {
				i := New(set, DefaultLimits())
				msg, done := i.Start(), false
				var answer []byte
				var err error
				for !done {
					b.StopTimer()
					answer, err = other.Answer(msg, c.frame)
					require.NoError(b, err)
					runtime.ReadMemStats(&before)
					b.StartTimer()
					msg, done, err = i.Next(answer)
					require.NoError(b, err)
				}
				stats = i.Stats()
				after = before
				held = uint64(cap(i.work)+cap(i.asked)+cap(i.differs))*100 + uint64(cap(i.needed)+cap(i.theirs))*33
				require.Equal(b, want, stats.Needs)
			}
			_ = after
			b.ReportMetric(float64(held)/1e6, "MB-held")
			b.ReportMetric(float64(stats.Rounds), "rounds")
			b.ReportMetric(float64(stats.Sent)/1e6, "MB-sent")
			b.ReportMetric(float64(stats.Received)/1e6, "MB-received")
		})
	}
}
