package relay

import (
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// When refusals that are older than PublisherOptions.Retention are forgotten: some time after the start, then daily.
const (
	pruneFirst = 10 * time.Minute
	pruneEvery = 24 * time.Hour
)

// readRefused asks for old refusals; refusedBefore brings them.
type readRefused struct {
	before time.Time
	beyond int64
}

func (readRefused) action() {}

// prune has old refusals read when that is due, a chunk at a time.
func (c *core) prune() {
	switch {
	case c.pruneAt.IsZero():
		return // it is at it
	case c.now.Before(c.pruneAt):
		return
	case c.o.Ledger.Full():
		c.pruneAt = c.now.Add(roomCheck)
		return
	}
	c.pruneAt = time.Time{}
	c.do(readRefused{c.now.Add(-c.o.Retention), c.pruned})
}

// refusedBefore brings refusals that nobody needs any more, but for those that are open again. They are forgotten: should they come
// again, they are judged again.
func (c *core) refusedBefore(now time.Time, ids []event.ID, position int64, err error) {
	c.now = now
	defer c.pump()
	if err != nil {
		c.pruneAt = now.Add(storeRetry)
		c.log.Warn("old refusals cannot be read", zap.Error(err))
		return
	}
	var old []event.ID
	for _, id := range ids {
		if d := c.known[id]; c.works[id] == nil && (d == Rejected || d == Irrelevant) {
			old = append(old, id)
		}
	}
	if len(old) > 0 {
		c.forget(old...)
		c.log.Info("old refusals are forgotten", zap.Int("events", len(old)), zap.Duration("older_than", c.o.Retention))
	}
	c.pruneAt, c.pruned = now, position
	if len(ids) < readChunk {
		c.pruneAt, c.pruned = now.Add(pruneEvery), 0
	}
}
