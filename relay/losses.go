package relay

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// losses remembers what the own relay has lost. Some relays say OK and do not keep an event: khatru an old version of an addressable one,
// strfry what a policy rejects silently, nostr-rs-relay what was deleted. To bring such an event again costs a full pass each time, so
// it may twice at once, and then a day, 7 days and 30 days after the loss before.
type losses map[event.ID]loss

type loss struct {
	at    time.Time
	count uint8
}

const (
	lossesKept = 100_000 // an own relay that loses more is not choosy
	lossAge    = 90 * offerDay
)

// sift gives what of some lost ids may be fetched again, and notes that. Where more than a tenth of all that is known has gone again, that is
// no choice of the own relay's: it was wiped, and everything may.
func (l losses) sift(now time.Time, ids []event.ID, known int) []event.ID {
	var out, waiting []event.ID
	for _, id := range ids {
		if x, again := l[id]; again && x.count > 1 && now.Before(x.at.Add(rejectedAgain[min(int(x.count)-2, len(rejectedAgain)-1)])) {
			waiting = append(waiting, id)
		} else {
			out = append(out, id)
		}
	}
	if len(waiting)*10 > known {
		out = ids
	}
	if len(l)+len(out) > lossesKept {
		for id, x := range l {
			if now.Sub(x.at) >= lossAge {
				delete(l, id)
			}
		}
	}
	for _, id := range out {
		if x, again := l[id]; again || len(l) < lossesKept {
			l[id] = loss{now, min(x.count+1, 100)}
		}
	}
	return out
}
