package sync

import (
	"context"
	"time"
)

// recallWait is for one answer of the ledger. What is queued is written first, and a database can be gone without a word.
const recallWait = time.Minute

// clerk asks the ledger for the engine, one question at a time, because the database may let us wait.
type clerk struct {
	questions chan Recall
	answers   chan recollection
	cancel    context.CancelFunc
	done      chan struct{}
}

type recollection struct {
	number uint64
	Recalled
	err error
}

func startClerk(ctx context.Context, ledger Ledger) *clerk {
	ctx, cancel := context.WithCancel(ctx)
	c := &clerk{make(chan Recall), make(chan recollection, 1), cancel, make(chan struct{})}
	go func() {
		defer close(c.done)
		for {
			select {
			case q := <-c.questions:
				asking, giveUp := context.WithTimeout(ctx, recallWait)
				answer, err := ledger.Recall(asking, q.Query)
				giveUp()
				select {
				case c.answers <- recollection{q.Number, answer, err}:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

func (c *clerk) stop() {
	c.cancel()
	<-c.done
}
