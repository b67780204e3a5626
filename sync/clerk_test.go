package sync

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// silent is a ledger whose database is gone without a word.
type silent struct{ Ledger }

func (silent) Recall(ctx context.Context, _ RecallQuery) (Recalled, error) {
	<-ctx.Done()
	return Recalled{}, ctx.Err()
}

func TestAQuestionToASilentLedgerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startClerk(t.Context(), silent{})
		defer c.stop()
		start := time.Now()
		for n := range uint64(2) {
			c.questions <- Recall{Number: n}
			answer := <-c.answers
			require.Equal(t, n, answer.number)
			require.ErrorIs(t, answer.err, context.DeadlineExceeded)
		}
		require.Equal(t, 2*recallWait, time.Since(start))
	})
}
