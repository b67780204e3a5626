package negentropy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// spread gives n items at random times of five years, in the order of time.
func spread(n int) []item {
	random := rand.New(rand.NewPCG(1, 2))
	items := make([]item, n)
	for k := range items {
		items[k] = numbered(k, 1)
		items[k].at = 1_600_000_000 + random.Int64N(5*365*86_400)
	}
	slices.SortFunc(items, func(a, b item) int { return int(a.at - b.at) })
	return items
}

// part gives the items that `has` says yes to.
func part(items []item, has func(k int) bool) (out []item) {
	for k, it := range items {
		if has(k) {
			out = append(out, it)
		}
	}
	return out
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		items := spread(n)
		shuffled := slices.Clone(items)
		rand.New(rand.NewPCG(3, 4)).Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for name, items := range map[string][]item{"by time": items, "shuffled": shuffled} {
			b.Run(fmt.Sprint(n, " ", name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					setOf(items)
				}
			})
		}
	}
}

// BenchmarkReconcile measures the asking side alone. The metrics: what it holds at most beside its set, messages, and
// bytes up and down, of which the wire has two for each.
func BenchmarkReconcile(b *testing.B) {
	for _, c := range []struct {
		name  string
		items int
		mine  func(k, n int, r *rand.Rand) bool
		their func(k, n int, r *rand.Rand) bool
		frame int
	}{
		{"100k, 0.5 % on each side", 100_000, random(200), random(200), 60_000},
		{"100k, 1 % missing here", 100_000, random(100), all, 60_000},
		{"1M, equal", 1_000_000, all, all, 60_000},
		{"1M, newest 100 missing", 1_000_000, butNewest(100), all, 60_000},
		{"1M, newest 10,000 missing", 1_000_000, butNewest(10_000), all, 60_000},
		{"1M, 0.005 % on each side", 1_000_000, random(20_000), random(20_000), 60_000},
		{"1M, 0.05 % on each side", 1_000_000, random(2_000), random(2_000), 60_000},
		{"1M, 0.5 % on each side", 1_000_000, random(200), random(200), 60_000},
		{"1M, 0.5 % on each side, frames of 500,000", 1_000_000, random(200), random(200), 500_000},
		{"1M, 0.5 % on each side, frames of 1 MiB", 1_000_000, random(200), random(200), 1 << 20},
		{"1M, 1 % missing here", 1_000_000, random(100), all, 60_000},
		{"1M, nothing here", 1_000_000, func(int, int, *rand.Rand) bool { return false }, all, 500_000},
	} {
		items, r := spread(c.items), rand.New(rand.NewPCG(5, 6))
		mine := part(items, func(k int) bool { return c.mine(k, c.items, r) })
		theirs := part(items, func(k int) bool { return c.their(k, c.items, r) })
		set, other, want := setOf(mine), setOf(theirs), len(lacking(theirs, mine))
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var i *Initiator
			longest := 0
			for b.Loop() {
				i = New(set, DefaultLimits())
				msg, done := i.Start(), false
				for !done {
					b.StopTimer()
					answer, err := other.Answer(msg, c.frame)
					require.NoError(b, err)
					longest = max(longest, cap(answer)+cap(msg))
					b.StartTimer()
					msg, done, err = i.Next(answer)
					require.NoError(b, err)
				}
				require.Equal(b, want, i.Stats().Needs)
			}
			held := (cap(i.work)+cap(i.asked)+cap(i.differs))*int(unsafe.Sizeof(span{})) +
				(cap(i.needed)+cap(i.theirs))*len(event.ID{}) + cap(i.found) + longest
			stats := i.Stats()
			b.ReportMetric(float64(held)/1e6, "MB-held")
			b.ReportMetric(float64(stats.Rounds), "rounds")
			b.ReportMetric(float64(stats.Sent)/1e6, "MB-up")
			b.ReportMetric(float64(stats.Received)/1e6, "MB-down")
		})
	}
}

func all(int, int, *rand.Rand) bool { return true }

func random(missing int) func(int, int, *rand.Rand) bool {
	return func(_, _ int, r *rand.Rand) bool { return r.IntN(missing) > 0 }
}

func butNewest(missing int) func(int, int, *rand.Rand) bool {
	return func(k, n int, _ *rand.Rand) bool { return k < n-missing }
}
