package sync

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// large fills an engine with repos of five relays and roots each, all connected, asked and confirmed.
func large(tb testing.TB, repos, rootsPerRepo, relays int) (*Engine, []event.Ref) {
	cfg := DefaultConfig()
	cfg.Rules.Domains = []string{ours}
	cfg.ConcurrentDials, cfg.MaxRelays = relays, relays
	e, err := New(cfg, &State{}, zap.NewNop(), NewMetrics(nil), t0)
	require.NoError(tb, err)
	refs := make([]event.Ref, repos)
	for i := range repos {
		var names []relayurl.URL
		for j := range 5 {
			names = append(names, relayurl.URL(fmt.Sprintf("wss://r%d.example.com", (i*7+j*13)%relays)))
		}
		a := announce(fmt.Sprintf("owner%d", i/3), fmt.Sprintf("repo%d", i), t0, nil, names...)
		refs[i] = a.Ref
		f := selfsub.Facts{Picture: 1, Up: true}
		f.Announcements = append(f.Announcements, a)
		for n := range rootsPerRepo {
			f.Roots = append(f.Roots, selfsub.Root{ID: number(i, n), Refs: event.References{Refs: []event.Ref{a.Ref}}})
		}
		e.Facts(f, t0)
		e.Take()
	}
	e.Facts(selfsub.Facts{Picture: 1, Up: true, Loaded: true}, t0)
	answer(e)
	return e, refs
}

func number(i, n int) event.ID {
	var id event.ID
	binary.BigEndian.PutUint32(id[:], uint32(i))
	binary.BigEndian.PutUint32(id[4:], uint32(n+1))
	return id
}

// answer connects and confirms until nothing is asked.
func answer(e *Engine) {
	e.Start(t0)
	for {
		effects := e.Take()
		if len(effects) == 0 {
			return
		}
		for _, x := range effects {
			switch x := x.(type) {
			case Recall:
				e.Recalled(x.Number, Recalled{}, nil, t0)
			case Dial:
				e.Report(relay.Up{ID: x.ID, Limits: relay.AssumedLimits()}, t0)
			case Tell:
				if c, ok := x.Command.(relay.AskBatch); ok {
					ends := make([]relay.FilterEnd, len(c.Batch.Filters))
					for i := range ends {
						ends[i].Done = true
					}
					e.Report(relay.Settled{ID: x.ID, Batch: c.Batch.ID, Final: true, Filters: ends}, t0)
				}
			}
		}
	}
}

func BenchmarkNewRoot(b *testing.B) {
	for _, repos := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("repos=%d", repos), func(b *testing.B) {
			e, refs := large(b, repos, 1, 100)
			n := 1
			for b.Loop() {
				n++
				ref := refs[n%len(refs)]
				e.Facts(selfsub.Facts{Picture: 1, Up: true, Roots: []selfsub.Root{{
					ID: number(n%len(refs), n), Refs: event.References{Refs: []event.Ref{ref}},
				}}}, t0.Add(time.Duration(n)))
				b.StopTimer()
				answer(e)
				b.StartTimer()
			}
		})
	}
}

func BenchmarkMaps(b *testing.B) {
	for _, size := range []struct{ repos, roots, relays int }{{1_000, 50, 100}, {100_000, 50, 5_000}} {
		b.Run(fmt.Sprintf("repos=%d/roots=%d/relays=%d", size.repos, size.repos*size.roots, size.relays), func(b *testing.B) {
			for b.Loop() {
				before := heapBytes()
				e, _ := large(b, size.repos, size.roots, size.relays)
				b.ReportMetric(float64(heapBytes()-before)/(1<<20), "MiB")
				runtime.KeepAlive(e)
			}
		})
	}
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkReview decides who has a place among 5,000, with 100,000 that wait; what is counted when an announcement comes is the other half.
func BenchmarkReview(b *testing.B) {
	cfg := DefaultConfig()
	cfg.Rules.Domains = []string{ours}
	cfg.MaxRelays, cfg.ConcurrentDials = 5_000, 1
	e, err := New(cfg, &State{}, zap.NewNop(), NewMetrics(nil), t0)
	require.NoError(b, err)
	e.Start(t0)
	before := heapBytes()
	name := func(i int) selfsub.Facts {
		var names []relayurl.URL
		for j := range 20 {
			names = append(names, relayN(20*i+j))
		}
		return selfsub.Facts{Picture: 1, Up: true, Announcements: anns(announce(fmt.Sprint("owner", i), "repo", t0, nil, names...))}
	}
	const repos = 5_250
	for i := range repos {
		e.Facts(name(i), t0)
		e.Take()
	}
	e.Facts(selfsub.Facts{Picture: 1, Up: true, Loaded: true}, t0)
	b.Logf("%d waiting, %d MiB with their repos", e.election.review.queue, (heapBytes()-before)>>20)
	b.Run("review", func(b *testing.B) {
		for b.Loop() {
			e.holdReview(t0)
			e.Take()
		}
	})
	b.Run("who is remembered", func(b *testing.B) {
		for b.Loop() {
			e.renominate()
		}
	})
	b.Run("announcement", func(b *testing.B) {
		n := repos
		for b.Loop() {
			b.StopTimer()
			f := name(n)
			n++
			b.StartTimer()
			e.Facts(f, t0.Add(time.Second))
			e.Take()
		}
	})
}
