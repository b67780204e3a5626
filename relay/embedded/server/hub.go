package server

import (
	"context"

	"github.com/nbd-wtf/go-nostr"
)

// hub knows who listens to what. Its goroutine owns the table; the others send it messages and never wait long: it waits
// for nobody.
type hub struct {
	inbox chan any
	done  chan struct{}
}

type (
	// listen puts filters under a client's subscription id, in place of those that were there. ack is closed when it holds.
	listen struct {
		client  *client
		sub     string
		filters []nostr.Filter
		ack     chan struct{}
	}
	// forget ends one subscription, or all of a client when sub is empty.
	forget struct {
		client *client
		sub    string
	}
	// news is an event that was accepted.
	news struct {
		event *nostr.Event
		raw   []byte
	}
)

func newHub() *hub {
	return &hub{inbox: make(chan any, 256), done: make(chan struct{})}
}

// post hands a message over; false when the hub has stopped.
func (h *hub) post(msg any) bool {
	select {
	case h.inbox <- msg:
		return true
	case <-h.done:
		return false
	}
}

func (h *hub) run(ctx context.Context) {
	defer close(h.done)
	table := map[*client]map[string][]nostr.Filter{}
	for {
		select {
		case <-ctx.Done():
			return
		case msg := <-h.inbox:
			switch m := msg.(type) {
			case listen:
				if table[m.client] == nil {
					table[m.client] = map[string][]nostr.Filter{}
				}
				table[m.client][m.sub] = m.filters
				close(m.ack)
			case forget:
				delete(table[m.client], m.sub)
				if m.sub == "" || len(table[m.client]) == 0 {
					delete(table, m.client)
				}
			case news:
				for c, subs := range table {
					for sub, filters := range subs {
						if nostr.Filters(filters).Match(m.event) {
							c.tell(eventFrame(sub, m.raw))
						}
					}
				}
			}
		}
	}
}
