package embedded

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay/embedded/server"
)

const (
	queueEvents = 256 // that wait for the keeper; whoever brings one more waits
	batchEvents = 256 // in one transaction
)

// keeper judges and stores. Its goroutine owns the index and the write side of the store.
type keeper struct {
	store *store
	log   *zap.Logger
	queue chan job
	done  chan struct{}

	rules nip34.Rules
	index *nip34.Index // nil: to be read again before the next batch
}

// job is an event, or other rules.
type job struct {
	event  *event.Event
	answer func(server.Answer)
	rules  *nip34.Rules
}

func newKeeper(s *store, rules nip34.Rules, log *zap.Logger) *keeper {
	return &keeper{store: s, log: log, rules: rules, queue: make(chan job, queueEvents), done: make(chan struct{})}
}

// Publish implements server.Backend.
func (k *keeper) Publish(e *event.Event, answer func(server.Answer)) {
	k.queue <- job{event: e, answer: answer}
}

// stop ends run after what is queued. Nobody may publish any more.
func (k *keeper) stop() {
	close(k.queue)
	<-k.done
}

func (k *keeper) run() {
	defer close(k.done)
	for j := range k.queue {
		batch := []job{j}
	more:
		for j.rules == nil && len(batch) < batchEvents {
			select {
			case next, ok := <-k.queue:
				if !ok {
					break more
				}
				batch = append(batch, next)
				j = next
			default:
				break more
			}
		}
		k.take(batch)
	}
}

// take stores a batch. Only the last job of one can be rules.
func (k *keeper) take(batch []job) {
	events := batch
	last := batch[len(batch)-1]
	if last.rules != nil {
		events = batch[:len(batch)-1]
	}
	if len(events) > 0 {
		k.settle(events)
	}
	if last.rules != nil {
		k.rules, k.index = *last.rules, nil
		if err := k.fill(); err != nil {
			k.log.Error("read announcements", zap.Error(err))
		}
	}
}

// settle answers every event of a batch. When the batch fails as a whole its events are tried one by one, so that one
// that the store cannot hold does not take the others with it.
func (k *keeper) settle(batch []job) {
	answers, err := k.commit(batch)
	if err == nil {
		for i, j := range batch {
			j.answer(answers[i])
		}
		return
	}
	k.index = nil // it may know what was not written
	if len(batch) > 1 {
		for i := range batch {
			k.settle(batch[i : i+1])
		}
		return
	}
	k.log.Error("store event", zap.String("event", batch[0].event.Event.ID), zap.Error(err))
	batch[0].answer(server.Answer{Message: "error: the event could not be stored"})
}

func (k *keeper) commit(batch []job) ([]server.Answer, error) {
	if err := k.fill(); err != nil {
		return nil, err
	}
	tx, err := k.store.begin(context.Background()) // ends by commit or rollback below, never half-way by a caller
	if err != nil {
		return nil, err
	}
	defer tx.rollback()
	answers := make([]server.Answer, len(batch))
	for i, j := range batch {
		if answers[i], err = k.judge(tx, j.event, time.Now()); err != nil {
			return nil, err
		}
	}
	return answers, tx.commit()
}

// fill reads the index from the store when it is not known.
func (k *keeper) fill() error {
	if k.index != nil {
		return nil
	}
	var all []*nip34.Announcement
	err := k.store.announcements(context.Background(), func(e *event.Event) {
		if a, err := nip34.ParseAnnouncement(e); err == nil { // it was one when it was stored
			all = append(all, a.Slim())
		}
	})
	if err != nil {
		return fmt.Errorf("fill index: %w", err)
	}
	index := nip34.NewIndex(k.rules)
	index.Apply(all, nil)
	k.index = index
	return nil
}
