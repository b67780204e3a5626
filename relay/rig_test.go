package relay

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// sinkhole is a Sink with a number of places. With none given it always grants.
type sinkhole struct {
	mu        sync.Mutex
	places    int // 0: without limit
	held      int // reserved and not used
	used      int // delivered and not freed
	most      int // largest held + used
	waiting   int // size of the request that waits
	grant     chan<- struct{}
	delivered []Delivery
	marks     []Mark
	at        []time.Time               // of marks
	ended     map[BatchID]chan struct{} // closed with the final mark
	gone      bool
	faults    []string
	known     map[event.ID]bool // not to be fetched
	awaited   int               // ids
	rooms     int
	heavy     chan chan<- struct{} // where Room is to be answered by the test, nil: at once
}

func (s *sinkhole) Await(_ ConnID, _ BatchID, ids []event.ID, lack chan<- []event.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaited += len(ids)
	brought := make(map[event.ID]bool, len(s.delivered))
	for _, d := range s.delivered {
		brought[d.Event.ID] = true
	}
	var out []event.ID
	for _, id := range ids {
		if !s.known[id] && !brought[id] {
			out = append(out, id)
		}
	}
	lack <- out
}

func (s *sinkhole) Room(_ ConnID, room chan<- struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms++; s.heavy != nil {
		s.heavy <- room
		return
	}
	room <- struct{}{}
}

func (s *sinkhole) Reserve(_ ConnID, n int, grant chan<- struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting > 0 {
		s.faults = append(s.faults, "two requests for credit")
	}
	if n < 1 || n > MaxReserve {
		s.faults = append(s.faults, fmt.Sprintf("request for %d", n))
	}
	s.waiting, s.grant = n, grant
	s.try()
}

func (s *sinkhole) try() {
	if s.waiting == 0 || (s.places > 0 && s.held+s.used+s.waiting > s.places) {
		return
	}
	s.held += s.waiting
	s.most = max(s.most, s.held+s.used)
	s.waiting = 0
	s.grant <- struct{}{}
}

func (s *sinkhole) Release(_ ConnID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held -= n; s.held < 0 || n < 1 {
		s.faults = append(s.faults, fmt.Sprintf("release of %d", n))
	}
	s.try()
}

func (s *sinkhole) Deliver(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Batch != 0 {
		s.used++
		if s.held--; s.held < 0 {
			s.faults = append(s.faults, "historic event without credit")
		}
	}
	if s.gone {
		s.faults = append(s.faults, "event behind Gone")
	}
	s.delivered = append(s.delivered, d)
}

func (s *sinkhole) Mark(m Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		s.faults = append(s.faults, "mark behind Gone")
	}
	for _, d := range s.delivered {
		if m.Batch == 0 && d.Batch == 0 && d.At.After(m.Stamp) {
			s.faults = append(s.faults, "event newer than its mark")
		}
	}
	s.marks = append(s.marks, m)
	s.at = append(s.at, time.Now())
	if m.Final {
		close(s.overLocked(m.Batch))
	}
}

// over is closed when a batch has had its final mark.
func (s *sinkhole) over(id BatchID) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overLocked(id)
}

func (s *sinkhole) overLocked(id BatchID) chan struct{} {
	if s.ended == nil {
		s.ended = map[BatchID]chan struct{}{}
	}
	if s.ended[id] == nil {
		s.ended[id] = make(chan struct{})
	}
	return s.ended[id]
}

func (s *sinkhole) Gone(ConnID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.held = true, 0
}

// free gives the places of delivered events back.
func (s *sinkhole) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = 0
	s.try()
}

func (s *sinkhole) ids(batch BatchID) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, d := range s.delivered {
		if d.Batch == batch {
			out = append(out, d.Event.ID.String())
		}
	}
	return out
}

// final is the last mark of a batch, nil when there is none.
func (s *sinkhole) final(batch BatchID) *Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.marks {
		if m.Batch == batch && m.Final {
			return &m
		}
	}
	return nil
}

func (s *sinkhole) marksOf(batch BatchID) []Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Mark
	for _, m := range s.marks {
		if m.Batch == batch {
			out = append(out, m)
		}
	}
	return out
}

func (s *sinkhole) faulty() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// rig is a connection to a scripted relay, inside a bubble.
type rig struct {
	t        *testing.T
	relay    *relaytest.Relay
	sink     *sinkhole
	commands chan Command
	hangup   context.CancelFunc
	ended    chan error

	mu      sync.Mutex
	reports []Report
}

func newRig(t *testing.T, script relaytest.Options, change func(*ConnOptions)) *rig {
	t.Helper()
	g := &rig{
		t: t, relay: relaytest.Start(t, script), sink: &sinkhole{},
		commands: make(chan Command, 64), ended: make(chan error, 1),
	}
	reports := make(chan Report)
	go func() {
		for r := range reports {
			g.mu.Lock()
			g.reports = append(g.reports, r)
			g.mu.Unlock()
		}
	}()
	o := ConnOptions{
		ID: 7, URL: testURL, Dialer: testDialer(g.relay, nil), Sink: g.sink, Reports: reports, Commands: g.commands,
	}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g.hangup = cancel
	go func() {
		g.ended <- NewConn(o).Run(ctx)
		close(reports)
	}()
	t.Cleanup(func() {
		cancel()
		synctest.Wait()
		require.Empty(t, g.sink.faulty())
	})
	synctest.Wait()
	return g
}

func (g *rig) tell(cmds ...Command) {
	for _, c := range cmds {
		g.commands <- c
	}
	synctest.Wait()
}

func (g *rig) ask(id BatchID, fs ...nostr.Filter) {
	g.tell(AskBatch{Batch{ID: id, Filters: fs}})
}

// prove has the relay show that it sends EOSE behind the events: from then on an empty page is believed at once.
func (g *rig) prove() {
	const kind, id = 9999, BatchID(1 << 32)
	g.relay.Publish(relaytest.Event(1, kind, 1000, "in front of EOSE"))
	g.ask(id, kinds(kind))
	g.wait(id)
}

func (g *rig) said() []Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.reports)
}

// reported gives the reports of one kind.
func reported[R Report](g *rig) []R {
	var out []R
	for _, r := range g.said() {
		if r, ok := r.(R); ok {
			out = append(out, r)
		}
	}
	return out
}

// wait gives the final mark of a batch.
func (g *rig) wait(id BatchID) Mark {
	g.t.Helper()
	select {
	case <-g.sink.over(id):
	case <-time.After(24 * time.Hour):
		require.Fail(g.t, "batch has no end", "%d", id)
	}
	synctest.Wait()
	return *g.sink.final(id)
}

func liveOf(id string, fs ...nostr.Filter) SetLive {
	for i := range fs {
		fs[i] = filters.AsLive(fs[i])
	}
	return SetLive{Open: []Sub{{ID: id, Filters: fs}}}
}

func wireIDs(events []nostr.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

func kinds(ks ...int) nostr.Filter { return nostr.Filter{Kinds: ks} }

// sameIDs wants every id once, and says little when it is not so.
func sameIDs(t *testing.T, want, got []string) {
	t.Helper()
	require.Equal(t, len(want), len(got), "as many ids") //nolint:testifylint // Len would print them all
	want, got = slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	require.True(t, slices.Equal(want, got), "not the same ids")
}

func historicKinds(ks ...int) []nostr.Filter { return []nostr.Filter{kinds(ks...)} }
