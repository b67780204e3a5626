package store

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/sync"
)

// The queue of a store has the bounds that the store was opened with, and the default of what was not said.
func TestQueueOfAStoreHasItsBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		opts Options
		rows int // of 10 * itemBytes, until three quarters are full; at most 100
	}{
		"rows":    {Options{QueueRows: 40}, 30},
		"bytes":   {Options{QueueBytes: 100 * itemBytes}, 7},
		"neither": {Options{}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(&fakeBackend{}, tt.opts.withDefaults(), zaptest.NewLogger(t))
			rows := 0
			for ; !s.Full() && rows < 100; rows++ {
				s.Apply([]sync.Row{sync.SaveBatch{Number: uint64(rows), Spec: make([]byte, 10*itemBytes)}}, 0)
			}
			require.Equal(t, tt.rows, rows)
		})
	}
}
