package sync

import (
	"context"
	"time"

	"github.com/ngit-sync/ngit-sync/relay"
)

// mendPause is the least time between two recoveries of the store: each costs a question for everything.
const mendPause = time.Minute

// mender waits, after rows were dropped, until the store takes rows again.
type mender struct {
	mended chan relay.Seq // the number of the newest row that was dropped
	cancel context.CancelFunc
	done   chan struct{}
}

func startMender(ctx context.Context, s Store) *mender {
	ctx, cancel := context.WithCancel(ctx)
	m := &mender{make(chan relay.Seq), cancel, make(chan struct{})}
	go func() {
		defer close(m.done)
		for {
			select {
			case seq := <-s.Lost():
				if !m.mend(ctx, s, seq) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return m
}

// mend reports whether there is more to wait for.
func (m *mender) mend(ctx context.Context, s Store, seq relay.Seq) bool {
	if s.Flush(ctx) != nil {
		return false // the daemon ends
	}
	select {
	case seq = <-s.Lost(): // more was dropped meanwhile
	default:
	}
	select {
	case m.mended <- seq:
	case <-ctx.Done():
		return false
	}
	pause := time.NewTimer(mendPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (m *mender) stop() {
	m.cancel()
	<-m.done
}
