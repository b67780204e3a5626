package negentropy

import "math"

const (
	// answersPerFrame is how many frames of ours an answer may fill at most: 960,000 bytes, or 1.9 MB of hex, with the
	// default frame. Relays cut theirs at half of that or a little above.
	answersPerFrame = 16
	// What an answer takes, roughly: a fingerprint with its bound, and what surrounds the ids of a list.
	answerFingerprint = 24
	answerList        = 48

	// A small part that differs is answered with all its ids, in the same round, so a range is divided into parts as
	// small as possible, until their fingerprints (some 22 bytes up) weigh as much as the ids that they save (32
	// bytes each, down). With one id in a hundred missing, six items to a part take the fewest rounds and bytes.
	partItems = 6
	// parts is how many fingerprints the protocol's authors divide a range into.
	parts = 16
	// maxParts is into how many such parts a range is divided at once. One that would take more has 16 parts, like
	// anybody's: most of them may be equal.
	maxParts = 64
)

// mostAnswer is the longest answer that we ask for, as far as that can be foreseen.
func (i *Initiator) mostAnswer() int {
	return answersPerFrame * min(i.limits.frame(), math.MaxInt32/answersPerFrame)
}

// send writes the next message: the lowest of the work, as much as the frame holds and the budget allows, and one
// range in any case, which always fits.
func (i *Initiator) send() []byte {
	w := newWriter()
	i.asked = i.asked[:0]
	frame, expected := i.limits.frame(), 0
	for n := len(i.work); n > 0; n-- {
		before, had := w, len(i.asked)
		w.skipTo(&i.work[n-1].start)
		expected += i.ask(&w, i.work[n-1])
		if had > 0 && (len(w.buf) > frame || expected > i.budget) {
			w, i.asked = before, i.asked[:had]
			break
		}
		i.work = i.work[:n-1]
	}
	i.stats.Rounds++
	i.stats.Sent += len(w.buf)
	i.waiting = true
	return w.buf
}

// ask writes what to ask about a span, and gives the expected length of the answer in bytes.
func (i *Initiator) ask(w *writer, s span) (expected int) {
	n := s.hi - s.lo
	into := 1
	if s.list {
		into = i.divide(n)
	}
	if n == 0 || s.list && into == 1 {
		// Without items a fingerprint would do too, but some peers fingerprint too little of what a full frame
		// leaves out: of nothing, that would look equal.
		s.list = true
		i.asked = append(i.asked, s)
		w.list(&s.end, nil)
		return answerList + n*idBytes
	}
	for ; into > 0; into-- {
		part := s
		part.list = false
		if into > 1 {
			part.hi = s.lo + (s.hi-s.lo)/into
			part.end = between(i.set.items.at(part.hi-1), i.set.items.at(part.hi))
		}
		i.asked = append(i.asked, part)
		w.fingerprint(&part.end, i.set.fingerprint(part.lo, part.hi))
		// What comes back is a list if the part is small, else fingerprints of its parts.
		expected += answerList + min((part.hi-part.lo)*idBytes, parts*answerFingerprint)
		s.start, s.lo = part.end, part.hi
	}
	return expected
}

// divide says into how many parts to divide n items that differ somewhere.
func (i *Initiator) divide(n int) int {
	into := (n + partItems - 1) / partItems
	switch {
	case i.stats.Rounds == 0: // nothing is known to differ yet
		return min(into, parts)
	case n <= partItems*maxParts*4/3:
		return min(into, maxParts)
	}
	return parts
}
