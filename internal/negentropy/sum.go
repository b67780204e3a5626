package negentropy

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

const (
	fingerprintBytes = 16
	// sumEvery is after how many items a sum is kept: a byte for each item, and at most 2*31 additions for a range.
	sumEvery = 32
)

type fingerprint [fingerprintBytes]byte

// sum is a sum of ids as little-endian numbers, modulo 2^256; the lowest 64 bits come first.
type sum [4]uint64

func (s *sum) add(id *[idBytes]byte) {
	var c uint64
	s[0], c = bits.Add64(s[0], binary.LittleEndian.Uint64(id[0:]), 0)
	s[1], c = bits.Add64(s[1], binary.LittleEndian.Uint64(id[8:]), c)
	s[2], c = bits.Add64(s[2], binary.LittleEndian.Uint64(id[16:]), c)
	s[3], _ = bits.Add64(s[3], binary.LittleEndian.Uint64(id[24:]), c)
}

func (s *sum) sub(o *sum) {
	var b uint64
	for i := range s {
		s[i], b = bits.Sub64(s[i], o[i], b)
	}
}

func sumsOf(items *keys) []sum {
	sums := make([]sum, 1, items.n/sumEvery+1)
	var total sum
	for i := range items.n {
		total.add(items.at(i).id())
		if (i+1)%sumEvery == 0 {
			sums = append(sums, total)
		}
	}
	return sums
}

// below sums the first n items.
func (s *Set) below(n int) sum {
	total := s.sums[n/sumEvery]
	for i := n - n%sumEvery; i < n; i++ {
		total.add(s.items.at(i).id())
	}
	return total
}

// fingerprint is over the items [lo, hi): the first half of the hash of their sum and their number.
func (s *Set) fingerprint(lo, hi int) fingerprint {
	total := s.below(hi)
	under := s.below(lo)
	total.sub(&under)
	var buf [idBytes + maxVarint]byte
	text := buf[:0]
	for _, word := range total {
		text = binary.LittleEndian.AppendUint64(text, word)
	}
	hash := sha256.Sum256(appendVarint(text, uint64(hi-lo)))
	return fingerprint(hash[:fingerprintBytes])
}
