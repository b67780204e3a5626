package negentropy

// fewItems are sent as a list; from here on, a range is divided.
const fewItems = 2 * parts

// Answer is the answering side: it compares one message with the set and answers it, in at most frame bytes (0 for no
// limit, at least MinFrame). It keeps nothing between messages. Its errors wrap ErrMalformed; another version of the
// protocol is answered with ours. The work is bounded by the length of the message and that of the answer.
func (s *Set) Answer(msg []byte, frame int) ([]byte, error) {
	frame = Limits{Frame: frame}.frame()
	r, err := read(msg)
	if err != nil {
		if _, other := err.(ErrVersion); other { //nolint:errorlint // read wraps nothing
			return []byte{Version}, nil
		}
		return nil, err
	}
	w := newWriter()
	lo := 0
	for r.more() {
		p, err := r.next()
		if err != nil {
			return nil, err
		}
		hi, end := s.find(lo, s.Len(), &p.end), p.end
		before, cut := w, false
		switch p.mode {
		case modeSkip:
		case modeFingerprint:
			if p.fingerprint != s.fingerprint(lo, hi) {
				w.skipTo(&p.start)
				s.split(&w, &end, lo, hi)
			}
		case modeIDs:
			w.skipTo(&p.start)
			if most := lo + room(frame, len(w.buf)); most < hi {
				hi, end, cut = most, bound{key: *s.items.at(most), size: uint8(idBytes)}, true
			}
			w.list(&end, s.slice(lo, hi))
		}
		if len(w.buf)+ending > frame {
			w, hi, cut = before, lo, true
			w.skipTo(&p.start)
		}
		if cut { // what is left is said in one
			w.fingerprint(&infinite, s.fingerprint(hi, s.Len()))
			return w.buf, nil
		}
		lo = hi
	}
	return w.buf, nil
}

// split says more about a range in which the two sides differ: the ids when they are few, else fingerprints of its
// parts.
func (s *Set) split(w *writer, end *bound, lo, hi int) {
	if hi-lo < fewItems {
		w.list(end, s.slice(lo, hi))
		return
	}
	for into := parts; into > 0; into-- {
		next, b := lo+(hi-lo)/into, *end
		if into > 1 {
			b = between(s.items.at(next-1), s.items.at(next))
		}
		w.fingerprint(&b, s.fingerprint(lo, next))
		lo = next
	}
}

// room is how many ids a list may have that begins after `used` bytes.
func room(frame, used int) int {
	return max(0, frame-used-maxListHead-ending) / idBytes
}

// slice is a copy of the items [lo, hi).
func (s *Set) slice(lo, hi int) []key {
	var out []key
	for i := lo; i < hi; i++ {
		out = append(out, *s.items.at(i))
	}
	return out
}
