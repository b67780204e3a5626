package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Result compares the own relay with what it should hold.
type Result struct {
	Wanted  int
	Held    int      // of those
	Missing []Wanted // oldest first
	Surplus []*event.Event
	From    map[relayurl.URL]Share
}

// Share is the part that one remote relay has in it.
type Share struct {
	Relay  int // events on the relay
	Wanted int // of those that should arrive
	Only   int // of those that no other relay has
	Held   int // of those that should arrive and are there
}

// Complete reports that nothing is missing and nothing is there that should not be.
func (r Result) Complete() bool { return len(r.Missing) == 0 && len(r.Surplus) == 0 }

// Check compares what the own relay holds with what the remote relays had when it was called.
func (w *World) Check(held []*event.Event) Result {
	want := w.Expected()
	have := make(map[event.ID]bool, len(held))
	out := Result{Wanted: len(want.Wanted), From: map[relayurl.URL]Share{}}
	for _, e := range held {
		have[e.ID] = true
		if _, ok := want.Wanted[e.ID]; !ok && !want.Optional[e.ID] {
			out.Surplus = append(out.Surplus, e)
		}
	}
	for _, r := range w.relays {
		out.From[r.Name] = Share{Relay: r.Len()}
	}
	for id, e := range want.Wanted {
		if have[id] {
			out.Held++
		} else {
			out.Missing = append(out.Missing, e)
		}
		for _, name := range e.On {
			s := out.From[name]
			s.Wanted++
			if len(e.On) == 1 {
				s.Only++
			}
			if have[id] {
				s.Held++
			}
			out.From[name] = s
		}
	}
	slices.SortFunc(out.Missing, func(a, b Wanted) int { return byAge(a.Event, b.Event) })
	slices.SortFunc(out.Surplus, byAge)
	return out
}

func byAge(a, b *event.Event) int {
	if a.CreatedAt != b.CreatedAt {
		return int(a.CreatedAt - b.CreatedAt)
	}
	return slices.Compare(a.ID[:], b.ID[:])
}

const (
	contentsPage  = 500
	contentsLimit = 16 << 20 // bytes of one message
)

// Contents reads everything that a relay serves, page by page.
func Contents(ctx context.Context, url string) (_ []*event.Event, err error) {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, fmt.Errorf("contents: %w", err)
	}
	defer func() { _ = conn.CloseNow() }() // everything was read, or an error is reported
	conn.SetReadLimit(contentsLimit)
	seen := map[event.ID]bool{}
	var all []*event.Event
	filter := fmt.Sprintf(`{"limit":%d}`, contentsPage)
	for {
		page, err := readPage(ctx, conn, filter)
		if err != nil {
			return nil, fmt.Errorf("contents: %w", err)
		}
		fresh, oldest := 0, nostr.Timestamp(math.MaxInt64)
		for _, e := range page {
			oldest = min(oldest, e.CreatedAt) // not the last: a live event may come in between
			if !seen[e.ID] {
				seen[e.ID] = true
				all = append(all, e)
				fresh++
			}
		}
		if fresh == 0 {
			return all, nil
		}
		// Inclusive: the second at the edge may have more than the page showed.
		filter = fmt.Sprintf(`{"limit":%d,"until":%d}`, contentsPage, oldest)
	}
}

func readPage(ctx context.Context, conn *websocket.Conn, filter string) ([]*event.Event, error) {
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `["REQ","contents",%s]`, filter)); err != nil {
		return nil, err
	}
	var page []*event.Event
	for {
		_, msg, err := conn.Read(ctx)
		if err != nil {
			return nil, err
		}
		var fields []json.RawMessage
		if err := json.Unmarshal(msg, &fields); err != nil || len(fields) < 2 {
			return nil, fmt.Errorf("unexpected message %.100q", msg)
		}
		switch string(fields[0]) {
		case `"EVENT"`:
			if len(fields) != 3 {
				return nil, fmt.Errorf("unexpected message %.100q", msg)
			}
			e, err := event.Parse(fields[2], event.DefaultLimits())
			if err != nil {
				return nil, err
			}
			page = append(page, e)
		case `"EOSE"`:
			return page, nil
		default:
			return nil, fmt.Errorf("unexpected message %.100q", msg)
		}
	}
}
