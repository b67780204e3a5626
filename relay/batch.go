package relay

import (
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// batchRun is a batch while it is asked.
type batchRun struct {
	id         BatchID
	mode       Mode
	background bool
	wanted     bool
	total      int // filters
	groups     []*group
	gaps       []int  // filters that windows which were forgotten had gaps in
	open       int    // groups that have not ended
	err        string // why the first filter failed, empty when none did
	errs       int    // other reasons
	once       seenIDs

	trial *trial // of a REQ that was refused, nil when there is none
	extra int    // REQs that refusals have cost

	ours   KnownIDs  // our side of its reconciliations, nil when nothing is reconciled
	unseen *unseen   // nil unless it is compared
	sample *sampling // nil unless it samples

	splits   int               // of filters that are too large to be reconciled at once
	unserved map[int]*unserved // by filter

	abandoned bool // the final mark says it all
	ended     bool
}

const maxBatchErr = 200 // bytes

// fail notes why filters of a batch failed.
func (b *batchRun) fail(why string) {
	why = clipTo(why, maxBatchErr)
	switch {
	case b.err == "":
		b.err = why
	case why != b.err:
		b.errs++
	}
}

// mark says how far the filters of a batch have got.
func (b *batchRun) mark(id ConnID) Mark {
	all := make([]FilterEnd, b.total)
	told := make([]bool, b.total)
	for _, g := range b.groups {
		ends := g.ends()
		for i, at := range g.index {
			end := ends[i]
			if told[at] {
				end = join(all[at], end)
			}
			all[at], told[at] = end, true
		}
	}
	for _, at := range b.gaps {
		all[at].Gap = true
	}
	for at := range b.unserved {
		all[at].Until = 0 // nobody knows where the events are that are missing
		if all[at].Done && b.withheld(at) {
			all[at].Done, all[at].Failed = false, true
		}
	}
	return Mark{Conn: id, Batch: b.id, Filters: all}
}

// join gives the end of a filter that was asked in two parts.
func join(a, b FilterEnd) FilterEnd {
	j := FilterEnd{Done: a.Done && b.Done, Failed: a.Failed || b.Failed, Gap: a.Gap || b.Gap}
	switch {
	case a.Done && b.Done:
		j.Until = min(a.Until, b.Until)
	case a.Done:
		j.Until = b.Until
	case b.Done:
		j.Until = a.Until
	case a.Until > 0 && b.Until > 0:
		j.Until = max(a.Until, b.Until)
	}
	return j
}

// seenIDs remembers the last ids of a batch, so that an event that matches several of its filters is delivered once.
// An older one may pass again: the publisher knows it.
type seenIDs struct{ young, old map[event.ID]struct{} }

const seenGeneration = 1 << 13

func (s *seenIDs) first(id event.ID) bool {
	if _, ok := s.young[id]; ok {
		return false
	}
	if _, ok := s.old[id]; ok {
		return false
	}
	if len(s.young) >= seenGeneration || s.young == nil {
		s.old, s.young = s.young, map[event.ID]struct{}{}
	}
	s.young[id] = struct{}{}
	return true
}
