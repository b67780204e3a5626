package sync

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Before remote relays are asked for the history of a repo, the ledger learns what the own relay holds of it: a survey. What is
// held needs no download and no publishing. A survey only saves work, so whatever answers it ends it.

const (
	surveyRepos  = 100  // of one AskOwn: remote relays are then asked in full filters
	surveyValues = 5000 // coordinates and roots of one AskOwn; a repo that has more is asked alone
)

// resurvey has a repo surveyed, again when its coordinates have changed.
func (e *Engine) resurvey(r *repo) {
	r.surveyed, r.changed = false, true
	e.surveyAgain(r)
}

// surveyAgain has a repo surveyed while what is wanted of it goes on.
func (e *Engine) surveyAgain(r *repo) {
	if !r.toSurvey {
		r.toSurvey = true
		e.unsurveyed = append(e.unsurveyed, r)
	}
}

// loadSurveyed takes up what was surveyed before the restart, as long as the repo has the same coordinates.
func (e *Engine) loadSurveyed(rows []SaveRepo) {
	for _, row := range rows {
		if r := e.repos[row.Ref]; r != nil && row.Surveyed && len(row.Coordinates) == len(r.coords) {
			r.surveyed, r.toSurvey = true, false
		}
	}
	e.unsurveyed = slices.DeleteFunc(e.unsurveyed, func(r *repo) bool { return !r.toSurvey })
}

// survey asks the own relay about the next repos, one AskOwn at a time.
func (e *Engine) survey() {
	if len(e.surveying) > 0 || !e.loaded {
		return
	}
	var ask AskOwn
	for len(e.unsurveyed) > 0 && len(e.surveying) < surveyRepos {
		r := e.unsurveyed[0]
		gone := e.repos[r.ref] != r
		if size := len(ask.Refs) + len(ask.Roots) + len(r.coords) + len(r.roots); !gone && len(e.surveying) > 0 && size > surveyValues {
			break
		}
		e.unsurveyed = e.unsurveyed[1:]
		if r.toSurvey = false; gone {
			continue
		}
		r.changed = false
		e.surveying = append(e.surveying, r)
		ask.Refs = append(ask.Refs, r.currentCoords()...)
		ask.Roots = append(ask.Roots, e.rootIDs(r)...)
	}
	if len(e.unsurveyed) == 0 {
		e.unsurveyed = nil
	}
	if len(e.surveying) > 0 {
		slices.SortFunc(ask.Refs, event.Ref.Compare)
		ask.Refs = slices.Compact(ask.Refs) // repos share coordinates
		e.emit(ask)
	}
}

// surveyAnswered lets remote relays be asked about the repos of the last AskOwn, but for those that have changed since. Where the own relay has
// lost events, they are asked for everything again; all of them, where it has lost some elsewhere.
func (e *Engine) surveyAnswered(lost, elsewhere int, now time.Time) {
	again := map[*remote]bool{}
	if elsewhere > 0 {
		for _, r := range e.sortedRelays() {
			if len(r.wants) > 0 {
				again[r] = true
				e.refill(r, now)
			}
		}
	}
	for _, r := range e.surveying {
		for _, w := range r.sortedWants() {
			if lost > 0 && !again[w.remote] {
				again[w.remote] = true
				e.refill(w.remote, now)
			}
		}
		if r.changed {
			continue
		}
		r.surveyed = true
		e.saveAnnouncement(r.ref)
		for _, w := range r.sortedWants() {
			delete(w.remote.unread, w)
			e.queue(w)
		}
	}
	if lost+elsewhere > 0 {
		e.log.Warn("own relay has lost events; their relays are asked again",
			zap.Int("events", lost), zap.Int("elsewhere", elsewhere), zap.Int("repos", len(e.surveying)), zap.Int("relays", len(again)))
	}
	e.surveying = nil
}
