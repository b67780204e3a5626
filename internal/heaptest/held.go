package heaptest

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bytes is how much of the heap is alive because of what build gives, in bytes.
func Bytes(build func() any) int64 {
	before := alive()
	kept := build()
	after := alive()
	runtime.KeepAlive(kept)
	return after - before
}

// Under wants what build gives to keep less than so many bytes alive, and more than a tenth of them: a bound that is far above what
// there is says nothing, nor does a test that does not drive what it bounds.
func Under(t testing.TB, most int64, build func() any) {
	t.Helper()
	n := Bytes(build)
	t.Logf("%d bytes, at most %d", n, most)
	require.Less(t, n, most, "bytes alive")
	require.Greater(t, n, most/10, "bytes alive: it was not driven to its limit")
}

// alive counts twice, because what has a finalizer, or lies in a pool, is left over by the first collection.
func alive() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(min(m.HeapAlloc, math.MaxInt64))
}
