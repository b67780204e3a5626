package main

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// sink is an own relay that answers OK true at once and checks nothing. It keeps the announcements, roots and deletions, which
// are what an own relay tells the daemon back; of everything else it keeps the id.
type sink struct {
	*peer
	mu       sync.Mutex
	answered map[string]time.Time // when the OK had been written
	order    []time.Time          // the same moments, as they came
	wanted   map[string]bool      // not answered yet
	complete chan struct{}        // closed when nothing is wanted any more
	strange  int                  // messages without an id
	again    int                  // events that came a second time
}

// newSink listens on a free loopback port. wanted are the ids to wait for.
func newSink(ctx context.Context, wanted []string) (*sink, error) {
	p, err := newPeer(ctx, newStore(), loopback)
	if err != nil {
		return nil, err
	}
	s := &sink{peer: p, answered: map[string]time.Time{}}
	s.expect(wanted)
	p.publish, p.onWire = s.take, s.wrote
	return s, nil
}

// expect sets what to wait for from now on; what has been answered already is not waited for.
func (s *sink) expect(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = make(chan struct{})
	s.wanted = make(map[string]bool, len(ids))
	for _, id := range ids {
		if _, has := s.answered[id]; !has {
			s.wanted[id] = true
		}
	}
	if len(s.wanted) == 0 {
		close(s.complete)
	}
}

// forget lets events come again as if they never had. The daemon was told that they are stored: it has to be another one.
func (s *sink) forget(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.answered, id)
	}
	s.order = nil
}

// done is closed when all that is expected has been answered.
func (s *sink) done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complete
}

// missing gives the ids that are still expected, in no order.
func (s *sink) missing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for id := range s.wanted {
		out = append(out, id)
	}
	return out
}

// take answers an EVENT message and tells those who listen.
func (s *sink) take(c *client, msg []byte) {
	id, kind, ok := peek(msg)
	if !ok {
		s.mu.Lock()
		s.strange++
		s.mu.Unlock()
		return
	}
	answer := make([]byte, 0, 96)
	answer = append(answer, `["OK","`...)
	answer = append(answer, id...)
	answer = append(answer, `",true,""]`...)
	c.out.put(outgoing{msg: answer, note: id})
	if !served(kind) {
		return
	}
	raw := bytes.Clone(msg[len(`["EVENT",`) : len(msg)-1])
	e := entry{event: new(nostr.Event), raw: raw}
	if e.event.UnmarshalJSON(raw) == nil && s.store.add(e) {
		s.broadcast(e, "")
	}
}

// served reports the kinds that selfsub asks for.
func served(kind int) bool {
	return kind == event.KindAnnouncement || kind == event.KindDeletion || event.IsRoot(kind)
}

func (s *sink) wrote(id string, _, after time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.answered[id]; twice {
		s.again++
		return
	}
	s.answered[id] = after
	s.order = append(s.order, after)
	if s.wanted[id] {
		delete(s.wanted, id)
		if len(s.wanted) == 0 {
			close(s.complete)
		}
	}
}

// answeredAt is when the OK for an event had been written.
func (s *sink) answeredAt(id string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.answered[id]
	return at, ok
}

// arrivals gives the moments of all answers, oldest first.
func (s *sink) arrivals() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

// peek finds id and kind in the JSON of an event without reading the rest. A quote inside a string is escaped, so
// `"id":"` can only be a key, and an event has no objects in it.
func peek(msg []byte) (id string, kind int, ok bool) {
	const idKey, kindKey = `"id":"`, `"kind":`
	_, rest, found := bytes.Cut(msg, []byte(idKey))
	if !found || len(rest) < 65 || rest[64] != '"' {
		return "", 0, false
	}
	id = string(rest[:64])
	if _, rest, found = bytes.Cut(msg, []byte(kindKey)); !found {
		return "", 0, false
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	kind, err := strconv.Atoi(string(rest[:end]))
	return id, kind, err == nil
}
