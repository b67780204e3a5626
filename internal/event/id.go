package event

import (
	"encoding/hex"
	"fmt"
)

// ID is an event id: the SHA-256 of the event's canonical form (NIP-01).
type ID [32]byte

// PubKey is an x-only secp256k1 public key (BIP-340).
type PubKey [32]byte

// ParseID reads 64 lower-case hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	return id, decodeHex(id[:], s)
}

// ParsePubKey reads 64 lower-case hex digits. It does not check that the point is on the curve.
func ParsePubKey(s string) (PubKey, error) {
	var pk PubKey
	return pk, decodeHex(pk[:], s)
}

// String gives 64 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// String gives 64 lower-case hex digits.
func (pk PubKey) String() string { return hex.EncodeToString(pk[:]) }

// nibbles maps lower-case hex digits to their value and everything else to notHex.
var nibbles = func() (t [256]byte) {
	for i := range t {
		t[i] = notHex
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = byte(i)
	}
	return t
}()

const notHex = 0xff

// decodeHex is hex.Decode without its copies, and without upper case: every id of every reference passes here.
func decodeHex(dst []byte, s string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("%d characters, want %d hex digits", len(s), 2*len(dst))
	}
	for i := range dst {
		hi, lo := nibbles[s[2*i]], nibbles[s[2*i+1]]
		if hi|lo == notHex {
			return fmt.Errorf("characters %q at %d, want lower-case hex digits", s[2*i:2*i+2], 2*i)
		}
		dst[i] = hi<<4 | lo
	}
	return nil
}
