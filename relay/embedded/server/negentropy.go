package server

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"sort"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// The answering side of Negentropy V1 (NIP-77). It is not the daemon's own implementation on purpose: two that
// were written apart and agree prove more than one that agrees with itself.

const (
	negVersion = 0x61

	modeSkip        = 0
	modeFingerprint = 1
	modeIDList      = 2

	fingerprintBytes = 16
	buckets          = 16
	infinity         = ^uint64(0)
)

var (
	errNegShort   = errors.New("the negentropy message ends too early")
	errNegVersion = errors.New("not a negentropy message")
	errNegRange   = errors.New("the ranges of the negentropy message are out of order")
	errNegMode    = errors.New("unknown mode in the negentropy message")
	errNegNumber  = errors.New("a number in the negentropy message is too large")
	errNegIDSize  = errors.New("an id prefix in the negentropy message is longer than 32 bytes")
)

type item struct {
	at uint64 // seconds since 1970
	id event.ID
}

// itemSet is sorted by time, then id.
type itemSet []item

func (s itemSet) sort() {
	slices.SortFunc(s, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.at, b.at), bytes.Compare(a.id[:], b.id[:]))
	})
}

// bound is the first position that a range does not contain: a time and as much of an id as is needed.
type bound struct {
	at   uint64
	id   event.ID // zeros beyond size
	size int
}

func (b bound) before(it item) bool { // b <= it
	if b.at != it.at {
		return b.at < it.at
	}
	return bytes.Compare(b.id[:], it.id[:]) <= 0
}

// lowerBound is the index of the first item from index `from` on that is not below b.
func (s itemSet) lowerBound(from int, b bound) int {
	return from + sort.Search(len(s)-from, func(i int) bool { return b.before(s[from+i]) })
}

// reconcile answers one message of the initiator. Its cost is bounded by the message and the set: ranges may not go
// backwards, so every item is summed at most once.
func (s itemSet) reconcile(msg []byte, maxBytes int) ([]byte, error) {
	if len(msg) == 0 {
		return nil, errNegShort
	}
	if msg[0] != negVersion {
		if msg[0]&0xf0 == negVersion&0xf0 {
			return []byte{negVersion}, nil // another version: say which one we speak
		}
		return nil, errNegVersion
	}
	in := negReader{rest: msg[1:]}
	out := negWriter{buf: []byte{negVersion}}
	var prev bound
	lower, skipping := 0, false
	for len(in.rest) > 0 {
		curr, mode, err := in.rangeHead()
		if err != nil {
			return nil, err
		}
		if curr.at < prev.at || curr.at == prev.at && bytes.Compare(curr.id[:], prev.id[:]) < 0 {
			return nil, errNegRange
		}
		upper := s.lowerBound(lower, curr)
		var split, list bool
		switch mode {
		case modeSkip:
		case modeFingerprint:
			theirs, err := in.take(fingerprintBytes)
			if err != nil {
				return nil, err
			}
			split = !bytes.Equal(theirs, s.fingerprint(lower, upper))
		case modeIDList:
			n, err := in.number()
			if err != nil {
				return nil, err
			}
			if n > uint64(len(in.rest)/len(event.ID{})) {
				return nil, errNegShort
			}
			in.rest = in.rest[n*uint64(len(event.ID{})):] // what they have is for them to compare
			list = true
		default:
			return nil, errNegMode
		}
		if !split && !list {
			skipping = true
		} else {
			if skipping {
				skipping = false
				out.head(prev, modeSkip)
			}
			if split {
				s.split(&out, lower, upper, curr)
			} else {
				upper = s.list(&out, lower, upper, curr, maxBytes)
			}
			if len(out.buf) > maxBytes {
				out.head(bound{at: infinity}, modeFingerprint)
				out.buf = append(out.buf, s.fingerprint(upper, len(s))...)
				return out.buf, nil
			}
		}
		lower, prev = upper, curr
	}
	return out.buf, nil
}

