package negentropy

import (
	"bytes"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// receive takes an answer. Each of its ranges that is not skipped must lie in one that was asked about. There is one
// exception: a peer whose frame is full ends with a fingerprint for everything above. It covers more than was asked,
// and says nothing that we need: what it leaves unanswered is asked again.
func (i *Initiator) receive(msg []byte) error {
	r, err := read(msg)
	if err != nil {
		return err
	}
	i.differs = i.differs[:0]
	first := i.asked[0].start
	k, cut := 0, false
	for r.more() {
		p, err := r.next()
		if err != nil {
			return err
		}
		if p.mode == modeSkip {
			continue
		}
		for ; k < len(i.asked) && i.asked[k].end.compare(&p.start) <= 0; k++ {
			if err := i.leave(&i.asked[k]); err != nil {
				return err
			}
		}
		switch {
		case k < len(i.asked) && i.asked[k].admits(&p):
			if err := i.answer(&i.asked[k], &p); err != nil {
				return err
			}
		case p.mode == modeFingerprint && p.end == infinite && !r.more():
			if p.start.compare(&first) <= 0 {
				return malformed("no answer")
			}
			cut = true
			i.askAgain(i.asked[k:], &p.start)
		case len(p.ids) == 0 && p.empty():
			// An empty list where a frame ended.
		default:
			return malformed("an answer to what was not asked")
		}
	}
	if !cut {
		for ; k < len(i.asked); k++ {
			if err := i.leave(&i.asked[k]); err != nil {
				return err
			}
		}
	}
	i.pace(len(msg), cut)
	i.queue()
	return nil
}

// admits says whether a range answers s: a fingerprint may be answered with anything, a list only with lists. Whoever
// could answer it with more fingerprints could do so for ever.
func (s *span) admits(p *piece) bool {
	return s.start.compare(&p.start) <= 0 && p.end.compare(&s.end) <= 0 && (p.mode == modeIDs || !s.list)
}

// leave is called when nothing more can come for what was asked. To skip a fingerprint is to call it equal, but a
// list is sent or it is not.
func (i *Initiator) leave(s *span) error {
	if s.list && s.start.compare(&s.end) < 0 {
		return malformed("a list is missing")
	}
	if !s.list {
		i.agree(s.lo, s.hi)
	}
	return nil
}

// agree notes that the peer has our items [lo, hi).
func (i *Initiator) agree(lo, hi int) {
	if lo < hi {
		i.common = min(i.common, i.set.items.at(lo).at())
	}
}

// answer takes one range that lies in what was asked, s, and moves s beyond it.
func (i *Initiator) answer(s *span, p *piece) error {
	if s.start.compare(&p.start) < 0 {
		if s.list {
			return malformed("a list with a gap")
		}
		from := s.lo
		s.lo = i.set.find(s.lo, s.hi, &p.start) // skipped, so equal
		i.agree(from, s.lo)
	}
	hi := i.set.find(s.lo, s.hi, &p.end)
	if p.mode == modeIDs {
		if p.empty() && len(p.ids) > 0 {
			return malformed("ids where there is no room for any")
		}
		i.compare(p.ids, s.lo, hi)
	} else if !p.empty() && p.fingerprint != i.set.fingerprint(s.lo, hi) {
		i.note(span{start: p.start, end: p.end, lo: s.lo, hi: hi, list: true})
	} else if !p.empty() {
		i.agree(s.lo, hi)
	}
	s.start, s.lo = p.end, hi
	return nil
}

// askAgain puts back what was asked and lies above the point where the answer was cut.
func (i *Initiator) askAgain(left []span, from *bound) {
	for _, s := range left {
		if !s.list && s.start.compare(from) < 0 {
			lo := s.lo
			s.start, s.lo = *from, i.set.find(s.lo, s.hi, from)
			i.agree(lo, s.lo)
		}
		if s.start.compare(&s.end) < 0 {
			i.note(s)
		}
	}
}

// note notes a span for the work, above those noted before. What would be too much is asked about as one.
func (i *Initiator) note(s span) {
	if n := len(i.differs); n >= i.maxWork {
		last := &i.differs[n-1]
		last.end, last.hi, last.list = s.end, s.hi, true
		return
	}
	i.differs = append(i.differs, s)
}

// queue puts what the answer found on top of the work: it lies below all that waits. If that is too much, the upper
// half of what waited becomes one span.
func (i *Initiator) queue() {
	if n := len(i.work); n > 1 && n+len(i.differs) > i.maxWork {
		kept := n / 2
		low := i.work[n-kept-1]
		i.work[0].start, i.work[0].lo, i.work[0].list = low.start, low.lo, true
		i.work = append(i.work[:1], i.work[n-kept:]...)
	}
	for _, s := range slices.Backward(i.differs) {
		i.work = append(i.work, s)
	}
}

// pace learns how much the peer answers at once, of what was expected. To ask for more costs it work that it throws
// away; to ask for less costs rounds.
func (i *Initiator) pace(length int, cut bool) {
	if cut {
		i.budget = max(length, i.budget/2)
	} else {
		i.budget *= 2
	}
	i.budget = min(i.budget, i.mostAnswer())
}

// compare sets the peer's ids of a range against our items [lo, hi) of it. Ids come without their times, so they are looked
// up by themselves.
func (i *Initiator) compare(ids []byte, lo, hi int) {
	i.theirs = i.theirs[:0]
	for id := range slices.Chunk(ids, idBytes) {
		i.theirs = append(i.theirs, event.ID(id))
	}
	slices.SortFunc(i.theirs, compareIDs)
	i.theirs = slices.Compact(i.theirs)
	i.found = append(i.found[:0], make([]bool, len(i.theirs))...)
	for n := lo; n < hi; n++ {
		ours := i.set.items.at(n)
		at, ok := slices.BinarySearchFunc(i.theirs, event.ID(*ours.id()), compareIDs)
		if ok {
			i.found[at] = true
			i.common = min(i.common, ours.at())
		} else {
			i.stats.Haves++
			if i.have != nil {
				i.have(int64(ours.at()), *ours.id()) //nolint:gosec // it came from an int64
			}
		}
	}
	for n, found := range i.found {
		if !found {
			i.needed = append(i.needed, i.theirs[n])
		}
	}
}

func compareIDs(a, b event.ID) int { return bytes.Compare(a[:], b[:]) }
