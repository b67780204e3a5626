package negentropy

import "math"

// mode says what a range carries.
type mode uint64

const (
	modeSkip        mode = 0
	modeFingerprint mode = 1
	modeIDs         mode = 2
)

// maxVarint is the length of the longest number: 64 bits, seven to a byte, the highest first.
const maxVarint = 10

// piece is one range of a message that was read. It begins where the one before it ended.
type piece struct {
	start, end  bound
	mode        mode
	fingerprint fingerprint
	ids         []byte // n*32, a part of the message
}

func (p *piece) empty() bool { return p.start.compare(&p.end) == 0 }

// reader takes a message apart. It allocates nothing.
type reader struct {
	rest []byte
	at   bound // end of the last range
}

// read checks the version and gives a reader for the ranges.
func read(msg []byte) (reader, error) {
	switch {
	case len(msg) == 0:
		return reader{}, malformed("empty")
	case msg[0] == Version:
		return reader{rest: msg[1:]}, nil
	case msg[0]&0xf0 == Version&0xf0:
		return reader{}, ErrVersion{Got: msg[0]}
	}
	return reader{}, malformed("not of this protocol")
}

func (r *reader) more() bool { return len(r.rest) > 0 }

// next reads one range. Ranges may be empty but never go backwards.
func (r *reader) next() (p piece, err error) {
	p.start = r.at
	if p.end, err = r.bound(); err != nil {
		return p, err
	}
	if p.end.compare(&p.start) < 0 {
		return p, malformed("ranges out of order")
	}
	r.at = p.end
	m, err := r.varint()
	if err != nil {
		return p, err
	}
	switch p.mode = mode(m); p.mode {
	case modeSkip:
	case modeFingerprint:
		b, err := r.take(fingerprintBytes)
		if err != nil {
			return p, err
		}
		p.fingerprint = fingerprint(b)
	case modeIDs:
		n, err := r.varint()
		if err != nil {
			return p, err
		}
		if n > uint64(len(r.rest)/idBytes) {
			return p, malformed("more ids announced than sent")
		}
		if p.ids, err = r.take(int(n) * idBytes); err != nil { //nolint:gosec // at most the length of the message
			return p, err
		}
	default:
		return p, malformed("unknown mode")
	}
	return p, nil
}

// bound reads the end of a range: what was added to the time of the last one, plus 1, or 0 for infinity; and as
// many bytes of an id as tell its neighbours apart.
func (r *reader) bound() (b bound, err error) {
	last := r.at.key.at()
	delta, err := r.varint()
	if err != nil {
		return b, err
	}
	at := uint64(forever)
	if delta > 0 {
		if delta-1 >= forever-last {
			return b, malformed("time beyond 64 bits")
		}
		at = last + delta - 1
	}
	n, err := r.varint()
	if err != nil {
		return b, err
	}
	if n > uint64(idBytes) || n > 0 && at == forever {
		return b, malformed("no such bound")
	}
	prefix, err := r.take(int(n))
	if err != nil {
		return b, err
	}
	return bound{key: keyOf(at, prefix), size: uint8(n)}, nil
}

func (r *reader) varint() (uint64, error) {
	var n uint64
	for i, c := range r.rest {
		if i == maxVarint || n > math.MaxUint64>>7 {
			return 0, malformed("number beyond 64 bits")
		}
		n = n<<7 | uint64(c&0x7f)
		if c&0x80 == 0 {
			r.rest = r.rest[i+1:]
			return n, nil
		}
	}
	return 0, malformed("cut off")
}

func (r *reader) take(n int) ([]byte, error) {
	if n > len(r.rest) {
		return nil, malformed("cut off")
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b, nil
}

// What a range takes at most: its bound, its mode; and for a list the number of ids.
const (
	maxHead     = maxVarint + 1 + idBytes + 1
	maxListHead = maxHead + maxVarint
	// ending is a skip to somewhere, and a fingerprint for all that is left.
	ending = maxHead + 3 + fingerprintBytes
)

// writer puts a message together. A copy of it is a point to return to.
type writer struct {
	buf []byte
	at  bound // end of the last range
}

func newWriter() writer { return writer{buf: []byte{Version}} }

// skipTo says nothing about what lies before b. It writes nothing if the last range ended there.
func (w *writer) skipTo(b *bound) {
	if b.compare(&w.at) > 0 {
		w.head(b, modeSkip)
	}
}

func (w *writer) fingerprint(end *bound, f fingerprint) {
	w.head(end, modeFingerprint)
	w.buf = append(w.buf, f[:]...)
}

// list writes the ids of items; none are a request for the other side's.
func (w *writer) list(end *bound, items []key) {
	w.head(end, modeIDs)
	w.buf = appendVarint(w.buf, uint64(len(items)))
	for i := range items {
		w.buf = append(w.buf, items[i].id()[:]...)
	}
}

func (w *writer) head(end *bound, m mode) {
	var delta uint64
	if at := end.key.at(); at != forever {
		delta = at - w.at.key.at() + 1
	}
	w.buf = appendVarint(w.buf, delta)
	w.buf = append(w.buf, end.size)
	w.buf = append(w.buf, end.key.id()[:end.size]...)
	w.buf = appendVarint(w.buf, uint64(m))
	w.at = *end
}

func appendVarint(buf []byte, n uint64) []byte {
	var tmp [maxVarint]byte
	i := maxVarint - 1
	tmp[i] = byte(n & 0x7f)
	for n >>= 7; n > 0; n >>= 7 {
		i--
		tmp[i] = byte(n&0x7f) | 0x80
	}
	return append(buf, tmp[i:]...)
}
