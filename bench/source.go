package main

import (
	"context"
	"sync"
	"time"
)

// source is a remote relay that holds events and knows when it has sent a live one.
type source struct {
	*peer
	mu   sync.Mutex
	sent map[string]time.Time // first time that the live event with this id was about to be written
}

// newSource listens on a free port of each address and serves what the store holds.
func newSource(ctx context.Context, s *store, hosts ...string) (*source, error) {
	p, err := newPeer(ctx, s, hosts...)
	if err != nil {
		return nil, err
	}
	src := &source{peer: p, sent: map[string]time.Time{}}
	p.onWire = func(id string, before, _ time.Time) {
		src.mu.Lock()
		defer src.mu.Unlock()
		if _, again := src.sent[id]; !again {
			src.sent[id] = before
		}
	}
	return src, nil
}

// live stores an event and sends it to those who listen.
func (s *source) live(e entry) {
	if s.store.add(e) {
		s.broadcast(e, e.event.ID)
	}
}

// sentAt is when a live event was about to be written for the first time, false when no subscription matched it.
func (s *source) sentAt(id string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.sent[id]
	return at, ok
}