// split says more about a range in which the two sides differ: its ids when they are few, else fingerprints of its parts.
func (s itemSet) split(out *negWriter, lower, upper int, end bound) {
	n := upper - lower
	if n < 2*buckets {
		out.head(end, modeIDList)
		out.number(uint64(n))
		for _, it := range s[lower:upper] {
			out.buf = append(out.buf, it.id[:]...)
		}
		return
	}
	for i := range buckets {
		next := lower + (upper-lower)/(buckets-i)
		b := end
		if next < upper {
			b = between(s[next-1], s[next])
		}
		out.head(b, modeFingerprint)
		out.buf = append(out.buf, s.fingerprint(lower, next)...)
		lower = next
	}
}

// list answers an id list with ours, as far as the frame allows; it gives the index where it stopped.
func (s itemSet) list(out *negWriter, lower, upper int, end bound, maxBytes int) int {
	if room := max(0, maxBytes-len(out.buf))/len(event.ID{}) + 1; upper-lower > room {
		upper = lower + room
		end = bound{at: s[upper].at, id: s[upper].id, size: len(event.ID{})}
	}
	out.head(end, modeIDList)
	out.number(uint64(upper - lower))
	for _, it := range s[lower:upper] {
		out.buf = append(out.buf, it.id[:]...)
	}
	return upper
}

// between is the shortest bound that lies after a and not after b.
func between(a, b item) bound {
	if a.at != b.at {
		return bound{at: b.at}
	}
	n := 0
	for n < len(b.id)-1 && a.id[n] == b.id[n] {
		n++
	}
	out := bound{at: b.at, size: n + 1}
	copy(out.id[:n+1], b.id[:])
	return out
}

// fingerprint is the first half of the hash over the sum of the ids (little endian, modulo 2^256) and their number.
func (s itemSet) fingerprint(lower, upper int) []byte {
	var sum [4]uint64
	for i := lower; i < upper; i++ {
		id := &s[i].id
		var carry uint64
		for w := range sum {
			sum[w], carry = bits.Add64(sum[w], binary.LittleEndian.Uint64(id[8*w:]), carry)
		}
	}
	w := negWriter{buf: make([]byte, 0, 42)}
	for _, v := range sum {
		w.buf = binary.LittleEndian.AppendUint64(w.buf, v)
	}
	w.number(uint64(upper - lower))
	h := sha256.Sum256(w.buf)
	return h[:fingerprintBytes]
}

type negReader struct {
	rest []byte
	at   uint64 // last time, from which the next one counts
}

func (r *negReader) take(n int) ([]byte, error) {
	if n > len(r.rest) {
		return nil, errNegShort
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b, nil
}

func (r *negReader) number() (uint64, error) {
	var n uint64
	for i, b := range r.rest {
		if n > infinity>>7 {
			return 0, errNegNumber
		}
		n = n<<7 | uint64(b&0x7f)
		if b&0x80 == 0 {
			r.rest = r.rest[i+1:]
			return n, nil
		}
	}
	return 0, errNegShort
}

func (r *negReader) rangeHead() (b bound, mode uint64, err error) {
	delta, err := r.number()
	if err != nil {
		return b, 0, err
	}
	switch {
	case delta == 0 || r.at == infinity:
		b.at = infinity
	case delta-1 > infinity-r.at:
		return b, 0, errNegNumber
	default:
		b.at = r.at + delta - 1
	}
	r.at = b.at
	n, err := r.number()
	if err != nil {
		return b, 0, err
	}
	if n > uint64(len(b.id)) {
		return b, 0, errNegIDSize
	}
	prefix, err := r.take(int(n))
	if err != nil {
		return b, 0, err
	}
	b.size = copy(b.id[:], prefix)
	mode, err = r.number()
	return b, mode, err
}

type negWriter struct {
	buf []byte
	at  uint64
}

func (w *negWriter) number(n uint64) {
	var tmp [10]byte
	i := len(tmp) - 1
	tmp[i] = byte(n & 0x7f)
	for n >>= 7; n > 0; n >>= 7 {
		i--
		tmp[i] = byte(n&0x7f) | 0x80
	}
	w.buf = append(w.buf, tmp[i:]...)
}

func (w *negWriter) head(b bound, mode uint64) {
	if b.at == infinity {
		w.number(0)
	} else {
		w.number(b.at - w.at + 1)
	}
	w.at = b.at
	w.number(uint64(b.size))
	w.buf = append(w.buf, b.id[:b.size]...)
	w.number(mode)
}
