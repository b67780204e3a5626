package main

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeapIsWatched(t *testing.T) {
	const size = 64 << 20
	stop := watchHeap()
	large := make([]byte, size)
	runtime.GC()
	runtime.KeepAlive(large)
	for range 64 { // garbage is not alive
		large = make([]byte, size/64)
	}
	require.InEpsilon(t, size, stop(), 0.1)
	runtime.KeepAlive(large)
}
