package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// maxReason is the longest stored reason in bytes; the rest is cut.
const maxReason = 1024

func clip(reason string) []byte {
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	return append([]byte{}, reason...)
}

// millis is a stored time: Unix milliseconds rounded down, nil for the zero time.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// indexedTag reports the tags that filters use (DESIGN §5).
func indexedTag(name string) bool {
	switch name {
	case "a", "A", "e", "E", "q", "d", "k", "K":
		return true
	}
	return false
}

// addressTag is the name under which an addressable event is found by its identifier, also when it has no d tag at all.
const addressTag = "d of coordinate"

// tagKey is the key of a tag value: the first 8 bytes of SHA-256 over name, a zero byte and value.
func tagKey(name, value string) int64 {
	b := make([]byte, 0, 128)
	b = append(b, name...)
	b = append(b, 0)
	b = append(b, value...)
	sum := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // a bit pattern, not a number
}

// tagKeys are the keys of an event, sorted, each once.
func tagKeys(e *event.Event) []int64 {
	var keys []int64
	for _, tag := range e.Tags {
		if len(tag) >= 2 && indexedTag(tag[0]) {
			keys = append(keys, tagKey(tag[0], tag[1]))
		}
	}
	if event.IsAddressable(e.Kind) {
		keys = append(keys, tagKey(addressTag, e.D()))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func packKeys(keys []int64) []byte {
	b := make([]byte, 0, 8*len(keys))
	for _, k := range keys {
		b = binary.BigEndian.AppendUint64(b, uint64(k))
	}
	return b
}

func unpackKeys(b []byte) []int64 {
	keys := make([]int64, 0, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		keys = append(keys, int64(binary.BigEndian.Uint64(b))) //nolint:gosec // a bit pattern, not a number
	}
	return keys
}

var errReferences = errors.New("malformed references")

// packReferences gives the number of ids, the ids, and each coordinate with its length before it.
func packReferences(r event.References) []byte {
	b := binary.AppendUvarint([]byte{}, uint64(len(r.IDs)))
	for _, id := range r.IDs {
		b = append(b, id[:]...)
	}
	for _, ref := range r.Refs {
		s := ref.String()
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

func unpackReferences(b []byte) (event.References, error) {
	var r event.References
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used)/32 {
		return r, errReferences
	}
	b = b[used:]
	for range n {
		r.IDs = append(r.IDs, event.ID(b[:32]))
		b = b[32:]
	}
	for len(b) > 0 {
		size, used := binary.Uvarint(b)
		if used <= 0 || size > uint64(len(b)-used) {
			return event.References{}, errReferences
		}
		b = b[used:]
		ref, err := event.ParseRef(string(b[:size]))
		if err != nil {
			return event.References{}, err
		}
		r.Refs = append(r.Refs, ref)
		b = b[size:]
	}
	return r, nil
}

// packLearned is JSON, empty when nothing was learned.
func packLearned(k relay.Learned) ([]byte, error) {
	b, err := json.Marshal(k)
	if string(b) == "{}" {
		b = []byte{}
	}
	return b, err
}

func unpackLearned(b []byte) (relay.Learned, error) {
	var k relay.Learned
	if len(b) == 0 {
		return k, nil
	}
	if err := json.Unmarshal(b, &k); err != nil {
		return relay.Learned{}, err // not half of it
	}
	return k, nil
}

// stored is as generous as a row can be: what was once accepted is not refused when read back.
var stored = event.Limits{Bytes: 1 << 28, Tags: 1 << 20, TagBytes: 1 << 28, Elements: 1 << 24}

// packCoordinates is the form of packReferences without ids.
func packCoordinates(refs []event.Ref) []byte { return packReferences(event.References{Refs: refs}) }

func digest(ref event.Ref) []byte {
	sum := sha256.Sum256([]byte(ref.String()))
	return sum[:]
}
