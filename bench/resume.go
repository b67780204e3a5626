package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nbd-wtf/go-nostr"
)

// kindLabel is NIP-32: a label names a repository by `a` and nothing else, so exactly one filter asks for it, and whatever is sent twice was
// fetched twice.
const kindLabel = 1985

// againMost is the share of what is there that may be fetched twice because of a cut (%).
const againMost = 5

// manyRepos are more than two filters can name.
const manyRepos = 250

// resume cuts off a historic pass in its middle and counts what the remote relay sends a second time.
func (l *lab) resume() error {
	for _, c := range []struct {
		name  string
		repos int
	}{{"one repository", 1}, {fmt.Sprintf("%d repositories", manyRepos), manyRepos}} {
		all, err := labels(c.repos, l.resumed)
		if err != nil {
			return err
		}
		for _, how := range []string{"connection lost twice", "kill -9"} {
			again, err := l.cutOff(all, c.repos, how == "kill -9")
			if err != nil {
				return fmt.Errorf("%s, %s: %w", c.name, how, err)
			}
			what := c.name + ", " + how + ": fetched twice"
			l.figures.add("resume", what, "events", float64(again), nil)
			l.figures.add("resume", what+", share", "%", 100*float64(again)/float64(l.resumed), atMost(againMost))
		}
	}
	return nil
}

// cutOff lets the daemon fetch everything, cuts its connection after a third and two thirds, or kills it after a half, and gives how
// many events were sent twice.
func (l *lab) cutOff(labels []entry, repos int, kill bool) (again int, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	events := newStore()
	remote, err := newPeer(ctx, events, loopback)
	if err != nil {
		return 0, err
	}
	defer remote.close()
	wanted, err := fill(events, &corpus{spec: spec{Repos: repos}, stored: labels}, remote.urls())
	if err != nil {
		return 0, err
	}
	cuts := []int{len(labels) / 3, 2 * len(labels) / 3}
	if kill {
		cuts = []int{len(labels) / 2}
	}
	count := newRepeats(labels, cuts...)
	remote.noteStored, remote.onWire = true, count.note
	own, err := newSink(ctx, wanted)
	if err != nil {
		return 0, err
	}
	defer own.close()
	d, err := l.daemon(ctx, own.urls()[0], remote.urls(), "")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	for range cuts {
		select {
		case <-count.reached:
		case <-d.exited:
			return 0, fmt.Errorf("the daemon ended: %w", d.err)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if !kill {
			remote.drop()
			continue
		}
		if d, err = d.killed(ctx); err != nil {
			return 0, err
		}
	}
	if err := l.await(ctx, own, d); err != nil {
		return 0, err
	}
	return count.twice(), nil
}

// labels are events that name one of the repositories each, two a second as those of a corpus.
func labels(repos, n int) ([]entry, error) {
	rng := rand.New(rand.NewPCG(1, uint64(corpusVersion)))
	drafts, keys, all := make([]*nostr.Event, n), make([]int, n), make([]int, n)
	for i := range drafts {
		drafts[i] = &nostr.Event{
			Kind: kindLabel, CreatedAt: at(i), Content: prose(rng, 100),
			Tags: nostr.Tags{{"L", "bench"}, {"l", "label", "bench"}, {"a", coordinate(rng.IntN(repos))}},
		}
		keys[i], all[i] = ownersMost+rng.IntN(writersMost), i
	}
	out := make([]entry, n)
	return out, signAll(drafts, keys, all, out)
}

// repeats counts how often each of some events was written, and says when so many different ones were.
type repeats struct {
	mu      sync.Mutex
	sent    map[string]int
	once    int
	again   int
	marks   []int         // ascending
	reached chan struct{} // a value for each of marks
}

func newRepeats(events []entry, marks ...int) *repeats {
	r := &repeats{sent: make(map[string]int, len(events)), marks: marks, reached: make(chan struct{}, len(marks))}
	for _, e := range events {
		r.sent[e.event.ID] = 0
	}
	return r
}

// note fits peer.onWire.
func (r *repeats) note(id string, _, _ time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, counted := r.sent[id]
	if !counted {
		return
	}
	r.sent[id] = n + 1
	if n > 0 {
		r.again++
		return
	}
	r.once++
	if len(r.marks) > 0 && r.once >= r.marks[0] {
		r.marks = r.marks[1:]
		r.reached <- struct{}{}
	}
}

func (r *repeats) twice() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.again
}
