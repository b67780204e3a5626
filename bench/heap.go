package main

import (
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"time"
)

const (
	// heapPercent is how much garbage may gather while the heap is watched: little, for only a collection tells what is alive.
	heapPercent = 5
	heapEvery   = time.Millisecond
)

// watchHeap begins to look at how much memory is alive in this process. stop gives the most that there was beyond what was
// alive at the beginning, in bytes. What is measured meanwhile is slow.
func watchHeap() (stop func() float64) {
	runtime.GC()
	base := liveHeap()
	before := debug.SetGCPercent(heapPercent)
	end, most := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(heapEvery)
		defer tick.Stop()
		peak := base
		for {
			select {
			case <-tick.C:
				peak = max(peak, liveHeap())
			case <-end:
				most <- peak
				return
			}
		}
	}()
	return func() float64 {
		close(end)
		peak := <-most
		runtime.GC()
		debug.SetGCPercent(before)
		return float64(max(peak, liveHeap()) - base)
	}
}

// liveHeap is what the last collection found alive.
func liveHeap() uint64 {
	sample := []gometrics.Sample{{Name: "/gc/heap/live:bytes"}}
	gometrics.Read(sample)
	return sample[0].Value.Uint64()
}
