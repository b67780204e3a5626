package main

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

const watched = 64 << 20

func TestHeapIsWatched(t *testing.T) {
	stop := watchHeap()
	large := make([]byte, watched)
	require.InEpsilon(t, watched, stop(), 0.1)
	runtime.KeepAlive(large)
}

func TestGarbageIsNotAlive(t *testing.T) {
	stop := watchHeap()
	var last []byte
	for range 64 {
		last = make([]byte, watched/64)
	}
	require.Less(t, stop(), watched/2.)
	runtime.KeepAlive(last)
}
