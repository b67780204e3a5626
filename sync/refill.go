package sync

import (
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// An own relay that was wiped, or restored from an old backup, is filled again. Every complete picture, which follows each loss of the
// connection and comes once a day, has all repos surveyed anew; the survey compares what the ledger says the own relay has with
// what it has. What it lost is not known any more then, and a full pass over the relays of its repos brings it again.

// pictured compares the stored announcements with a complete picture. What it lacks and the one before it had was removed by the operator,
// as long as the connection stood in between and it is not too much for that. Else it was lost, and stays wanted (DESIGN §7).
func (e *Engine) pictured(picture uint64, steady bool) {
	e.loaded, e.election.review.due = true, true
	var gone, lost []event.Ref
	known := 0 // of what it showed, not of what it holds
	for ref := range e.saved {
		if e.isHeld(ref) {
			continue
		}
		known++
		switch seen := e.seen[ref]; {
		case seen >= picture:
		case steady && seen+1 == picture:
			gone = append(gone, ref)
		default:
			lost = append(lost, ref)
		}
	}
	if wiped(len(gone), known) {
		gone, lost = nil, append(lost, gone...)
	}
	if len(lost) > 0 {
		e.log.Warn("own relay lacks announcements that it had; they stay wanted",
			zap.Int("missing", len(lost)), zap.Int("known", known))
	}
	for _, ref := range sortedRefs(gone) {
		e.log.Info("own relay has an announcement no longer; its repo is not wanted any more", zap.Stringer("repo", ref))
		e.unwant(ref)
	}
	for _, r := range e.sortedRelays() {
		e.touch(r) // removal waits for the first picture
	}
	for _, ref := range e.sortedRepos() {
		e.surveyAgain(e.repos[ref])
	}
}

// wiped reports whether so much is missing that it cannot be the operator's tidying: all, or over a tenth and at least
// ten.
func wiped(missing, known int) bool {
	return missing > 0 && (missing == known || (missing >= 10 && missing*10 > known))
}

// owed is the last full pass of a relay that owes one, which is stored so that a restart does not forget it. It is not zero: that is a
// relay whose first sync is not over, and goes on where it was.
var owed = time.Unix(1, 0).UTC()

// lastPass is when the last full pass ended, zero before the first and while one is owed.
func (r *remote) lastPass() time.Time {
	if r.lastFull.Equal(owed) {
		return time.Time{}
	}
	return r.lastFull
}

// refill has a relay asked for everything once more, after what it is being asked.
func (e *Engine) refill(r *remote, now time.Time) {
	r.lastFull, r.unsafe = owed, true
	e.passAgain(r, now)
}

// passAgain makes a relay due for a full pass, behind the one that is open unless that cannot be completed.
func (e *Engine) passAgain(r *remote, now time.Time) {
	r.refill = true
	r.richAgain()
	if !r.full || r.phase == ConnectedDegraded {
		r.nextFull = now
	}
	e.touch(r)
}
