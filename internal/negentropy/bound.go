package negentropy

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const (
	timeBytes = 8
	idBytes   = len(event.ID{})
)

// key is created_at, big-endian, and the id: the order of its bytes is the order of the protocol.
type key [timeBytes + idBytes]byte

func keyOf(at uint64, id []byte) (k key) {
	binary.BigEndian.PutUint64(k[:], at)
	copy(k[timeBytes:], id)
	return k
}

func (k *key) at() uint64         { return binary.BigEndian.Uint64(k[:]) }
func (k *key) id() *[idBytes]byte { return (*[idBytes]byte)(k[timeBytes:]) }

func (k *key) compare(o *key) int { return bytes.Compare(k[:], o[:]) }

// forever stands in created_at for the bound above all items. No item has it.
const forever = math.MaxUint64

// bound is where a range ends and the next begins: the first position that the range does not hold. The zero
// bound lies before all items.
type bound struct {
	key  key   // zeros beyond size
	size uint8 // bytes of the id that are written, 0 to 32
}

var infinite = bound{key: keyOf(forever, nil)}

func (b *bound) compare(o *bound) int { return b.key.compare(&o.key) }

// between is the shortest bound that lies after a and not after b.
func between(a, b *key) bound {
	at := b.at()
	if a.at() != at {
		return bound{key: keyOf(at, nil)}
	}
	n := 0
	for n < idBytes-1 && a.id()[n] == b.id()[n] {
		n++
	}
	return bound{key: keyOf(at, b.id()[:n+1]), size: uint8(n + 1)}
}
