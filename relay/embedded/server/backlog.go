package server

import (
	"sync"

	"github.com/nbd-wtf/go-nostr"
)

// backlog is how many bytes are kept for each client: what he has not read yet, his events that are not answered, and the filters of his
// subscriptions. It never waits. When all together come to more than most, the client that has the most has to go.
type backlog struct {
	mu          sync.Mutex
	most, total int64
	of          map[*client]int64 // of those that are not cut off
}

func newBacklog(most int64) *backlog { return &backlog{most: most, of: make(map[*client]int64)} }

func (b *backlog) enter(c *client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of[c] = 0
}

func (b *backlog) leave(c *client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(c)
}

// drop takes a client out; what is added to him from then on, or taken, is not counted.
func (b *backlog) drop(c *client) {
	b.total -= b.of[c]
	delete(b.of, c)
}

// add counts n bytes, or takes them off when n is negative. It cuts off who has the most when all is too much.
func (b *backlog) add(c *client, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, here := b.of[c]; !here {
		return
	}
	b.of[c] += n
	b.total += n
	for b.total > b.most {
		most := c
		for other, bytes := range b.of {
			if bytes > b.of[most] {
				most = other
			}
		}
		b.drop(most)
		most.cancel(errTooMuch)
		if most == c {
			return
		}
	}
}

// weightOf is about what filters take in memory, in bytes.
func weightOf(filters []nostr.Filter) int64 {
	const each, value = 256, 24 // a filter with empty lists, a short string beside its text
	n := int64(0)
	texts := func(list []string) {
		for _, v := range list {
			n += value + int64(len(v))
		}
	}
	for _, f := range filters {
		n += each + 8*int64(len(f.Kinds))
		texts(f.IDs)
		texts(f.Authors)
		for name, list := range f.Tags {
			n += each + int64(len(name))
			texts(list)
		}
	}
	return n
}
