package server

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Limits bounds what a client may ask. A zero value takes the default, except where it says otherwise.
type Limits struct {
	MessageBytes    int           // of one incoming message, 1 MiB and 1 KiB: an event of 1 MiB in its envelope
	Subscriptions   int           // open at a time per client, 200
	Filters         int           // of one REQ, 100
	FilterValues    int           // ids, authors, kinds and tag values of one REQ together, 20,000
	SubIDBytes      int           // 64 (NIP-01)
	PageLimit       int           // events per filter that one REQ gives at most, 1,000
	DefaultLimit    int           // the same when the filter states none, 500
	Clients         int           // connections at a time, 512
	Reconciliations int           // NIP-77 sessions at a time over all clients, 8; negative: not served
	ReconcileItems  int           // events of one NIP-77 session, 1,000,000
	OutBytes        int64         // answers and live events that wait for one client, 16 MiB
	TotalBytes      int64         // that wait for all clients or are kept of them, 256 MiB; who has the most is cut off
	Delay           time.Duration // before a REQ is answered; 0: at once
	Event           event.Limits
}

func (l Limits) withDefaults() Limits {
	def(&l.MessageBytes, 1<<20+1<<10)
	def(&l.Subscriptions, 200)
	def(&l.Filters, 100)
	def(&l.FilterValues, 20_000)
	def(&l.SubIDBytes, 64)
	def(&l.PageLimit, 1000)
	def(&l.DefaultLimit, 500)
	def(&l.Clients, 512)
	def(&l.Reconciliations, 8)
	def(&l.ReconcileItems, 1_000_000)
	def(&l.OutBytes, 16<<20)
	def(&l.TotalBytes, 256<<20)
	if l.Event == (event.Limits{}) {
		l.Event = event.DefaultLimits()
	}
	l.DefaultLimit = min(l.DefaultLimit, l.PageLimit)
	return l
}

func def[T int | int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// page is how many stored events one filter may bring.
func (l Limits) page(asked int) int {
	if asked <= 0 {
		return l.DefaultLimit
	}
	return min(asked, l.PageLimit)
}

const (
	pingEvery     = 30 * time.Second
	pongWait      = 15 * time.Second
	writeWait     = 30 * time.Second
	goodbyeWait   = time.Second      // for the answer to a close frame
	authSkew      = 10 * time.Minute // how far the time of an AUTH event may be off (NIP-42)
	ordersWait    = 64               // events of one client between its reader and the backend
	bulkFrames    = 8                // stored events that wait for the writer of one client
	promptFrames  = 4096             // answers and live events that wait for it
	queriesAtOnce = 8                // stored queries over all clients
	fetchAtOnce   = 16               // events that one of them holds in memory
	provenKeys    = 20               // per client (NIP-42)
)
