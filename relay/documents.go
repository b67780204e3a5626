package relay

import (
	"sync"
	"time"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Bounds of what is remembered of documents.
const (
	maxDocuments = 5000      // of about 1 kB each at most
	absentAge    = time.Hour // a relay without a document is not asked on each reconnect
)

// documents remembers what relays said of themselves, and which of them have nothing to say.
type documents struct {
	age time.Duration

	mu    sync.Mutex
	byURL map[relayurl.URL]remembered
}

// remembered is a document, or the failure that stands for its absence.
type remembered struct {
	doc    Document
	absent *health.Failure
	at     time.Time
}

func (d *documents) get(u relayurl.URL, now time.Time) (Document, *health.Failure, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.byURL[u]
	if !ok {
		return Document{}, nil, false
	}
	age := d.age
	if r.absent != nil {
		age = min(age, absentAge)
	}
	if now.Sub(r.at) >= age {
		delete(d.byURL, u)
		return Document{}, nil, false
	}
	return r.doc, r.absent, true
}

func (d *documents) put(u relayurl.URL, r remembered) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byURL == nil {
		d.byURL = map[relayurl.URL]remembered{}
	}
	if _, known := d.byURL[u]; !known && len(d.byURL) >= maxDocuments {
		d.dropOldest()
	}
	d.byURL[u] = r
}

func (d *documents) dropOldest() {
	var oldest relayurl.URL
	var at time.Time
	for u, r := range d.byURL {
		if at.IsZero() || r.at.Before(at) {
			oldest, at = u, r.at
		}
	}
	delete(d.byURL, oldest)
}
