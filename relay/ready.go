package relay

import (
	"hash/maphash"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// lane is where a work stands among those that can be sent.
func (w *work) lane() (class int, source relayurl.URL, repo uint64) {
	if w.repo == 0 {
		w.repo = repoLane(w.event, w.refs)
	}
	return sendClass(w.event.Kind, w.mode == Live), w.source, w.repo
}

func (w *work) number() uint64 { return w.n }

func (w *work) leftLane(int) bool { return w.stage != ready }

// sendClass orders what is to be sent: live before historic, then what others rest on first, deletions last. A state goes with the
// live events whatever brought it, so that it follows within a second of its announcement's OK (DESIGN §6).
func sendClass(kind int, live bool) int {
	class := outcomeClass(kind)
	if !live && class != classState {
		class += liveClasses
	}
	return class
}

// outcomeClass orders what is ready: what others rest on first, deletions last.
func outcomeClass(kind int) int {
	switch {
	case kind == event.KindAnnouncement:
		return classAnnouncement
	case kind == event.KindState:
		return classState
	case event.IsRoot(kind):
		return 2
	case kind == event.KindDeletion, kind == event.KindVanish:
		return liveClasses - 1
	}
	return 3
}

const (
	classAnnouncement = iota
	classState
)

var laneSeed = maphash.MakeSeed()

// repoLane is a hash of the repo that an event belongs to: the first coordinate of a repo that it references, else the first id.
func repoLane(e *event.Event, refs event.References) uint64 {
	if addressed(e.Kind) {
		return maphash.Comparable(laneSeed, event.RepoRef(e.PubKey, e.D()))
	}
	for _, ref := range refs.Refs {
		if ref.Kind == event.KindAnnouncement {
			return maphash.Comparable(laneSeed, ref)
		}
	}
	if len(refs.IDs) > 0 {
		return maphash.Comparable(laneSeed, refs.IDs[0])
	}
	return 0
}

// byDue is a container/heap, the earliest due on top.
type byDue []*work

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h byDue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byDue) Push(x any)        { *h = append(*h, x.(*work)) }
func (h *byDue) Pop() any          { return popLast((*[]*work)(h)) }

func popLast[T any](s *[]T) T {
	last := len(*s) - 1
	v := (*s)[last]
	var zero T
	(*s)[last] = zero
	*s = (*s)[:last]
	return v
}
