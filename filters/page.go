package filters

import (
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Verdict is what a Pager says of an event.
type Verdict uint8

// Verdicts.
const (
	Wanted    Verdict = iota
	Duplicate         // this pager has seen it; a distant repetition passes as Wanted
	OffFilter         // no filter of the page asked for it
	TooMany           // the page brought more than was asked for: cut it off with Fail
)

// Hint is what a relay says with EOSE about completeness (NIP-67).
type Hint uint8

// Hints.
const (
	HintNone   Hint = iota
	HintFinish      // every stored event was sent
	HintMore        // there are more
)

// ParseHint reads the third element of EOSE. Unknown hints are ignored, contradicting ones too (NIP-67).
func ParseHint(hints []string) Hint {
	finish, more := slices.Contains(hints, "finish"), slices.Contains(hints, "more")
	switch {
	case finish == more:
		return HintNone
	case finish:
		return HintFinish
	}
	return HintMore
}

// Fault says why a filter failed.
type Fault uint8

// Faults.
const (
	FaultNone       Fault = iota
	FaultAborted          // Fail was called
	FaultUnpageable       // the relay ignores until, or sends what was not asked for
	FaultWithheld         // the relay says that there is more and does not send it
	FaultEndless          // too many pages without anything new
)

// String is the text of logs and of failed batches.
func (f Fault) String() string {
	return [...]string{"none", "page did not end", "unpageable", "withheld", "no progress"}[f]
}

// End is how far a filter has got.
type End struct {
	Done   bool
	Failed bool
	Fault  Fault
	Until  int64 // everything at or above this created_at has been delivered, below it goes on; 0 before the first page
	Gap    bool  // a second held more events than could be asked for
}

// Proven is what was learned of a relay. How many events it gave at once tells a page that it cut from one that holds all
// there is. The zero value knows nothing.
type Proven struct {
	Page   int // distinct events of one page
	Filter int // events of one page that only one filter can have brought
	Until  Bound
}

// Bound is how a relay reads until.
type Bound uint8

// Bounds.
const (
	BoundUnknown   Bound = iota
	BoundInclusive       // as NIP-01 says
	BoundExclusive       // one second more is asked for
)

// page is what has come of the page that is asked.
type page struct {
	cursors  []*cursor
	narrow   *Set // instead of cursors: of one filter
	arrived  int
	off      int                   // matched no filter of the page
	beyond   int                   // of off: newer than until
	older    int                   // of off: older than since, which is below all that was asked for
	seen     map[event.ID]struct{} // matched
	wanted   int
	credited int // sum over filters
}
