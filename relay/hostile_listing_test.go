package relay

import (
	"testing"
	"testing/synctest"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// What is in the works already is listed, and not fetched: nobody knows its date, and the check has to find out.
var listings = []fault{
	{name: "lists the newest only", script: relaytest.Options{Negentropy: newest}, opts: inWorks(0, 0), mode: capped},
	{name: "lists the newest only, the last of them in the works", script: relaytest.Options{Negentropy: newest}, opts: inWorks(15, 20), mode: capped},
	{name: "lists the newest only, all in the works", script: relaytest.Options{Negentropy: newest, PageCap: 7}, opts: inWorks(0, 20), mode: capped},
	{
		name: "lists the newest only, more of them in the works than a check looks at", opts: inWorks(0, 400),
		script: relaytest.Options{Events: relaytest.Notes(430, 1, 5000), Negentropy: relaytest.Negentropy{Speak: true, Newest: 400}, PageCap: 10},
	},
	{
		name: "lists the newest only, and closes the check behind its answer", opts: inWorks(0, 0), mode: capped,
		script: relaytest.Options{Negentropy: newest, Spoil: onceAt(2, closing(1, "error: that is enough"))},
	},
	{
		name: "lists the newest only, and refuses the check", opts: inWorks(0, 0),
		script: relaytest.Options{Negentropy: newest, Spoil: onceAt(2, closing(0, "error: that is enough"))},
	},
	{name: "lists all, the last of them in the works", script: relaytest.Options{Negentropy: all}, opts: inWorks(29, 30), lacks: 1},
	{
		name: "lists all but what is never synced", opts: inWorks(0, 0), lacks: 1,
		script: relaytest.Options{
			Events:     append(relaytest.Notes(30, 1, 5000), protected),
			Negentropy: relaytest.Negentropy{Speak: true, Hide: func(id string) bool { return id == protected.ID }},
		},
	},
	{
		name: "lists the newest only, and ignores until", opts: inWorks(0, 0), err: "unpageable", charge: OffenceUnpageable,
		script: relaytest.Options{Negentropy: newest, IgnoreUntil: true},
	},
}

const capped = "capped: it has events that it does not list"

var (
	newest    = relaytest.Negentropy{Speak: true, Newest: 20}
	all       = relaytest.Negentropy{Speak: true}
	protected = relaytest.Event(1, 1, 4000, "for members", nostr.Tag{"-"})
)

// inWorks has the connection reconcile, with one note on our side that the relay lacks. Of its own notes some are in the works already.
func inWorks(from, to int) func(*ConnOptions) {
	return func(o *ConnOptions) {
		o.Negentropy, o.Known = true, ledgerOf(relaytest.Event(1, 1, 6000, "known"))
		known := map[event.ID]bool{}
		for _, e := range relaytest.Notes(max(30, to+30), 1, 5000)[from:to] {
			id, err := event.ParseID(e.ID)
			if err != nil {
				panic(err) // a mistake of relaytest
			}
			known[id] = true
		}
		o.Sink.(*sinkhole).known = known
	}
}

// Whatever a reconciliation has not listed is noticed, and comes by pages.
func TestHostileListing(t *testing.T) {
	for _, tt := range listings {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.run(t) })
		})
	}
}
