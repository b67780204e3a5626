package filters_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
)

// generous has room for every root of a benchmark.
var generous = filters.Budget{Subs: 300, FiltersPerREQ: 10, MessageBytes: 60_000, Values: 100}

// The aim is some 20 bytes a value; how full the index happens to be moves that by a third.
func TestLiveSetValuesAreCheap(t *testing.T) {
	const n = 50_000
	want := filters.Wants{Roots: slices.Values(span(0, n))}
	s := filters.NewLiveSet(some.text)
	require.Less(t, heldBy(func() { s.Lay(generous, want) }), 27*n)
	runtime.KeepAlive(s)
}

func TestLiveSetKeepsNothingOfWhatIsGone(t *testing.T) {
	s := laid(assumed, some)
	require.Less(t, heldBy(func() {
		for i := range filters.Value(100_000) {
			s.Add(filters.Roots, i)
			s.Remove(filters.Roots, i)
		}
	}), 1<<20)
	runtime.KeepAlive(s)
}

// heldBy is how many bytes of memory are held more after do.
func heldBy(do func()) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	do()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int(after.HeapAlloc) - int(before.HeapAlloc)
}

// BenchmarkLiveSetMemory is what a set holds on to for each value, after everything was laid out and sent.
func BenchmarkLiveSetMemory(b *testing.B) {
	for _, n := range []int{2_500, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			want := filters.Wants{Roots: slices.Values(span(0, n))}
			sets := make([]*filters.LiveSet, 10)
			held := 0
			for b.Loop() {
				clear(sets)
				held = heldBy(func() {
					for i := range sets {
						sets[i] = filters.NewLiveSet(some.text)
						sets[i].Lay(generous, want)
						sets[i].Changes()
					}
				})
			}
			b.ReportMetric(float64(held)/float64(n*len(sets)), "B/value")
			runtime.KeepAlive(sets)
		})
	}
}

// BenchmarkLiveSetLay is one layout of everything: in a set where it fits, in one where most does not, and at a relay that takes one
// value per filter, where it needs as many subscriptions as there are values.
func BenchmarkLiveSetLay(b *testing.B) {
	narrow := filters.Budget{Subs: 1 << 20, FiltersPerREQ: 3, MessageBytes: 60_000, Values: 1}
	for _, n := range []int{2_500, 50_000} {
		for name, budget := range map[string]filters.Budget{"fits": generous, "overflows": assumed, "narrow": narrow} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				want := filters.Wants{Roots: slices.Values(span(0, n))}
				s := filters.NewLiveSet(some.text)
				b.ReportAllocs()
				for b.Loop() {
					s.Lay(budget, want)
				}
			})
		}
	}
}

// BenchmarkLiveSetAdd is one value added and removed again.
func BenchmarkLiveSetAdd(b *testing.B) {
	for _, n := range []int{2_500, 50_000} {
		for name, budget := range map[string]filters.Budget{"fits": generous, "full": assumed} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				s := laid(budget, some)
				left := s.Add(filters.Roots, span(0, n)...)
				require.Equal(b, name == "full", len(left) > 0)
				s.Changes()
				one := span(n, n+1)
				b.ReportAllocs()
				for b.Loop() {
					s.Add(filters.Roots, one...)
					s.Remove(filters.Roots, one...)
				}
				open, _ := s.Changes()
				require.LessOrEqual(b, len(open), 1)
			})
		}
	}
}
